// Owns how a session for a further worker is asked of an editor: in which way, and with which configuration. Pure.
import { isInteger, isObject, type JsonObject } from './messages.ts';
import type { ChildWay } from './session-types.ts';

/** Of the parent's arguments: what would look for another process, or is about how the editor started that session. */
const NOT_FOR_CHILDREN: ReadonlySet<string> = new Set([
  'processId',
  'listen',
  'host',
  'port',
  'restart',
  'preLaunchTask',
  'postDebugTask',
]);

/**
 * The way that an editor takes, by its `initialize`; null: it has one session and no more, or wants no more (`subProcess`
 * of its `attach`). debugpy's event is heard by the
 * Python extension of VS Code alone: whoever else does not know `startDebugging` gets none.
 */
export function childWay(initialize: JsonObject, attach: JsonObject): ChildWay | null {
  if (attach['subProcess'] === false) return null;
  if (initialize['supportsStartDebuggingRequest'] === true) return 'startDebugging';
  return initialize['clientID'] === 'vscode' && initialize['adapterID'] !== undefined ? 'debugpyAttach' : null;
}

/** As debugpy's adapter makes it. `attach`: the parent's arguments. `slot`: what the child's `attach` will name. */
export function childConfiguration(
  attach: JsonObject,
  child: { readonly name: string; readonly slot: number; readonly port: number },
): JsonObject {
  const kept = Object.entries(attach).filter(([name]) => !NOT_FOR_CHILDREN.has(name) && !name.startsWith('__'));
  const { connect } = attach;
  // The editor may reach this port by another address than ours.
  const known = isObject(connect) && isInteger(connect['port']) && typeof connect['host'] === 'string';
  return {
    ...Object.fromEntries(kept),
    request: 'attach',
    name: child.name,
    subProcessId: child.slot,
    connect: known ? connect : { host: '127.0.0.1', port: child.port },
  };
}
