// Owns where a config may lie: the only importer of cosmiconfig. It finds the file and leaves it unread where it can,
// so that `wand status` learns the project's folder without running anybody's code. Reading is load.ts.
import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { cosmiconfig, type Loader } from 'cosmiconfig';
import { DebugwandError, messageOf } from '../lib/errors.ts';
import { parseJson } from '../lib/json.ts';
import { parseToml } from '../lib/toml.ts';

export const NAME = 'debugwand';
const MODULES = ['ts', 'mts', 'js', 'mjs', 'cjs'];
const DATA = ['json', 'yaml', 'yml'];

/** Files that are a config as a whole. */
const OWN_PLACES: readonly string[] = [
  ...[...MODULES, ...DATA].map((extension) => `${NAME}.config.${extension}`),
  `.${NAME}rc`,
  ...[...DATA, ...MODULES].map((extension) => `.${NAME}rc.${extension}`),
];
/** In this order, in the working directory first, then in each folder above it. */
export const SEARCH_PLACES: readonly string[] = [...OWN_PLACES, 'package.json', 'pyproject.toml'];

/** Takes a file as it is, unread. */
const taken: Loader = () => ({ found: true });

const packageJson: Loader = (file, text) => {
  if (!file.endsWith('package.json')) return { found: true };
  // Below the name `package`, cosmiconfig takes our key by itself and goes on where there is none.
  if (!text.includes(`"${NAME}"`)) return {};
  const parsed = parseJson(text);
  // A package.json that npm cannot read either is not ours to complain about, unless it has our key.
  if ('error' in parsed) return /"debugwand"\s*:\s*\{/.test(text) ? { [NAME]: { found: true } } : {};
  return hasKey(parsed.value, NAME) ? { [NAME]: { found: true } } : {};
};

const pyproject: Loader = (_file, text) => {
  if (!text.includes(NAME)) return null;
  const parsed = parseToml(text);
  if ('error' in parsed) return /^\s*\[+\s*tool\s*\.\s*"?debugwand/m.test(text) ? { found: true } : null;
  return hasKey(parsed.value, 'tool', NAME) ? { found: true } : null;
};

/** Absolute path of the config that counts for `cwd`, or null. @throws DebugwandError `config-invalid` */
export async function findConfig(cwd: string): Promise<string | null> {
  try {
    const explorer = cosmiconfig(NAME, {
      searchPlaces: [...SEARCH_PLACES],
      searchStrategy: 'none',
      cache: false,
      loaders: {
        ...Object.fromEntries([...MODULES, 'yaml', 'yml'].map((extension) => [`.${extension}`, taken])),
        '.json': packageJson,
        '.toml': pyproject,
        noExt: taken,
      },
    });
    // Upward by hand: cosmiconfig's own way up ends in a folder of the user's settings, which is no project.
    for (let folder = resolve(cwd); ; folder = dirname(folder)) {
      const result = await explorer.search(folder);
      if (result !== null) return result.filepath;
      // cosmiconfig passes over an empty file. Whoever has just made it is told what goes in there.
      const empty = OWN_PLACES.map((name) => join(folder, name)).find(isFile);
      if (empty !== undefined) return empty;
      if (dirname(folder) === folder) return null;
    }
  } catch (error) {
    throw new DebugwandError({
      code: 'config-invalid',
      message: `looking for a config from ${cwd} upward failed: ${messageOf(error)}`,
      fix: 'mend the file that it names, or name the config by `--config FILE`',
      cause: error,
    });
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** The section of a package.json or pyproject.toml that is ours; other files are the config as a whole. */
export function sectionOf(file: string, value: unknown): unknown {
  if (file.endsWith('package.json')) return get(value, NAME);
  return file.endsWith('pyproject.toml') ? get(get(value, 'tool'), NAME) : value;
}

/** The text of a file, with the reason in words. @throws DebugwandError `config-missing` */
export async function readConfigText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new DebugwandError({
      code: 'config-missing',
      message: `the config ${file} cannot be read: ${reasonOf(error)}`,
      fix: 'bring it back, or name another one by `--config FILE`; `wand init` writes a new one',
      cause: error,
    });
  }
}

function reasonOf(error: unknown): string {
  const code = get(error, 'code');
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'it is a folder';
  if (code === 'EACCES') return 'no permission';
  return messageOf(error);
}

function get(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
}

function hasKey(value: unknown, ...path: readonly string[]): boolean {
  return path.reduce(get, value) !== undefined;
}
