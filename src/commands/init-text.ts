// Owns the texts that `wand init` writes: a config, and entries of VS Code's launch.json. Pure.
import { isFields } from '../lib/fields.ts';
import { editJsonc, parseJsonc } from '../lib/jsonc.ts';
import type { PathMapping } from '../core/types.ts';
import { type Proposal, relativePath } from './init-propose.ts';

/** Contents of debugwand.config.ts. */
export function configText(targets: readonly Pick<Proposal, 'name' | 'input' | 'because'>[]): string {
  const entries = targets.flatMap(({ name, input, because }) => [
    `    // ${because}`,
    `    ${key(name)}: ${literal(input)},`,
  ]);
  return [
    "import type { Config } from 'debugwand';",
    '',
    '// All settings and their defaults: debugwand.config.example.ts of the package. Changes apply while `wand watch` runs.',
    'export default {',
    '  targets: {',
    ...entries,
    '  },',
    '} satisfies Config;',
    '',
  ].join('\n');
}

/** TypeScript for plain data, on one line. */
function literal(value: unknown): string {
  if (typeof value === 'string')
    return `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{ ${Object.entries(value)
      .map(([name, inner]) => `${key(name)}: ${literal(inner)}`)
      .join(', ')} }`;
  }
  return String(value);
}

function key(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : `'${name}'`;
}

export interface LaunchTarget {
  readonly name: string;
  readonly port: number;
  readonly mappings: readonly PathMapping[];
}

export type LaunchChange =
  | { readonly text: string; readonly added: readonly string[]; readonly present: readonly string[] }
  /** The file is broken: it stays as it is. */
  | { readonly error: string };

/** Name of the compound that starts the sessions of all targets. */
const ALL = 'wand: all';

/**
 * Puts an entry for each target into launch.json, and a compound of them where there are several; comments, trailing commas
 * and what is there stay. A target whose port some entry attaches to already is left out.
 * @param text null: there is no such file yet
 */
export function launchText(text: string | null, root: string, targets: readonly LaunchTarget[]): LaunchChange {
  let result = text === null || text.trim() === '' ? '{\n  "version": "0.2.0",\n  "configurations": []\n}\n' : text;
  const parsed = parseJsonc(result);
  if ('error' in parsed) {
    const { line, column, message } = parsed.error;
    return { error: `line ${String(line ?? 1)}, column ${String(column ?? 1)}: ${message}` };
  }
  if (!isFields(parsed.value)) return { error: 'it does not hold an object' };
  const list = parsed.value['configurations'];
  if (list !== undefined && !Array.isArray(list)) return { error: '`configurations` is not a list' };
  const entries: readonly unknown[] = list ?? [];
  if (list === undefined) result = editJsonc(result, ['configurations'], []);
  const compounds = parsed.value['compounds'];
  if (compounds !== undefined && !Array.isArray(compounds)) return { error: '`compounds` is not a list' };
  const added: string[] = [];
  const present: string[] = [];
  const names: string[] = [];
  let length = entries.length;
  for (const target of targets) {
    const entry = launchEntry(target, root);
    const same = entries.find(
      (other) => isFields(other) && (other['name'] === entry.name || portOf(other) === target.port),
    );
    if (isFields(same)) {
      const name = typeof same['name'] === 'string' ? same['name'] : entry.name;
      present.push(name);
      names.push(name);
      continue;
    }
    names.push(entry.name);
    result = editJsonc(result, ['configurations', length], entry);
    length += 1;
    added.push(entry.name);
  }
  // Who wrote all of them keeps the words as they are.
  const isOurs = names.some((name) => name.startsWith('wand: '));
  const whole = names.length < 2 || !isOurs ? null : withCompound(result, compounds ?? [], names);
  if (whole !== null) added.push(ALL);
  return { text: whole ?? result, added, present };
}

/** The text with the compound brought up to these configurations; null: it has them all. */
function withCompound(text: string, compounds: readonly unknown[], names: readonly string[]): string | null {
  const index = compounds.findIndex((compound) => isFields(compound) && compound['name'] === ALL);
  // Each session is ended by itself: the others go on.
  if (index < 0) {
    const compound = { name: ALL, configurations: names, stopAll: false };
    return compounds.length > 0
      ? editJsonc(text, ['compounds', compounds.length], compound)
      : editJsonc(text, ['compounds'], [compound]);
  }
  const compound = compounds[index];
  const found: unknown = isFields(compound) ? compound['configurations'] : null;
  const listed: readonly unknown[] = Array.isArray(found) ? found : [];
  const missing = names.filter((name) => !listed.includes(name));
  if (missing.length === 0) return null;
  return editJsonc(text, ['compounds', index, 'configurations'], [...listed, ...missing]);
}

/** What VS Code's Python Debugger extension takes to attach; other editors take the same words. */
export function launchEntry({ name, port, mappings }: LaunchTarget, root: string) {
  const pathMappings = mappings.map(({ local, remote }) => {
    const path = relativePath(root, local);
    const localRoot =
      path === '.' ? '${workspaceFolder}' : path.startsWith('./') ? `\${workspaceFolder}/${path.slice(2)}` : local;
    return { localRoot, remoteRoot: remote };
  });
  return {
    name: `wand: ${name}`,
    type: 'debugpy',
    request: 'attach',
    connect: { host: '127.0.0.1', port },
    ...(pathMappings.length > 0 ? { pathMappings } : {}),
  };
}

/** The port that an entry attaches to. */
export function portOf(entry: Readonly<Record<string, unknown>>): unknown {
  const { connect } = entry;
  return isFields(connect) ? connect['port'] : entry['port'];
}
