// Owns the judgement on what an agent says: unknown in, a typed message or null out. Pure.
import {
  AGENT_ERROR_CODES,
  type AgentError,
  type AgentErrorCode,
  type AgentEvent,
  type EnterResult,
  type Hello,
  type Methods,
  type RunResult,
} from './protocol.ts';
import type { ProcessInfo, PythonInfo } from '../core/types.ts';
import { isFields, type Fields } from '../lib/fields.ts';

export type Incoming =
  | { readonly type: 'event'; readonly event: AgentEvent }
  | { readonly type: 'answer'; readonly id: number; readonly result: unknown }
  /** `id` null: the agent could not tell which request it was. */
  | { readonly type: 'failure'; readonly id: number | null; readonly error: AgentError };

/** Of an exception, characters. */
const MOST_WORDS = 500;

/** A message of the agent, or null for what is none. */
export function parseIncoming(value: unknown): Incoming | null {
  if (!isFields(value)) return null;
  if ('event' in value) {
    const event = parseEvent(value);
    return event === null ? null : { type: 'event', event };
  }
  const { id } = value;
  if ('error' in value) {
    const error = parseError(value['error']);
    return error !== null && (id === null || isNumber(id)) ? { type: 'failure', id, error } : null;
  }
  return isNumber(id) && 'result' in value ? { type: 'answer', id, result: value['result'] } : null;
}

/** What an agent may say about the wire, or null. */
export function parseLink(value: unknown): { readonly ack: number } | { readonly resumed: number } | null {
  if (!isFields(value)) return null;
  const { ack, resumed } = value;
  if (isNumber(ack)) return { ack };
  return isNumber(resumed) ? { resumed } : null;
}

/** One guard per method for its result; null: not what the method answers. */
export const RESULTS: { readonly [M in keyof Methods]: (value: unknown) => Methods[M]['result'] | null } = {
  watch: parseNothing,
  upload: (value) => (isFields(value) && isString(value['path']) ? { path: value['path'] } : null),
  enter: parseEnter,
  unhold: parseNothing,
  release: parseNothing,
  run: parseRun,
  dial: parseNothing,
  hangup: parseNothing,
  ping: parseNothing,
};

function parseNothing(value: unknown): Record<string, never> | null {
  return isFields(value) ? {} : null;
}

function parseEvent(value: Fields): AgentEvent | null {
  switch (value['event']) {
    case 'hello':
      return parseHello(value);
    case 'processes': {
      const { changed, processes } = value;
      if (typeof changed !== 'boolean' || !Array.isArray(processes)) return null;
      const parsed = processes.map(parseProcess);
      return parsed.every((one) => one !== null) ? { event: 'processes', changed, processes: parsed } : null;
    }
    case 'exited': {
      const { pid, startTime, signal, oom } = value;
      if (!isNumber(pid) || !isNumber(startTime)) return null;
      return {
        event: 'exited',
        pid,
        startTime,
        ...(isNumber(signal) ? { signal } : {}),
        ...(oom === true ? { oom } : {}),
      };
    }
    case 'raised': {
      const { pid, startTime, text } = value;
      if (!isNumber(pid) || !isNumber(startTime) || !isString(text)) return null;
      return { event: 'raised', pid, startTime, text: text.slice(0, MOST_WORDS) };
    }
    case 'left': {
      const { pid, startTime, why, ended } = value;
      if (!isNumber(pid) || !isNumber(startTime) || !isString(why)) return null;
      if (ended !== undefined && typeof ended !== 'boolean') return null;
      return { event: 'left', pid, startTime, why, ...(ended === undefined ? {} : { ended }) };
    }
    case 'output': {
      const { run, stream, text } = value;
      if (!isNumber(run) || !isString(text) || (stream !== 'stdout' && stream !== 'stderr')) return null;
      return { event: 'output', run, stream, text };
    }
    case 'channel-closed': {
      const { channel, why } = value;
      return isNumber(channel) && isString(why) ? { event: 'channel-closed', channel, why } : null;
    }
    default:
      return null;
  }
}

function parseHello(value: Fields): Hello | null {
  const { python, pid, uid, gid, capabilities } = value;
  if (!isString(python) || !isNumber(pid) || !isNumber(uid) || !isNumber(gid) || !isString(capabilities)) return null;
  return { event: 'hello', python, pid, uid, gid, capabilities };
}

function parseProcess(value: unknown): ProcessInfo | null {
  if (!isFields(value)) return null;
  const { pid, ppid, startTime, execId, ageMs, cmdline, exe, cwd, uid, state, threads, cpuSeconds, rssBytes } = value;
  const environ = parseEnviron(value['environ']);
  const python = parsePython(value['python']);
  if (
    !isNumber(pid) ||
    !isNumber(ppid) ||
    !isNumber(startTime) ||
    !isString(execId) ||
    !isNumber(ageMs) ||
    !isStrings(cmdline) ||
    !isStringOrNull(exe) ||
    !isStringOrNull(cwd) ||
    !isNumber(uid) ||
    !isString(state) ||
    !isNumber(threads) ||
    !isNumber(cpuSeconds) ||
    !isNumber(rssBytes) ||
    environ === undefined ||
    python === undefined
  ) {
    return null;
  }
  return {
    pid,
    ppid,
    startTime,
    execId,
    ageMs,
    cmdline,
    exe,
    cwd,
    uid,
    state,
    threads,
    cpuSeconds,
    rssBytes,
    environ,
    python,
    ...(typeof value['forked'] === 'boolean' ? { forked: value['forked'] } : {}),
  };
}

/** Undefined: not what it must be. */
function parseEnviron(value: unknown): Record<string, string> | null | undefined {
  if (value === null) return null;
  if (!isFields(value)) return undefined;
  const parsed: Record<string, string> = {};
  for (const [name, text] of Object.entries(value)) {
    if (!isString(text)) return undefined;
    parsed[name] = text;
  }
  return parsed;
}

function parsePython(value: unknown): PythonInfo | null | undefined {
  if (value === null) return null;
  if (!isFields(value)) return undefined;
  const { version, remoteDebug, freeThreaded, abi, libc, arch } = value;
  if (remoteDebug !== null && remoteDebug !== 'on' && remoteDebug !== 'off' && remoteDebug !== 'unsupported') {
    return undefined;
  }
  if (!isString(version) || typeof freeThreaded !== 'boolean' || !isString(abi) || !isString(libc) || !isString(arch)) {
    return undefined;
  }
  return { version, remoteDebug, freeThreaded, abi, libc, arch };
}

function parseEnter(value: unknown): EnterResult | null {
  if (!isFields(value) || !isFields(value['timings'])) return null;
  const { port, python, debugpy, origin, held } = value;
  const { armed, inside, listening } = value['timings'];
  if (origin !== 'ours' && origin !== 'app' && origin !== 'ours-before' && origin !== 'app-listening') return null;
  if (!isNumber(port) || !isString(python) || !isString(debugpy) || typeof held !== 'boolean') return null;
  if (!isNumber(armed) || !isNumber(inside) || !isNumber(listening)) return null;
  return { port, python, debugpy, origin, held, timings: { armed, inside, listening } };
}

function parseRun(value: unknown): RunResult | null {
  if (!isFields(value)) return null;
  const { exit, exception } = value;
  return isNumber(exit) && isStringOrNull(exception) ? { exit, exception } : null;
}

function parseError(value: unknown): AgentError | null {
  if (!isFields(value)) return null;
  const { code, message, facts } = value;
  if (!isCode(code) || !isString(message)) return null;
  const parsed: Record<string, string | number | boolean | null> = {};
  for (const [name, fact] of Object.entries(isFields(facts) ? facts : {})) {
    if (fact === null || isString(fact) || isNumber(fact) || typeof fact === 'boolean') parsed[name] = fact;
  }
  return { code, message, facts: parsed };
}

function isCode(value: unknown): value is AgentErrorCode {
  return AGENT_ERROR_CODES.some((code) => code === value);
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isString);
}

function isStringOrNull(value: unknown): value is string | null {
  return value === null || isString(value);
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
