// Owns running one config file in this process, and telling what it exports. Changes how this process loads modules, so
// it is for a process that ends afterwards (loader.ts).
//
// Node by itself would refuse many of these files: TypeScript below node_modules, `export default` where the nearest
// package.json says "type": "commonjs", and `import … from 'debugwand'` where the package is not installed. Hooks on
// its module loader mend all three, for relative imports of the config too.
import { existsSync, readFileSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { compileFunction } from 'node:vm';

export type ModuleReport =
  | { readonly value: unknown }
  | {
      readonly problem: 'no-default' | 'not-data' | 'unsupported-typescript' | 'syntax' | 'not-found' | 'thrown';
      readonly text: string;
      /** `/path/file.ts:3:2`, null where it is not known. */
      readonly place: string | null;
    };

const TYPESCRIPT = new Set(['.ts', '.mts', '.cts']);
const JAVASCRIPT = new Set(['.js', '.mjs', '.cjs']);

/** `./base` means `./base.ts` too, and `./base.js` the `./base.ts` that it will be compiled from. */
function besides(url: string): string | null {
  const path = fileURLToPath(url);
  const stem = /\.[mc]?js$/.test(path) ? path.replace(/js$/, '') : `${path}.`;
  const endings = stem === `${path}.` ? ['ts', 'mts', 'js', 'mjs', 'cjs'] : ['ts'];
  const found = endings.map((ending) => stem + ending).find((candidate) => existsSync(candidate));
  return found === undefined ? null : pathToFileURL(found).href;
}

/** JavaScript that was loaded: where a syntax error may be. */
const loadedFiles: string[] = [];

function installHooks(publicApi: string): void {
  registerHooks({
    resolve(specifier, context, next) {
      // Always ours, also where the package is installed: one version reads the config, and its types are erased.
      if (specifier === 'debugwand') return { url: publicApi, shortCircuit: true };
      try {
        return next(specifier, context);
      } catch (error) {
        if (!/^\.{1,2}\//.test(specifier) || context.parentURL === undefined) throw error;
        const other = besides(new URL(specifier, context.parentURL).href);
        if (other === null) throw error;
        return { url: other, shortCircuit: true };
      }
    },
    load(url, context, next) {
      if (!url.startsWith('file:') || url === publicApi || url.includes('/node_modules/')) return next(url, context);
      const path = fileURLToPath(url);
      const extension = extname(path);
      if (!TYPESCRIPT.has(extension) && !JAVASCRIPT.has(extension)) return next(url, context);
      const text = readFileSync(path, 'utf8');
      const source = TYPESCRIPT.has(extension) ? stripTypeScriptTypes(text, { sourceUrl: url }) : text;
      if (JAVASCRIPT.has(extension)) loadedFiles.push(path);
      return { format: isCommonJs(extension, source) ? 'commonjs' : 'module', source, shortCircuit: true };
    },
  });
}

/** By its syntax, as Node does where no package.json speaks: what compiles as CommonJS and uses it is CommonJS. */
function isCommonJs(extension: string, source: string): boolean {
  if (extension.startsWith('.c')) return true;
  if (extension.startsWith('.m') || !/\b(module|exports|require)\b/.test(source)) return false;
  try {
    compileFunction(source, ['exports', 'require', 'module', '__filename', '__dirname']);
    return true;
  } catch {
    return false;
  }
}

/** Path of the first value that is not plain data, in words; null when all is. */
function impurity(value: unknown, path: string, seen: Set<object>): string | null {
  if (typeof value === 'function' || typeof value === 'symbol') return `${path} (a ${typeof value})`;
  if (typeof value !== 'object' || value === null || seen.has(value)) return null;
  seen.add(value);
  if (value instanceof Promise) return `${path} (a promise)`;
  if (value instanceof RegExp) return `${path} (a RegExp: write it as a string)`;
  for (const [key, inner] of Object.entries(value)) {
    const found = impurity(inner, path === 'the default export' ? key : `${path}.${key}`, seen);
    if (found !== null) return found;
  }
  return null;
}

/** `publicApi`: URL of our own index, which is what `debugwand` means in a config. Never throws. */
export async function importModule(file: string, publicApi: string): Promise<ModuleReport> {
  process.removeAllListeners('warning'); // stripping types is still announced as experimental
  installHooks(publicApi);
  try {
    const url = pathToFileURL(file).href;
    const loaded: unknown = await import(url);
    const exported = new Map<string, unknown>(
      typeof loaded === 'object' && loaded !== null ? Object.entries(loaded) : [],
    );
    const value = exported.get('default');
    if (value === undefined) {
      const names = [...exported.keys()].filter((name) => name !== 'default' && name !== 'module.exports');
      return { problem: 'no-default', text: names.map((name) => `\`${name}\``).join(', '), place: null };
    }
    const impure = impurity(value, 'the default export', new Set());
    return impure === null ? { value } : { problem: 'not-data', text: impure, place: null };
  } catch (error) {
    return failure(error);
  }
}

function failure(error: unknown): ModuleReport {
  if (!(error instanceof Error)) return { problem: 'thrown', text: String(error), place: null };
  const code = 'code' in error ? error.code : undefined;
  const text = error.message;
  const place = placeIn(error.stack ?? '');
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') return { problem: 'unsupported-typescript', text, place };
  if (code === 'ERR_INVALID_TYPESCRIPT_SYNTAX') return { problem: 'syntax', text, place };
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') return { problem: 'not-found', text, place };
  if (error instanceof SyntaxError) return { problem: 'syntax', text, place: place ?? placeInJavaScript() };
  return { problem: 'thrown', text: `${error.name}: ${text}`, place };
}

/** The head of a syntax error's stack is `file:///x.ts:3`, the line, and `^` below the column; of others, frames. */
function placeIn(stack: string): string | null {
  const head = /^(file:\/\/\S+|\/\S+):(\d+)\n[^]*?\n( *)\^/.exec(stack);
  if (head?.[1] !== undefined && head[3] !== undefined) {
    return `${pathOf(head[1])}:${head[2] ?? ''}:${head[3].length + 1}`;
  }
  const frames = stack.matchAll(/(?:\(|at )(file:\/\/[^\s()]+|\/[^\s()]+):(\d+):(\d+)/g);
  for (const [, file, line, column] of frames) {
    if (file !== undefined && !file.includes('/node_modules/') && file !== import.meta.url)
      return `${pathOf(file)}:${line ?? ''}:${column ?? ''}`;
  }
  const line = /^(file:\/\/\S+:\d+)\n/.exec(stack)?.[1];
  return line === undefined ? null : pathOf(line);
}

/** V8 keeps the place of a module's syntax error to itself. The TypeScript parser reads JavaScript too, and tells. */
function placeInJavaScript(): string | null {
  for (const file of loadedFiles) {
    try {
      stripTypeScriptTypes(readFileSync(file, 'utf8'), { sourceUrl: pathToFileURL(file).href });
    } catch (error) {
      return error instanceof Error ? placeIn(error.stack ?? '') : null;
    }
  }
  return null;
}

function pathOf(file: string): string {
  return file.startsWith('file:') ? fileURLToPath(file) : file;
}
