// Owns what is known of the ends of workers: the signal that the kernel tells of, and the exception that a worker itself told
// of before it went; they come one by one, in any order. Pure.
import { CRASH_SIGNALS, type Exit } from './exit-reason.ts';
import { sameProcess, type ProcessKey } from './identity.ts';
import type { WorkerEndReport } from './status.ts';

/** The end of a worker that was followed. */
export interface WorkerEnd extends Exit {
  /** When the first was told, ms since the epoch. */
  readonly at: number;
  /** An exception that nobody in the worker caught: "ValueError: no such user"; null: none is known. */
  readonly exception: string | null;
}

/** As many are remembered: of more workers than a target has sessions. */
const MOST = 32;

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

/** The ends, oldest first, with what the kernel says of one. */
export function withExit(ends: readonly WorkerEnd[], exit: Exit, now: number): readonly WorkerEnd[] {
  return noted(ends, exit, now, (end) => ({ ...end, ...exit }));
}

/** The ends, oldest first, with what a worker said of its own. */
export function withWords(
  ends: readonly WorkerEnd[],
  process: ProcessKey,
  exception: string,
  now: number,
): readonly WorkerEnd[] {
  return noted(ends, process, now, (end) => ({ ...end, exception }));
}

function noted(
  ends: readonly WorkerEnd[],
  { pid, startTime, replica }: ProcessKey,
  at: number,
  change: (end: WorkerEnd) => WorkerEnd,
): readonly WorkerEnd[] {
  const key = { pid, startTime, ...(replica === undefined ? {} : { replica }) };
  const known = ends.findIndex((end) => sameProcess(end, key));
  if (known >= 0) return ends.map((end, index) => (index === known ? change(end) : end));
  return [...ends, change({ ...key, at, exception: null })].slice(-MOST);
}

/** Null: no worker that was followed has ended. */
export function lastEnd(ends: readonly WorkerEnd[]): WorkerEndReport | null {
  const end = ends.at(-1);
  return end === undefined ? null : endReport(end);
}

/** Null: it has not ended, or too long ago. */
export function endOf(ends: readonly WorkerEnd[], process: ProcessKey): WorkerEndReport | null {
  const end = ends.find((one) => sameProcess(one, process));
  return end === undefined ? null : endReport(end);
}

function endReport({ pid, at, exception, signal, oom }: WorkerEnd): WorkerEndReport {
  const number = signal ?? 0;
  const [name, usual] = SIGNALS[number] ?? [`signal ${String(number)}`, 'killed'];
  const words = oom === true ? 'killed by the system: out of memory' : usual;
  return {
    pid,
    at,
    crashed: exception !== null || CRASH_SIGNALS.has(number),
    exception,
    signal: number === 0 ? null : name,
    reason: exception ?? (number === 0 ? null : `${name} (${words})`),
  };
}
