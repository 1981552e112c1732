// Owns what is known of the end of the last worker: the signal that the kernel tells of, and the exception that the worker
// itself told of before it went. Pure.
import { CRASH_SIGNALS, type Exit } from './exit-reason.ts';
import type { WorkerEndReport } from './status.ts';
import type { TargetState } from './state.ts';

/** An exception that nobody in the worker caught: "ValueError: no such user". Told right before its end. */
export interface LastWords {
  readonly pid: number;
  readonly startTime: number;
  readonly text: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The end of a process, and when it was seen, ms since the epoch. */
export interface SeenExit extends Exit {
  readonly at: number;
}

const SIGNALS: Readonly<Record<number, readonly [name: string, words: string]>> = {
  1: ['SIGHUP', 'hung up'],
  2: ['SIGINT', 'interrupted'],
  3: ['SIGQUIT', 'told to quit'],
  4: ['SIGILL', 'illegal instruction'],
  6: ['SIGABRT', 'aborted'],
  7: ['SIGBUS', 'bus error'],
  8: ['SIGFPE', 'arithmetic fault'],
  9: ['SIGKILL', 'killed: by somebody, or for want of memory'],
  11: ['SIGSEGV', 'segmentation fault'],
  15: ['SIGTERM', 'terminated'],
};

/** Null: the last worker that was entered has not ended, or nobody has told anything of its end. */
export function workerEnd(state: Pick<TargetState, 'previous' | 'lastExit' | 'lastWords'>): WorkerEndReport | null {
  const { lastExit: exit, lastWords: words } = state;
  const of = words !== null && (exit === null || isOf(words, exit) || words.at > exit.at) ? words : exit;
  if (of === null) return null;
  const exception = words !== null && isOf(words, of) ? words.text : null;
  const number = exit !== null && isOf(exit, of) ? (exit.signal ?? null) : null;
  const known =
    number === null || number === 0 ? undefined : (SIGNALS[number] ?? [`signal ${String(number)}`, 'killed']);
  return {
    pid: of.pid,
    at: of.at,
    crashed: exception !== null || (number !== null && CRASH_SIGNALS.has(number)),
    exception,
    signal: known?.[0] ?? null,
    reason: exception ?? (known === undefined ? null : `${known[0]} (${known[1]})`),
  };
}

/** The same of one process: null unless it was the last one that ended. */
export function endOf(state: TargetState, process: { pid: number; startTime: number }): WorkerEndReport | null {
  const of = [state.lastWords, state.lastExit].some((one) => one !== null && isOf(one, process));
  const end = workerEnd(state);
  return of && end !== null && end.pid === process.pid ? end : null;
}

function isOf(a: { pid: number; startTime: number }, b: { pid: number; startTime: number }): boolean {
  return a.pid === b.pid && a.startTime === b.startTime;
}
