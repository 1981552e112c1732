// Owns what is known of the ends of workers: the signal that the kernel tells of, and the exception that a worker itself told
// of before it went; they come one by one, in any order. And which of them is a crash: not one of a command that we had told
// to end. Pure.
import { CRASH_SIGNALS, type Exit } from './exit-reason.ts';
import { replicaKey, sameProcess, type ProcessKey } from './identity.ts';
import type { WorkerEndReport } from './status.ts';
import type { Snapshot } from './types.ts';

/** The end of a worker that was followed. */
export interface WorkerEnd extends Exit {
  /** When the first was told, ms since the epoch. */
  readonly at: number;
  /** An exception that nobody in the worker caught: "ValueError: no such user"; null: none is known. */
  readonly exception: string | null;
  /** What it ran in had been told to end. */
  readonly toldToEnd?: true;
}

/** What is known of ends, and of what runs. */
export interface Ends {
  readonly ends: readonly WorkerEnd[];
  readonly snapshot: Snapshot | null;
}

/** What was told to end, and still runs so long after it lost a worker, took that for something else, ms: a prompt does. */
export const GOES_ON_MS = 2_000;
const SIGKILL = 9;

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

/** The ends, oldest first, with what the kernel says of one. `toldToEnd`: see WorkerEnd. */
export function withExit(
  ends: readonly WorkerEnd[],
  exit: Exit,
  now: number,
  toldToEnd: boolean,
): readonly WorkerEnd[] {
  return noted(ends, exit, now, (end) => ({ ...end, ...exit, ...(toldToEnd ? { toldToEnd } : {}) }));
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
export function lastEnd({ ends, snapshot }: Ends, now: number): WorkerEndReport | null {
  const end = ends.at(-1);
  return end === undefined ? null : endReport(end, snapshot, now);
}

/** Null: it has not ended, or too long ago. */
export function endOf({ ends, snapshot }: Ends, process: ProcessKey, now: number): WorkerEndReport | null {
  const end = ends.find((one) => sameProcess(one, process));
  return end === undefined ? null : endReport(end, snapshot, now);
}

/** When it will be known whether a worker ended because all of it did, ms since the epoch; null: it is, of all. */
export function verdictAt({ ends, snapshot }: Ends, now: number): number | null {
  const due = ends
    .filter((end) => isKilled(end) && runsOn(end, snapshot))
    .map(({ at }) => at + GOES_ON_MS)
    .filter((at) => at > now);
  return due.length === 0 ? null : Math.min(...due);
}

/**
 * It was killed as part of an end that was asked for: reloaders and servers do that to a worker that does not go by itself.
 * If the rest goes on, that was not why.
 */
function isOfTheEnd(end: WorkerEnd, snapshot: Snapshot | null, now: number): boolean {
  return isKilled(end) && !(runsOn(end, snapshot) && now >= end.at + GOES_ON_MS);
}

function isKilled({ toldToEnd, signal, oom, exception }: WorkerEnd): boolean {
  return toldToEnd === true && signal === SIGKILL && oom !== true && exception === null;
}

function runsOn({ replica }: WorkerEnd, snapshot: Snapshot | null): boolean {
  return snapshot?.replicas.some((one) => one.state === 'running' && replicaKey(one) === replica) === true;
}

function endReport(end: WorkerEnd, snapshot: Snapshot | null, now: number): WorkerEndReport {
  const { pid, at, exception, signal, oom } = end;
  const number = signal ?? 0;
  const [name, usual] = SIGNALS[number] ?? [`signal ${String(number)}`, 'killed'];
  const isAsked = isOfTheEnd(end, snapshot, now);
  const words = isAsked ? 'killed as it was told to end' : oom === true ? 'killed by the system: out of memory' : usual;
  return {
    pid,
    at,
    crashed: exception !== null || (CRASH_SIGNALS.has(number) && !isAsked),
    exception,
    signal: number === 0 ? null : name,
    reason: exception ?? (number === 0 ? null : `${name} (${words})`),
  };
}
