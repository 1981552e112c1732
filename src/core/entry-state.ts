// Owns how far we are inside the followed worker, and what a failure there does: counts and back-off. Pure; decides
// nothing about what comes next: ladder.ts.
import { DebugwandError } from '../lib/errors.ts';
import type { AgentError, AgentErrorCode, EnterResult } from '../agent/protocol.ts';
import type { ReattachPhases, ReattachReason, ReattachReport } from './status.ts';
import type { ProcessInfo, Rung } from './types.ts';
import { delayMs, RETRY } from './backoff.ts';

export type EntryState =
  | { readonly state: 'new' }
  | { readonly state: 'entering'; readonly rung: Rung }
  | { readonly state: 'entered'; readonly rung: Rung; readonly result: EnterResult; readonly at: number }
  | {
      readonly state: 'failed';
      readonly rung: Rung;
      readonly error: EntryFailure;
      readonly attempts: number;
      /** Null: only another rung or another worker can help. */
      readonly retryAt: number | null;
    };

/** A failure to enter; `named` where the daemon's side failed, with its own fix. */
export interface EntryFailure extends AgentError {
  readonly named?: DebugwandError;
}

export interface FailedRung {
  readonly rung: Rung;
  readonly why: string;
  readonly error: EntryFailure;
}

/** The worker that the session follows. */
export interface WorkerState {
  readonly process: ProcessInfo;
  readonly generation: number;
  /** Why it is another one than before; null for the first, and for one that is entered again. */
  readonly cause: ReattachReason | null;
  /** Milliseconds since the epoch: when the process started, and when we saw it. */
  readonly startedAt: number;
  readonly seenAt: number;
  readonly entry: EntryState;
  /** The last failures, oldest first; those that another rung may cure are kept longest. */
  readonly failedRungs: readonly FailedRung[];
  /** The keeper was told of it. */
  readonly up: boolean;
  readonly holding: boolean;
  /** The keeper lost its connection although the worker lives: how often in a row. */
  readonly lost: number;
}

export interface Reattaches {
  readonly count: number;
  readonly history: readonly ReattachReport[];
  /** The last generation that was counted. */
  readonly recorded: number;
}

export const NO_REATTACHES: Reattaches = { count: 0, history: [], recorded: 0 };

const MAX_FAILURES = 10;
const MAX_HISTORY = 50;
/** A connection lost so often, each time soon after it was made, is not tried again. */
const MOST_LOST = 4;

/** A fault of the rung (not of the worker): the next rung may do better. */
const RUNG_FAULTS: ReadonlySet<AgentErrorCode> = new Set(['denied', 'no-space']);
const RETRIED: ReadonlySet<AgentErrorCode> = new Set([
  'gone',
  'changed',
  'failed',
  'internal',
  'asleep',
  'frozen',
  'bad-request',
]);

export function isRungFault(error: EntryFailure): boolean {
  return RUNG_FAULTS.has(error.code);
}

/** The last try ended because the worker ran no Python code: the present one waits for that. */
export function isAsleep(worker: WorkerState): boolean {
  return worker.failedRungs.at(-1)?.error.code === 'asleep';
}

/** Why other rungs than `used` did not do, the latest word of each. */
export function skippedRungs(failures: readonly FailedRung[], used: Rung): readonly FailedRung[] {
  const faults = failures.filter(({ rung, error }) => rung !== used && isRungFault(error));
  return [...new Map(faults.map((fault) => [fault.rung, fault])).values()];
}

/** The worker lives, as far as we know, but the debugger's connection to it ended: enter again, ever more slowly. */
export function lostEntry(worker: WorkerState, why: string, now: number, random: number): WorkerState {
  const entry = worker.entry;
  if (entry.state !== 'entered') return worker;
  const attempts = now - entry.at > RETRY.healthyMs ? 1 : worker.lost + 1;
  if (attempts >= MOST_LOST) {
    const error = takenAway(worker, why);
    return {
      ...worker,
      up: false,
      lost: attempts,
      entry: { state: 'failed', rung: entry.rung, error, attempts, retryAt: null },
    };
  }
  return {
    ...worker,
    up: false,
    lost: attempts,
    entry: {
      state: 'failed',
      rung: entry.rung,
      // Its end mostly means the end of the process, which is about to be seen: the first time it is taken for that.
      error: { code: attempts === 1 ? 'gone' : 'failed', message: `the connection to debugpy ended: ${why}` },
      attempts,
      retryAt: now + (attempts === 1 ? 50 : delayMs(RETRY, attempts, random)),
    },
  };
}

/** Two daemons would take one worker from each other for ever: who loses it so often lets the other have it. */
function takenAway({ process }: WorkerState, why: string): EntryFailure {
  const named = new DebugwandError({
    code: 'debugger-taken',
    message: `something takes the debugger out of worker ${String(process.pid)} again and again, most likely another wand (${why})`,
    fix: 'one wand at a time debugs a worker: stop the other one, then `wand restart TARGET` here; a new worker is entered by itself',
    permanent: true,
  });
  return { code: 'failed', message: named.message, named };
}

export function failedEntry(
  worker: WorkerState,
  rung: Rung,
  error: EntryFailure,
  now: number,
  random: number,
): WorkerState {
  const attempts = worker.failedRungs.filter((failure) => failure.rung === rung).length + 1;
  const retryAt = RETRIED.has(error.code) ? now + retryMs(error, attempts, random) : null;
  const failedRungs = latest([...worker.failedRungs, { rung, why: error.message, error }]);
  return { ...worker, failedRungs, entry: { state: 'failed', rung, error, attempts, retryAt } };
}

function retryMs(error: EntryFailure, attempts: number, random: number): number {
  // A sleeper is asked again at once: what it runs next is what the developer waits for.
  if (error.code === 'asleep') return 1;
  // The process list is about to say so itself; the first time a short wait will do.
  if ((error.code === 'gone' || error.code === 'changed') && attempts === 1) return 20;
  return delayMs(RETRY, attempts, random);
}

/** Drops the oldest; a fault of a rung only when there is nothing else: it says why, and as whom to try. */
function latest(failures: readonly FailedRung[]): readonly FailedRung[] {
  if (failures.length <= MAX_FAILURES) return failures;
  const oldest = failures.findIndex(({ error }) => !isRungFault(error));
  return failures.toSpliced(Math.max(0, oldest), 1);
}

/** The next try comes now. */
export function retryEntry(worker: WorkerState, now: number): WorkerState {
  const { entry } = worker;
  return entry.state === 'failed' && entry.retryAt !== null ? { ...worker, entry: { ...entry, retryAt: now } } : worker;
}

/** Counts a worker that can be debugged, once. `at`: when it came to that, ms since the epoch, by its breakpoints
 * (`verified`) or because no editor is there. */
export function counted(reattach: Reattaches, worker: WorkerState, at: number, verified: boolean): Reattaches {
  if (worker.cause === null || reattach.recorded >= worker.generation) return reattach;
  const phases = phasesOf(worker, at, verified);
  const report: ReattachReport = {
    at,
    ms: Math.round(at - worker.startedAt),
    seenMs: Math.round(at - worker.seenAt),
    reason: worker.cause,
    ...(phases === null ? {} : { phases }),
  };
  return {
    count: reattach.count + 1,
    history: [...reattach.history, report].slice(-MAX_HISTORY),
    recorded: worker.generation,
  };
}

/** The agent counts from when it was asked; what it says is fitted between our own clock's times. Null: not entered. */
function phasesOf({ entry, startedAt, seenAt }: WorkerState, at: number, verified: boolean): ReattachPhases | null {
  if (entry.state !== 'entered') return null;
  const { inside, listening } = entry.result.timings;
  const seen = Math.max(0, Math.round(seenAt - startedAt));
  const debugpyUp = Math.max(seen, Math.round(entry.at - startedAt));
  const entered = Math.max(seen, debugpyUp - Math.max(0, Math.round(listening - inside)));
  return { seen, entered, debugpyUp, verified: verified ? Math.max(debugpyUp, Math.round(at - startedAt)) : null };
}
