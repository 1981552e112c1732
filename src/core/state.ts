// Owns the state of one target as the reconciler sees it, and what may be observed about it. Pure: `observe` returns a
// new state and never decides anything; decisions are in plan.ts.
import type { DebugwandError } from '../lib/errors.ts';
import type { Classification, ProcessInfo, Replica, Rung, Snapshot, TargetConfig } from './types.ts';
import { endedSlot, onlyOpen, withSession, type ChildSlot } from './child-slots.ts';
import {
  follow,
  hasChildren,
  noticed,
  onSlot,
  seated,
  slotAnew,
  withFigures,
  withoutWorker,
  withTree,
} from './following.ts';
import type { Followed } from './exit-reason.ts';
import { sameProcess, type ProcessKey } from './identity.ts';
import type { Observation } from './observation.ts';
import { goesOn, RUNS, stops, type PauseState } from './pause-budget.ts';
import { cutAgent, lostAgent, retryAgent, startingAgent, type AgentState } from './agent-state.ts';
import {
  counted,
  failedEntry,
  lostEntry,
  NO_REATTACHES,
  retryEntry,
  skippedRungs,
  type FailedRung,
  type Reattaches,
  type WorkerState,
} from './entry-state.ts';
import { withExit, withWords, type WorkerEnd } from './worker-end.ts';

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
  readonly previous: Followed | null;
  /** How workers that were followed ended, as far as anybody told; the last one last. */
  readonly ends: readonly WorkerEnd[];
  /** Workers followed so far. */
  readonly generation: number;
  /** The rung that worked last in this container: tried first, so that a reload pays for no failures. */
  readonly provenRung: Rung | null;
  /** Why the others did not do. */
  readonly provenSkips: readonly FailedRung[];
  /** The worker that the keeper was told of and not yet told to forget. */
  readonly sessionGeneration: number | null;
  readonly editor: {
    readonly connected: boolean;
    readonly client: string | null;
    readonly stoppedAt: string | null;
    /** It can have a session for each further worker. */
    readonly children: boolean;
  };
  /** Of further workers. */
  readonly slots: readonly ChildSlot[];
  /** The number of the last one that was made. */
  readonly lastSlot: number;
  /** Since when the first session has had no worker; ms since the epoch. */
  readonly emptySince: number;
  /** Workers without a session, because there are too many. */
  readonly leftOut: number;
  /** What the editor's user is to be told. */
  readonly notices: readonly string[];
  /** The worker that the user asked for by `wand switch`. */
  readonly preferred: ProcessKey | null;
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
  ends: [],
  generation: 0,
  provenRung: null,
  provenSkips: [],
  sessionGeneration: null,
  editor: { connected: false, client: null, stoppedAt: null, children: false },
  slots: [],
  lastSlot: 0,
  emptySince: 0,
  leftOut: 0,
  notices: [],
  preferred: null,
  pause: RUNS,
  reattach: NO_REATTACHES,
  fault: null,
  portBound: false,
};

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
        ...nobody(state, now),
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
        ...nobody(state, now),
      };
    case 'processes':
      // Time alone may tell one generation of several workers from another.
      return seen.changed || state.classification === null || hasChildren(state, config)
        ? withTree({ ...state, processesAt: now }, seen.processes, config, now)
        : withFigures({ ...state, processesAt: now }, seen.processes);
    case 'exited': {
      const { exit } = seen;
      const processes = state.processes.filter((p) => !sameProcess(p, exit));
      // The tree's next event brings its successor; only the end itself is news now.
      const ended = state.worker !== null && sameProcess(state.worker.process, exit);
      const slots = state.slots.map((slot) =>
        slot.worker !== null && sameProcess(slot.worker.process, exit) ? { ...slot, worker: null, since: now } : slot,
      );
      const ends = wasFollowed(state, exit) ? withExit(state.ends, exit, now) : state.ends;
      const next = { ...state, processes, ends, slots };
      return ended ? withoutWorker(next, now) : next;
    }
    case 'raised':
      return wasFollowed(state, seen) ? { ...state, ends: withWords(state.ends, seen, seen.text, now) } : state;
    case 'config':
      return withTree(state, state.processes, config, now);
    case 'retry':
      return {
        ...state,
        agent: retryAgent(state.agent, now),
        ...everyWorker(state, (worker) => retryEntry(worker, now)),
      };
    case 'reenter':
      if (seen.slot !== undefined && seen.slot > 0) {
        return onSlot(state, seen.slot, (slot, at) =>
          slot.worker === null ? slot : slotAnew(at, slot, slot.worker.process, now),
        );
      }
      return state.worker === null
        ? { ...state, provenRung: null, provenSkips: [], agent: retryAgent(state.agent, now) }
        : follow({ ...state, provenRung: null, provenSkips: [] }, state.worker.process, now);
    case 'session-up': {
      const up = onWorker(state, seen.generation, (w) => ({ ...w, up: true }));
      const slot = slotOf(up, seen.generation);
      return slot === null
        ? { ...up, sessionGeneration: seen.generation }
        : onSlot(up, slot.id, (one) => ({ ...one, sessionGeneration: seen.generation }));
    }
    case 'session-down':
      return seen.slot === undefined || seen.slot === 0
        ? { ...state, sessionGeneration: null, editor: { ...state.editor, stoppedAt: null } }
        : onSlot(state, seen.slot, (slot) => ({ ...slot, sessionGeneration: null, stoppedAt: null }));
    case 'session-lost':
      return onWorker(state, seen.generation, (w) => lostEntry(w, seen.why, now, random));
    case 'left':
      return {
        ...state,
        ...everyWorker(state, (worker) =>
          sameProcess(worker.process, seen) ? lostEntry(worker, seen.why, now, random) : worker,
        ),
      };
    case 'entering':
      return onWorker(state, seen.generation, (w) => ({ ...w, entry: { state: 'entering', rung: seen.rung } }));
    case 'entered': {
      const next = onWorker(state, seen.generation, (w) => ({
        ...w,
        holding: seen.result.held,
        entry: { state: 'entered', rung: seen.rung, result: seen.result, at: now },
      }));
      const entered = workerOf(next, seen.generation);
      if (next === state || entered === null) return state;
      const provenSkips = skippedRungs([...state.provenSkips, ...entered.failedRungs], seen.rung);
      const proven = withPredecessor({ ...next, provenRung: seen.rung, provenSkips }, entered);
      const slot = slotOf(next, seen.generation);
      const hasEditor = slot === null ? state.editor.connected : slot.session.state === 'open';
      // With an editor the figure ends at `verified`; without one, here.
      return hasEditor ? proven : recordReattach(proven, seen.generation, now, false);
    }
    case 'enter-failed':
      return onWorker(state, seen.generation, (w) => failedEntry(w, seen.rung, seen.error, now, random));
    case 'unheld':
      return onWorker(state, seen.generation, (w) => ({ ...w, holding: false }));
    case 'verified':
      return recordReattach(state, seen.generation, seen.at, true);
    case 'editor':
      return withEditor(state, seen, config, now);
    case 'children':
      return seated({ ...state, editor: { ...state.editor, children: true } }, config, now);
    case 'child-asked':
      return onSlot(state, seen.slot, (slot) => ({ ...slot, session: { state: 'asked', at: now } }));
    case 'child-refused': {
      const asked = state.slots.find((slot) => slot.id === seen.slot && slot.session.state === 'asked');
      if (asked === undefined) return state;
      const text = `${state.editor.client ?? 'the editor'} opens no debug session for a further worker (${seen.why}): those without one run without the debugger, \`wand switch ${config.name} PID\` moves this one to another worker`;
      return noticed(
        { ...state, slots: onlyOpen(state.slots), leftOut: 0, editor: { ...state.editor, children: false } },
        text,
      );
    }
    case 'slot-ended':
      return { ...state, slots: state.slots.filter(({ id }) => id !== seen.slot) };
    case 'seats':
      return seated(state, config, now);
    case 'told':
      return { ...state, notices: state.notices.slice(seen.count) };
    case 'switch':
      return withTree({ ...state, preferred: seen.worker }, state.processes, config, now);
    case 'stopped':
      return withStop(state, seen.slot ?? 0, seen.where, now);
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

/** A replica that is left, or whose agent is lost: its workers are nobody's. */
function nobody(
  state: TargetState,
  now: number,
): Pick<TargetState, 'processes' | 'classification' | 'worker' | 'emptySince' | 'slots'> {
  return {
    processes: [],
    classification: null,
    worker: null,
    emptySince: now,
    slots: state.slots.map((slot) => ({ ...slot, worker: null, since: now })),
  };
}

function withEditor(
  state: TargetState,
  seen: Extract<Observation, { type: 'editor' }>,
  config: TargetConfig,
  now: number,
): TargetState {
  const { connected, client, slot = 0 } = seen;
  if (slot > 0) {
    return onSlot(state, slot, (one, at) => {
      const next = withSession(one, connected);
      // It leaves the worker too, which is entered anew should the session come again.
      return connected || next.worker === null ? next : slotAnew(at, next, next.worker.process, now);
    });
  }
  const stoppedAt = connected ? state.editor.stoppedAt : null;
  const editor = { connected, client, stoppedAt, children: connected && state.editor.children };
  if (connected || state.slots.length === 0) return { ...state, editor };
  const alone = { ...state, editor, slots: state.slots.map(endedSlot), leftOut: 0, notices: [] };
  return withTree(alone, state.processes, config, now);
}

/** The pause of the target lasts from the first stop to the moment that all run. */
function withStop(state: TargetState, slot: number, where: string | null, now: number): TargetState {
  const next =
    slot === 0
      ? { ...state, editor: { ...state.editor, stoppedAt: where } }
      : onSlot(state, slot, (one) => ({ ...one, stoppedAt: where }));
  return { ...next, pause: stopPlaces(next).length === 0 ? goesOn(state.pause, now) : stops(state.pause, now) };
}

/** Where workers are stopped, the first session's first. */
export function stopPlaces(state: TargetState): readonly string[] {
  const all = [state.editor.stoppedAt, ...state.slots.map(({ stoppedAt }) => stoppedAt)];
  return all.filter((where) => where !== null);
}

export function slotOf(state: TargetState, generation: number): ChildSlot | null {
  return state.slots.find(({ worker }) => worker?.generation === generation) ?? null;
}

/** The worker of that generation, in whatever slot. */
export function workerOf(state: TargetState, generation: number): WorkerState | null {
  return state.worker?.generation === generation ? state.worker : (slotOf(state, generation)?.worker ?? null);
}

function everyWorker(
  { worker, slots }: TargetState,
  change: (worker: WorkerState) => WorkerState,
): Pick<TargetState, 'worker' | 'slots'> {
  return {
    worker: worker === null ? null : change(worker),
    slots: slots.map((slot) => (slot.worker === null ? slot : { ...slot, worker: change(slot.worker) })),
  };
}

function onWorker(state: TargetState, generation: number, change: (worker: WorkerState) => WorkerState): TargetState {
  if (workerOf(state, generation) === null) return state;
  return {
    ...state,
    ...everyWorker(state, (worker) => (worker.generation === generation ? change(worker) : worker)),
  };
}

/** What was chosen for a moment and never entered (a process just before its exec) is no predecessor of anything. */
function withPredecessor(state: TargetState, { generation, process }: WorkerState): TargetState {
  const { classification, replica } = state;
  if (classification === null || replica === null) return state;
  const previous: Followed = { classification, replica, worker: process };
  const slot = slotOf(state, generation);
  return slot === null ? { ...state, previous } : onSlot(state, slot.id, (one) => ({ ...one, previous }));
}

function recordReattach(state: TargetState, generation: number, at: number, verified: boolean): TargetState {
  const worker = workerOf(state, generation);
  if (worker === null) return state;
  const slot = slotOf(state, generation);
  return slot === null
    ? { ...state, reattach: counted(state.reattach, worker, at, verified) }
    : onSlot(state, slot.id, (one) => ({ ...one, reattach: counted(one.reattach, worker, at, verified) }));
}

/** Somebody whose end is news: it was entered, here or for another session. */
function wasFollowed({ previous, slots, ends }: TargetState, process: ProcessKey): boolean {
  const further = slots.flatMap((slot) => [slot.worker?.process, slot.previous?.worker]);
  const known = [previous?.worker, ...further, ...ends];
  return known.some((one) => one !== undefined && sameProcess(one, process));
}
