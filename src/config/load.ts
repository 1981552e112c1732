// Owns the way from a file on the disk to a ProjectConfig. Finding it is find.ts, running TypeScript and JavaScript
// configs is load-module.ts, what is allowed in it is schema.ts.
import { basename, dirname, extname, resolve } from 'node:path';
import type { ProjectConfig } from '../core/types.ts';
import { DebugwandError } from '../lib/errors.ts';
import { parseJson } from '../lib/json.ts';
import { parseToml } from '../lib/toml.ts';
import { parseYaml, type Parsed } from '../lib/yaml.ts';
import { findConfig, readConfigText, SEARCH_PLACES, sectionOf } from './find.ts';
import { importConfig, isModule } from './load-module.ts';
import { parseConfig } from './schema.ts';

export interface ConfigRequest {
  /** Where the search starts; relative `file`s start here too. */
  readonly cwd: string;
  /** `--config FILE`: no search. */
  readonly file?: string | undefined;
}

/**
 * Finds, reads and checks the config.
 * @throws DebugwandError `config-missing` (none found, or the named one is not there), `config-invalid`
 */
export async function loadConfig(request: ConfigRequest, signal: AbortSignal): Promise<ProjectConfig> {
  const file = await locateConfig(request);
  if (file === null) throw noConfig(request.cwd);
  return await loadConfigFile(file, signal);
}

/** Absolute path of the config, without reading it; null when there is none. */
export async function locateConfig({ cwd, file }: ConfigRequest): Promise<string | null> {
  return file === undefined ? await findConfig(cwd) : resolve(cwd, file);
}

/** The same for a file that is known. @throws DebugwandError `config-missing`, `config-invalid` */
export async function loadConfigFile(file: string, signal: AbortSignal): Promise<ProjectConfig> {
  const raw = isModule(file) ? await importConfig(file, signal) : readData(file, await readConfigText(file));
  return parseConfig(raw, { file, root: dirname(file) });
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
      fix: 'see debugwand.config.example.ts for what goes in there, or let `wand init` write a config',
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
