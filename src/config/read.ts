// Owns reading a config in the process that loader.ts runs in: finding it is find.ts, running TypeScript and JavaScript
// is import-module.ts, what is allowed in it is schema.ts. The rest of debugwand asks load.ts.
import { basename, dirname, extname } from 'node:path';
import type { ProjectConfig } from '../core/types.ts';
import { DebugwandError } from '../lib/errors.ts';
import { parseJson } from '../lib/json.ts';
import { parseToml } from '../lib/toml.ts';
import { parseYaml, type Parsed } from '../lib/yaml.ts';
import { findConfig, readConfigText, SEARCH_PLACES, sectionOf } from './find.ts';
import { importModule, type ModuleReport } from './import-module.ts';
import { parseConfig } from './schema.ts';

export interface ConfigRequest {
  /** Absolute: where the search starts. */
  readonly cwd: string;
  /** Absolute: no search. */
  readonly file: string | null;
}

const MODULES = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']);

/** `onFile` is told the file before anything of it runs. @throws DebugwandError `config-missing`, `config-invalid` */
export async function readConfig(request: ConfigRequest, onFile: (file: string) => void): Promise<ProjectConfig> {
  const file = request.file ?? (await findConfig(request.cwd));
  if (file === null) throw noConfig(request.cwd);
  onFile(file);
  const text = await readConfigText(file);
  const raw = MODULES.has(extname(file)) ? await readModule(file) : readData(file, text);
  return parseConfig(raw, { file, root: dirname(file) });
}

async function readModule(file: string): Promise<unknown> {
  // `import.meta` says whether this runs from the sources or from dist/.
  const own = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const report = await importModule(file, new URL(`../index${own}`, import.meta.url).href);
  if ('value' in report) return report.value;
  throw moduleError(file, report);
}

function readData(file: string, text: string): unknown {
  const parsed = parserOf(file)(text);
  if ('error' in parsed) {
    const { line, column, message } = parsed.error;
    const place = line === null ? file : `${file}:${line}${column === null ? '' : `:${column}`}`;
    throw new DebugwandError({
      code: 'config-invalid',
      message: `${place}: ${message}`,
      fix: `mend the syntax of ${basename(file)} there`,
    });
  }
  const section = sectionOf(file, parsed.value);
  if (section === undefined || (section === null && text.trim() === '')) {
    throw new DebugwandError({
      code: 'config-missing',
      message: `${file} has no config of debugwand in it`,
      // A file that is there stays as it is.
      fix:
        section === null
          ? 'write it as debugwand.config.example.ts does, or remove it and let `wand init` write one'
          : 'see debugwand.config.example.ts for what goes in there, or let `wand init` write a config',
    });
  }
  return section;
}

function parserOf(file: string): (text: string) => Parsed {
  switch (extname(file)) {
    case '.json':
      return parseJson;
    case '.toml':
      return parseToml;
    default:
      return parseYaml; // .yaml, .yml, .debugwandrc: YAML takes JSON too
  }
}

function noConfig(cwd: string): DebugwandError {
  return new DebugwandError({
    code: 'config-missing',
    message: `no config in ${cwd} or above (${SEARCH_PLACES[0] ?? ''} and others)`,
    fix: 'let `wand init` write one, name one by `--config FILE`, or do without: `wand watch -- COMMAND`, `wand debug --container NAME`',
  });
}

function moduleError(file: string, report: Exclude<ModuleReport, { value: unknown }>): DebugwandError {
  const place = report.place ?? file;
  switch (report.problem) {
    case 'no-default':
      return invalid(
        `${file} has no default export${report.text === '' ? '' : ` (it exports ${report.text})`}`,
        'write `export default { targets: { … } } satisfies Config` or `export default defineConfig({ … })`',
      );
    case 'not-data':
      return invalid(
        `${file}: ${report.text} is not plain data`,
        'a config holds strings, numbers, true, false, lists and objects only',
      );
    case 'unsupported-typescript':
      return invalid(
        `${place}: ${report.text}`,
        'Node runs a config by leaving its types out, so `enum`, `namespace` with code, parameter properties and decorators cannot be used in it: use a plain object instead',
      );
    case 'syntax':
      return invalid(`${place}: ${report.text}`, `mend the syntax of ${basename(file)} there`);
    case 'not-found':
      return invalid(`${place}: ${report.text}`, 'correct the import, install the package, or do without it');
    case 'thrown':
      return invalid(`${place}: the config threw ${report.text}`, 'mend the config');
  }
}

function invalid(message: string, fix: string): DebugwandError {
  return new DebugwandError({ code: 'config-invalid', message, fix });
}
