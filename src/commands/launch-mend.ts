// Owns what `wand doctor` says of .vscode/launch.json, and the text that is right: entries that are missing, that attach to
// another port than the config has, or that map a folder that is not there. Pure.
import { fields, isFields, list } from '../lib/fields.ts';
import { editJsonc, parseJsonc } from '../lib/jsonc.ts';
import { launchEntry, launchText, portOf, type LaunchTarget } from './init-text.ts';

export type LaunchState =
  | {
      /** What is wrong, in words; empty: nothing. */
      readonly faults: readonly string[];
      /** With all of it mended; comments and whatever else is there stay. */
      readonly text: string;
    }
  /** It cannot be read. */
  | { readonly error: string };

/** @param isFolder whether there is such a folder on this machine @param before null: there is no such file */
export function launchState(
  before: string | null,
  root: string,
  targets: readonly LaunchTarget[],
  isFolder: (path: string) => boolean,
): LaunchState {
  const parsed = parseJsonc(before ?? '{}');
  const entries = list(fields('value' in parsed ? parsed.value : null)['configurations']);
  let text = before;
  const faults: string[] = [];
  for (const target of targets) {
    const wanted = launchEntry(target, root);
    const index = entries.findIndex((entry) => isFields(entry) && entry['name'] === wanted.name);
    const entry = entries[index];
    if (text === null || !isFields(entry)) continue;
    const port = portOf(entry);
    if (port !== target.port) {
      faults.push(`"${wanted.name}" attaches to port ${String(port)}, the config has ${String(target.port)}`);
      const place = 'port' in entry && !isFields(entry['connect']) ? ['port'] : ['connect', 'port'];
      text = editJsonc(text, ['configurations', index, ...place], target.port);
    }
    const lost = lostFolder(entry, root, isFolder);
    if (lost !== null) {
      faults.push(`"${wanted.name}" maps the folder ${lost}, which is not there`);
      text = editJsonc(text, ['configurations', index, 'pathMappings'], wanted.pathMappings);
    }
  }
  const change = launchText(text, root, targets);
  if ('error' in change) return change;
  for (const name of change.added) faults.push(`it has no "${name}"`);
  return { faults, text: change.text };
}

function lostFolder(
  entry: Readonly<Record<string, unknown>>,
  root: string,
  isFolder: (path: string) => boolean,
): string | null {
  for (const mapping of list(entry['pathMappings'])) {
    const local = fields(mapping)['localRoot'];
    if (typeof local !== 'string') continue;
    const path = local.replaceAll('${workspaceFolder}', root);
    // Other variables are VS Code's to know.
    if (!path.includes('${') && !isFolder(path)) return local;
  }
  return null;
}
