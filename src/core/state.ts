// Owns the state of one target as the reconciler sees it, and what may be observed about it. Pure: `observe` returns a
// new state and never decides anything; decisions are in plan.ts.
import type { DebugwandError } from '../lib/errors.ts';
import type { Classification, ProcessInfo, Replica, Rung, Snapshot, TargetConfig } from './types.ts';
import { classify } from './classify.ts';
import { reattachReason } from './exit-reason.ts';
import type { Observation } from './observation.ts';
import { goesOn, RUNS, stops, type PauseState } from './pause-budget.ts';
import { cutAgent, lostAgent, retryAgent, startingAgent, type AgentState } from './agent-state.ts';
import {
  counted,
  failedEntry,
  lostEntry,
  retryEntry,
  skippedRungs,
  type FailedRung,
  type Reattaches,
  type WorkerState,
} from './entry-state.ts';
import type { LastWords, SeenExit } from './worker-end.ts';

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
  /** The last worker that was entered: what `cause` is derived from. */
  readonly previous: {
    readonly classification: Classification;
    readonly replica: Replica;
    readonly worker: ProcessInfo;
  } | null;
  /** How the last worker that was followed ended, as far as the kernel told. */
  readonly lastExit: SeenExit | null;
  /** What it said of the exception that ended it. */
  readonly lastWords: LastWords | null;
  /** Workers followed so far. */
  readonly generation: number;
  /** The rung that worked last in this container: tried first, so that a reload pays for no failures. */
  readonly provenRung: Rung | null;
  /** Why the others did not do. */
  readonly provenSkips: readonly FailedRung[];
  /** The worker that the keeper was told of and not yet told to forget. */
  readonly sessionGeneration: number | null;
  readonly editor: { readonly connected: boolean; readonly client: string | null; readonly stoppedAt: string | null };
  readonly pause: PauseState;
  readonly reattach: Reattaches;
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
  lastWords: null,
  generation: 0,
  provenRung: null,
  provenSkips: [],
  sessionGeneration: null,
  editor: { connected: false, client: null, stoppedAt: null },
  pause: RUNS,
  reattach: { count: 0, history: [], recorded: 0 },
  fault: null,
  portBound: false,
};

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
        ...withoutProof(state, seen.replica),
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
    case 'wire':
      return { ...state, agent: cutAgent(state.agent, seen.cutUntil) };
    case 'agent-lost':
      return {
        ...state,
        agent: lostAgent(state.agent, seen.error, now, random),
        processes: [],
        classification: null,
        worker: null,
      };
    case 'processes':
      return seen.changed || state.classification === null
        ? withTree({ ...state, processesAt: now }, seen.processes, config, now)
        : withFigures({ ...state, processesAt: now }, seen.processes);
    case 'exited': {
      const { exit } = seen;
      const processes = state.processes.filter((p) => !sameProcess(p, exit));
      // The tree's next event brings its successor; only the end itself is news now.
      const ended = state.worker !== null && sameProcess(state.worker.process, exit);
      const isLast = state.previous !== null && sameProcess(state.previous.worker, exit);
      const lastExit = isLast ? { ...exit, at: now } : state.lastExit;
      return { ...state, processes, lastExit, worker: ended ? null : state.worker };
    }
    case 'raised': {
      const { pid, startTime, text } = seen;
      const isLast = state.previous !== null && sameProcess(state.previous.worker, seen);
      return isLast ? { ...state, lastWords: { pid, startTime, text, at: now } } : state;
    }
    case 'config':
      return withTree(state, state.processes, config, now);
    case 'retry':
      return {
        ...state,
        agent: retryAgent(state.agent, now),
        worker: state.worker === null ? null : retryEntry(state.worker, now),
      };
    case 'reenter':
      return state.worker === null
        ? { ...state, provenRung: null, provenSkips: [], agent: retryAgent(state.agent, now) }
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
      const provenSkips = skippedRungs([...state.provenSkips, ...next.worker.failedRungs], seen.rung);
      // What was chosen for a moment and never entered (a process just before its exec) is no predecessor of anything.
      const { classification, replica, worker } = next;
      const previous =
        classification === null || replica === null
          ? state.previous
          : { classification, replica, worker: worker.process };
      const proven: TargetState = { ...next, previous, provenRung: seen.rung, provenSkips };
      // With an editor the figure ends at `verified`; without one, here.
      return state.editor.connected ? proven : recordReattach(proven, seen.generation, now, false);
    }
    case 'enter-failed':
      return onWorker(state, seen.generation, (w) => failedEntry(w, seen.rung, seen.error, now, random));
    case 'unheld':
      return onWorker(state, seen.generation, (w) => ({ ...w, holding: false }));
    case 'verified':
      return recordReattach(state, seen.generation, seen.at, true);
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
      return {
        ...state,
        editor: { ...state.editor, stoppedAt: seen.where },
        pause: seen.where === null ? goesOn(state.pause, now) : stops(state.pause, now),
      };
    case 'port':
      return { ...state, portBound: seen.bound, fault: seen.fault };
    default:
      return seen satisfies never;
  }
}

/** Another container may have other rights, another image another Python: what was learnt of the one before is void. */
function withoutProof(state: TargetState, next: Replica | null): TargetState {
  const known = state.previous?.replica.id;
  return next === null || next.id === known ? state : { ...state, provenRung: null, provenSkips: [] };
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
  const worker: WorkerState = {
    process,
    generation,
    cause: causeOf(state, process),
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
  };
}

/** Null: it is no other worker than before. */
function causeOf(state: TargetState, process: ProcessInfo): WorkerState['cause'] {
  const { previous, classification, replica, lastExit, lastWords, worker } = state;
  if (previous === null || classification === null || replica === null) return null;
  const same = sameProcess(previous.worker, process) && previous.worker.execId === process.execId;
  if (same && replicaKey(previous.replica) === replicaKey(replica)) {
    // Entered again. Only what was not counted before that still counts.
    return worker !== null && worker.generation > state.reattach.recorded ? worker.cause : null;
  }
  const raised = lastWords === null ? [] : [{ ...lastWords, raised: true }];
  const exits = [...raised, ...(lastExit === null ? [] : [lastExit])];
  return reattachReason(previous, { classification, replica, worker: process }, exits);
}

function recordReattach(state: TargetState, generation: number, at: number, verified: boolean): TargetState {
  const { worker } = state;
  if (worker === null || worker.generation !== generation) return state;
  return { ...state, reattach: counted(state.reattach, worker, at, verified) };
}
