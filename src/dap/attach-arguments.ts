// Owns what the editor's `initialize` and `attach` mean for debugpy: what is refused, left out, filled in. Pure.
import type { PathMapping } from '../core/types.ts';
import { isObject, objects, type JsonObject } from './messages.ts';

/** What is only about how the editor got here, or would make debugpy's adapter look for another process. */
const NOT_FOR_DEBUGPY = [
  'restart',
  '__restart',
  '__sessionId',
  'connect',
  'listen',
  'host',
  'port',
  'processId',
  'subProcessId',
  'preLaunchTask',
  'postDebugTask',
] as const;

/** Why `initialize` cannot be served, or null. debugpy knows only lines and columns from 1 and plain paths. */
export function refuseInitialize(args: JsonObject): string | null {
  if (args['linesStartAt1'] === false || args['columnsStartAt1'] === false) {
    return 'debugpy counts lines and columns from 1: set linesStartAt1 and columnsStartAt1 to true';
  }
  if (args['pathFormat'] !== undefined && args['pathFormat'] !== 'path') {
    return 'debugpy knows plain paths only: set pathFormat to "path"';
  }
  return null;
}

/** Why `attach` cannot be served, or null. `child`: by the session of a further worker. */
export function refuseAttach(args: JsonObject, child = false): string | null {
  if (!child && args['subProcessId'] !== undefined) {
    return 'the debug session that this one belonged to has ended: start that one anew, and remove "subProcessId" here';
  }
  return args['noDebug'] === true ? '"noDebug" is not possible with "attach": remove it' : null;
}

/**
 * The arguments to attach with. `mappings`: those of the config or inferred; they are used when the editor has none, or
 * only ones that map a folder to itself (VS Code adds such a one for 127.0.0.1).
 * `windows`: the editor's side is Windows, which debugpy must know to compare paths.
 */
export function attachArguments(args: JsonObject, mappings: readonly PathMapping[], windows: boolean): JsonObject {
  const out: Record<string, unknown> = { ...args };
  for (const name of NOT_FOR_DEBUGPY) Reflect.deleteProperty(out, name);
  // pydevd's reader thread dies of these when they have another type.
  if (!Array.isArray(out['debugOptions'])) delete out['debugOptions'];
  if (typeof out['options'] !== 'string') delete out['options'];
  if (!Array.isArray(out['rules'])) delete out['rules'];

  const own = objects(out['pathMappings']).filter(
    (m) => typeof m['localRoot'] === 'string' && typeof m['remoteRoot'] === 'string',
  );
  const ours = mappings.map((m) => ({ localRoot: m.local, remoteRoot: m.remote }));
  const chosen = ours.length > 0 && own.every(isIdentity) ? ours : own;
  if (chosen.length > 0) out['pathMappings'] = chosen;
  else delete out['pathMappings'];

  if (windows && out['clientOS'] === undefined && !namesClientOS(out['debugOptions'])) out['clientOS'] = 'windows';
  return out;
}

function isIdentity(mapping: JsonObject): boolean {
  return plain(mapping['localRoot']) === plain(mapping['remoteRoot']);
}

function plain(root: unknown): string {
  return typeof root === 'string' ? root.replace(/[/\\]+$/, '') : '';
}

function namesClientOS(options: unknown): boolean {
  return Array.isArray(options) && (options.includes('WindowsClient') || options.includes('UnixClient'));
}

/** The editor in words: its name, else its id, else "an editor". */
export function editorName(initialize: unknown): string {
  const args = isObject(initialize) ? initialize : {};
  for (const name of [args['clientName'], args['clientID']]) {
    if (typeof name === 'string' && name.trim() !== '') return name.trim().slice(0, 80);
  }
  return 'an editor';
}
