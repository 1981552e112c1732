// Owns what the keeper says it can do, before any worker is there to be asked. Pure.
//
// The list is the one that debugpy's own adapter answers with (debugpy 1.8.22, debugpy/adapter/clients.py), and
// `cancel`, which the keeper answers itself.
import type { DebugProtocol } from '@vscode/debugprotocol';
import { isObject, objects, type JsonObject } from './messages.ts';

const EXCEPTION_FILTERS: readonly DebugProtocol.ExceptionBreakpointsFilter[] = [
  {
    filter: 'raised',
    label: 'Raised Exceptions',
    default: false,
    description: 'Break whenever any exception is raised.',
  },
  {
    filter: 'uncaught',
    label: 'Uncaught Exceptions',
    default: true,
    description: 'Break when the process is exiting due to unhandled exception.',
  },
  {
    filter: 'userUnhandled',
    label: 'User Uncaught Exceptions',
    default: false,
    description: 'Break when exception escapes into library code.',
  },
];

/** What depends on the debugpy in the worker. */
const OF_DEBUGPY = {
  supportsCompletionsRequest: true,
  supportsConditionalBreakpoints: true,
  supportsDelayedStackTraceLoading: true,
  supportsEvaluateForHovers: true,
  supportsExceptionInfoRequest: true,
  supportsExceptionOptions: true,
  supportsFunctionBreakpoints: true,
  supportsHitConditionalBreakpoints: true,
  supportsLogPoints: true,
  supportsModulesRequest: true,
  supportsSetExpression: true,
  supportsSetVariable: true,
  supportsValueFormattingOptions: true,
  supportsGotoTargetsRequest: true,
  supportsClipboardContext: true,
  supportsStepInTargetsRequest: true,
} as const satisfies DebugProtocol.Capabilities;

/** The body of the answer to `initialize`. `endsApp`: the editor may end the app (`terminateOnDisconnect`). */
export function capabilities(endsApp: boolean): JsonObject {
  return {
    ...OF_DEBUGPY,
    supportsConfigurationDoneRequest: true,
    supportTerminateDebuggee: endsApp,
    supportsTerminateRequest: true,
    supportsCancelRequest: true,
    exceptionBreakpointFilters: [...EXCEPTION_FILTERS],
    // Not of the protocol: Visual Studio looks for it before it sends `setDebuggerProperty`.
    supportsDebuggerProperties: true,
  } satisfies DebugProtocol.Capabilities & { supportsDebuggerProperties: true };
}

/** What debugpy can do, as far as it depends on the debugpy in the worker. */
export type KnownCapabilities = JsonObject;

export const ASSUMED: KnownCapabilities = { ...OF_DEBUGPY, exceptionBreakpointFilters: EXCEPTION_FILTERS };

/** `said`: the body of debugpy's answer to `initialize`. What it does not mention it cannot do. */
export function capabilitiesOf(said: unknown): KnownCapabilities {
  const body = isObject(said) ? said : {};
  const known: Record<string, unknown> = {};
  for (const name of Object.keys(OF_DEBUGPY)) known[name] = body[name] === true;
  const filters = objects(body['exceptionBreakpointFilters']);
  const same = filters.map((f) => f['filter']).join() === EXCEPTION_FILTERS.map((f) => f.filter).join();
  // pydevd leaves the descriptions out that its adapter adds: that is no change.
  known['exceptionBreakpointFilters'] = same ? EXCEPTION_FILTERS : filters;
  return known;
}

/** The entries of `now` that differ from what the editor was told; null when none does. */
export function changedCapabilities(told: KnownCapabilities, now: KnownCapabilities): JsonObject | null {
  const changed = Object.entries(now).filter(([name, value]) => JSON.stringify(told[name]) !== JSON.stringify(value));
  return changed.length === 0 ? null : Object.fromEntries(changed);
}

/**
 * DAP requests that debugpy knows by name and has no handler for: pydevd prints to the app's stdout and never
 * answers (`process_net_command_json`, debugpy 1.8.22), so they must not reach it.
 */
export const UNANSWERED_BY_DEBUGPY: ReadonlySet<string> = new Set([
  'breakpointLocations',
  'dataBreakpointInfo',
  'disassemble',
  'loadedSources',
  'readMemory',
  'restartFrame',
  'reverseContinue',
  'runInTerminal',
  'setDataBreakpoints',
  'setInstructionBreakpoints',
  'startDebugging',
  'stepBack',
  'terminateThreads',
  'writeMemory',
]);
