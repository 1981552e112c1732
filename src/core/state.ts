// Owns the state of one target as the reconciler sees it, and what may be observed about it. Pure: `observe` returns a
// new state and never decides anything; decisions are in plan.ts.
import type { DebugwandError } from '../lib/errors.ts';
import type { AgentError, EnterResult, Hello } from '../agent/protocol.ts';
import type { ReattachReason, ReattachReport } from './status.ts';
import type { Classification, ProcessInfo, Replica, Rung, Snapshot, TargetConfig } from './types.ts';
import { classify } from './classify.ts';
import { reattachReason, type Exit } from './exit-reason.ts';
import { delayMs, RETRY } from './backoff.ts';

/** The agent that watches the followed replica. */
export type AgentState =
  | { readonly state: 'none' }
  | { readonly state: 'starting'; readonly attempts: number; readonly error: DebugwandError | null }
  | { readonly state: 'ready'; readonly hello: Hello; readonly since: number }
  | { readonly state: 'failed'; readonly error: DebugwandError; readonly attempts: number; readonly retryAt: number };

/** How far we are inside the followed worker. */
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
  /** Why it is another one than before; null for the first. */
  readonly cause: ReattachReason | null;
  /** Milliseconds since the epoch: when the process started, and when we saw it. */
  readonly startedAt: number;
  readonly seenAt: number;
  readonly entry: EntryState;
  readonly failedRungs: readonly FailedRung[];
  /** The keeper was told of it. */
  readonly up: boolean;
  readonly holding: boolean;
  /** The keeper lost its connection although the worker lives; count of re-entries for it. */
  readonly lost: number;
}

export interface TargetState {
  readonly snapshot: Snapshot | null;
  /** The replica whose agent we run. */
  readonly replica: Replica | null;
  readonly agent: AgentState;
  readonly processes: readonly ProcessInfo[];
  /** When `processes` was observed, ms since the epoch: their `ageMs` counts to there. */
  readonly processesAt: number;
  readonly classification: Classification | null;
  readonly worker: WorkerState | null;
  /** The last worker that was followed: what `cause` is derived from. */
  readonly previous: {
    readonly classification: Classification;
    readonly replica: Replica;
    readonly worker: ProcessInfo;
  } | null;
  /** How the last worker that was followed ended, as far as the kernel told. */
  readonly lastExit: Exit | null;
  /** Workers followed so far. */
  readonly generation: number;
  /** The rung that worked last: tried first, so that a reload pays for no failures. */
  readonly provenRung: Rung | null;
  readonly provenSkips: readonly FailedRung[];
  /** The worker that the keeper was told of and not yet told to forget. */
  readonly sessionGeneration: number | null;
  readonly editor: { readonly connected: boolean; readonly client: string | null; readonly stoppedAt: string | null };
  readonly reattach: { readonly count: number; readonly history: readonly ReattachReport[]; readonly recorded: number };
  /** The port could not be bound, or another fault of the target as a whole. */
  readonly fault: DebugwandError | null;
  readonly portBound: boolean;
}

export const INITIAL_STATE: TargetState = {
  snapshot: null,
  replica: null,
  agent: { state: 'none' },
  processes: [],
  processesAt: 0,
  classification: null,
  worker: null,
  previous: null,
  lastExit: null,
  generation: 0,
  provenRung: null,
  provenSkips: [],
  sessionGeneration: null,
  editor: { connected: false, client: null, stoppedAt: null },
  reattach: { count: 0, history: [], recorded: 0 },
  fault: null,
  portBound: false,
};

export type Observation =
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly type: 'following'; readonly replica: Replica | null }
  | { readonly type: 'agent-starting' }
  | { readonly type: 'agent-ready'; readonly hello: Hello }
  | { readonly type: 'agent-lost'; readonly error: DebugwandError }
  | { readonly type: 'processes'; readonly processes: readonly ProcessInfo[]; readonly changed: boolean }
  | { readonly type: 'exited'; readonly exit: Exit }
  | { readonly type: 'entering'; readonly generation: number; readonly rung: Rung }
  | { readonly type: 'entered'; readonly generation: number; readonly rung: Rung; readonly result: EnterResult }
  | { readonly type: 'enter-failed'; readonly generation: number; readonly rung: Rung; readonly error: EntryFailure }
  | { readonly type: 'session-up'; readonly generation: number }
  | { readonly type: 'session-down' }
  | { readonly type: 'session-lost'; readonly generation: number; readonly why: string }
  | { readonly type: 'unheld'; readonly generation: number }
  | { readonly type: 'left'; readonly pid: number; readonly startTime: number; readonly why: string }
  | { readonly type: 'verified'; readonly generation: number; readonly at: number }
  | { readonly type: 'editor'; readonly connected: boolean; readonly client: string | null }
  | { readonly type: 'stopped'; readonly where: string | null }
  | { readonly type: 'port'; readonly bound: boolean; readonly fault: DebugwandError | null }
  /** The waiting for a next try ends now. */
  | { readonly type: 'retry' }
  | { readonly type: 'reenter' }
  | { readonly type: 'config' };

export function sameProcess(a: { pid: number; startTime: number }, b: { pid: number; startTime: number }): boolean {
  return a.pid === b.pid && a.startTime === b.startTime;
}

/** Identity of one start of a container: an agent belongs to exactly one. */
export function replicaKey(replica: Replica): string {
  return `${replica.id}@${replica.startedAt}`;
}

/** Applies one observation. `random` in [0, 1) jitters back-off. */
export function observe(
  state: TargetState,
  seen: Observation,
  config: TargetConfig,
  now: number,
  random = 0,
): TargetState {
  switch (seen.type) {
    case 'snapshot':
      return { ...state, snapshot: seen.snapshot };
    case 'following':
      return {
        ...state,
        replica: seen.replica,
        agent: { state: 'none' },
        processes: [],
        classification: null,
        worker: null,
      };
    case 'agent-starting':
      return { ...state, agent: startingAgent(state.agent) };
    case 'agent-ready':
      return { ...state, agent: { state: 'ready', hello: seen.hello, since: now } };
    case 'agent-lost': {
      const was = state.agent;
      const healthy = was.state === 'ready' && now - was.since > RETRY.healthyMs;
      const before = was.state === 'starting' || was.state === 'failed' ? was.attempts : 0;
      const attempts = healthy ? 0 : before + 1;
      const retryAt = attempts === 0 ? now : now + delayMs(RETRY, attempts, random);
      return {
        ...state,
        agent: { state: 'failed', error: seen.error, attempts, retryAt },
        processes: [],
        classification: null,
        worker: null,
      };
    }
    case 'processes':
      return seen.changed || state.classification === null
        ? withTree({ ...state, processesAt: now }, seen.processes, config, now)
        : withFigures({ ...state, processesAt: now }, seen.processes);
    case 'exited': {
      const { exit } = seen;
      const processes = state.processes.filter((p) => !sameProcess(p, exit));
      // The tree's next event brings its successor; only the end itself is news now.
      const ended = state.worker !== null && sameProcess(state.worker.process, exit);
      return ended ? { ...state, processes, worker: null, lastExit: exit } : { ...state, processes };
    }
    case 'config':
      return withTree(state, state.processes, config, now);
    case 'retry':
      return {
        ...state,
        agent: retryNow(state.agent, now),
        worker: state.worker === null ? null : retryEntry(state.worker, now),
      };
    case 'reenter':
      return state.worker === null
        ? { ...state, provenRung: null, provenSkips: [], agent: retryNow(state.agent, now) }
        : follow({ ...state, provenRung: null, provenSkips: [] }, state.worker.process, now);
    case 'session-up':
      return onWorker({ ...state, sessionGeneration: seen.generation }, seen.generation, (w) => ({ ...w, up: true }));
    case 'session-down':
      return { ...state, sessionGeneration: null, editor: { ...state.editor, stoppedAt: null } };
    case 'session-lost':
      return onWorker(state, seen.generation, (w) => lostEntry(w, seen.why, now, random));
    case 'left':
      return state.worker !== null && sameProcess(state.worker.process, seen)
        ? { ...state, worker: lostEntry(state.worker, seen.why, now, random) }
        : state;
    case 'entering':
      return onWorker(state, seen.generation, (w) => ({ ...w, entry: { state: 'entering', rung: seen.rung } }));
    case 'entered': {
      const next = onWorker(state, seen.generation, (w) => ({
        ...w,
        holding: seen.result.held,
        entry: { state: 'entered', rung: seen.rung, result: seen.result, at: now },
      }));
      if (next === state || next.worker === null) return state;
      const skips = next.worker.failedRungs.length > 0 ? next.worker.failedRungs : state.provenSkips;
      const proven: TargetState = { ...next, provenRung: seen.rung, provenSkips: seen.rung === 'exec' ? [] : skips };
      // With an editor the figure ends at `verified`; without one, here.
      return state.editor.connected ? proven : recordReattach(proven, seen.generation, now);
    }
    case 'enter-failed':
      return onWorker(state, seen.generation, (w) => failedEntry(w, seen.rung, seen.error, now, random));
    case 'unheld':
      return onWorker(state, seen.generation, (w) => ({ ...w, holding: false }));
    case 'verified':
      return recordReattach(state, seen.generation, seen.at);
    case 'editor':
      return {
        ...state,
        editor: {
          connected: seen.connected,
          client: seen.client,
          stoppedAt: seen.connected ? state.editor.stoppedAt : null,
        },
      };
    case 'stopped':
      return { ...state, editor: { ...state.editor, stoppedAt: seen.where } };
    case 'port':
      return { ...state, portBound: seen.bound, fault: seen.fault };
    default:
      return seen satisfies never;
  }
}

function startingAgent(was: AgentState): AgentState {
  return was.state === 'failed'
    ? { state: 'starting', attempts: was.attempts, error: was.error }
    : { state: 'starting', attempts: 0, error: null };
}

function retryNow(agent: AgentState, now: number): AgentState {
  return agent.state === 'failed' ? { ...agent, retryAt: now } : agent;
}

function retryEntry(worker: WorkerState, now: number): WorkerState {
  const { entry } = worker;
  return entry.state === 'failed' && entry.retryAt !== null ? { ...worker, entry: { ...entry, retryAt: now } } : worker;
}

function onWorker(state: TargetState, generation: number, change: (worker: WorkerState) => WorkerState): TargetState {
  if (state.worker === null || state.worker.generation !== generation) return state;
  return { ...state, worker: change(state.worker) };
}

function withFigures(state: TargetState, processes: readonly ProcessInfo[]): TargetState {
  if (state.classification === null) return state;
  const fresh = new Map(processes.map((p) => [`${String(p.pid)}@${String(p.startTime)}`, p]));
  const update = <T extends ProcessInfo>(p: T): T => ({
    ...p,
    ...fresh.get(`${String(p.pid)}@${String(p.startTime)}`),
  });
  const { chosen } = state.classification;
  return {
    ...state,
    processes,
    classification: {
      ...state.classification,
      processes: state.classification.processes.map(update),
      chosen: chosen === null ? null : update(chosen),
    },
  };
}

function withTree(
  state: TargetState,
  processes: readonly ProcessInfo[],
  config: TargetConfig,
  now: number,
): TargetState {
  const classification = classify(processes, config.process, state.worker?.process ?? state.previous?.worker ?? null);
  const next: TargetState = { ...state, processes, classification };
  const chosen = classification.chosen;
  if (chosen === null) return { ...next, worker: null };
  if (
    state.worker !== null &&
    sameProcess(state.worker.process, chosen) &&
    state.worker.process.execId === chosen.execId
  ) {
    return { ...next, worker: { ...state.worker, process: chosen } };
  }
  return follow(next, chosen, now);
}

/** A new generation: also the same process after an exec, or on request. */
function follow(state: TargetState, process: ProcessInfo, now: number): TargetState {
  const generation = state.generation + 1;
  const { classification, replica } = state;
  const cause =
    state.previous === null || classification === null || replica === null
      ? null
      : reattachReason(
          state.previous,
          { classification, replica, worker: process },
          state.lastExit === null ? [] : [state.lastExit],
        );
  const worker: WorkerState = {
    process,
    generation,
    cause,
    startedAt: now - process.ageMs,
    seenAt: now,
    entry: { state: 'new' },
    failedRungs: [],
    up: false,
    holding: false,
    lost: 0,
  };
  return {
    ...state,
    generation,
    worker,
    previous:
      classification === null || replica === null ? state.previous : { classification, replica, worker: process },
  };
}

/** The last try ended because the worker ran no Python code: the present one waits for that. */
export function isAsleep(worker: WorkerState): boolean {
  return worker.failedRungs.at(-1)?.error.code === 'asleep';
}

/** The worker lives, as far as we know, but the debugger's connection to it ended: enter again, ever more slowly. */
function lostEntry(worker: WorkerState, why: string, now: number, random: number): WorkerState {
  const entry = worker.entry;
  if (entry.state !== 'entered') return worker;
  const attempts = worker.lost + 1;
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

const RETRIED: ReadonlySet<string> = new Set(['failed', 'internal', 'asleep', 'frozen', 'bad-request']);

function failedEntry(worker: WorkerState, rung: Rung, error: EntryFailure, now: number, random: number): WorkerState {
  if (error.code === 'gone' || error.code === 'changed') {
    // The process list is about to say so itself; a short wait keeps a race from spinning.
    return { ...worker, entry: { state: 'failed', rung, error, attempts: 1, retryAt: now + 20 } };
  }
  const before =
    worker.entry.state === 'failed' ? worker.entry.attempts : worker.failedRungs.filter((f) => f.rung === rung).length;
  const attempts = before + 1;
  // A sleeper is asked again at once: what it runs next is what the developer waits for.
  const again = now + (error.code === 'asleep' ? 1 : delayMs(RETRY, attempts, random));
  const retryAt = RETRIED.has(error.code) ? again : null;
  const failedRungs = [...worker.failedRungs, { rung, why: error.message, error }].slice(-10);
  return { ...worker, failedRungs, entry: { state: 'failed', rung, error, attempts, retryAt } };
}

function recordReattach(state: TargetState, generation: number, at: number): TargetState {
  const worker = state.worker;
  if (worker === null || worker.generation !== generation || worker.cause === null) return state;
  if (state.reattach.recorded >= generation) return state;
  const report: ReattachReport = {
    at,
    ms: Math.round(at - worker.startedAt),
    seenMs: Math.round(at - worker.seenAt),
    reason: worker.cause,
  };
  return {
    ...state,
    reattach: {
      count: state.reattach.count + 1,
      history: [...state.reattach.history, report].slice(-50),
      recorded: generation,
    },
  };
}
