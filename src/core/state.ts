// Owns the state of one target as the reconciler sees it, and what may be observed about it. Pure: `observe` returns a
// new state and never decides anything; decisions are in plan.ts.
import type { DebugwandError } from '../lib/errors.ts';
import type { Replica, Rung, Snapshot, TargetConfig } from './types.ts';
import { replicaOf, type FollowedReplica } from './followed-replica.ts';
import { endedSlot, onlyOpen, withSession, type ChildSlot } from './child-slots.ts';
import { follow, noticed, onSlot, seated, slotAnew } from './following.ts';
import type { FollowedWorker } from './exit-reason.ts';
import type { ProcessKey } from './identity.ts';
import type { Observation } from './observation.ts';
import { eachTree, everyWorker, nowFollowing, observeReplica } from './observe-replica.ts';
import { RUNS, type PauseState } from './pause-budget.ts';
import { retryAgent } from './agent-state.ts';
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
import { withStop } from './stops.ts';
import type { WorkerEnd } from './worker-end.ts';

export interface TargetState {
  readonly snapshot: Snapshot | null;
  /** The replicas whose agents we run, the one for the first session first. */
  readonly followed: readonly FollowedReplica[];
  /** Of the first session. */
  readonly worker: WorkerState | null;
  /** The last worker that was entered: what `cause` is derived from. */
  readonly previous: FollowedWorker | null;
  /** How workers that were followed ended, as far as anybody told; the last one last. */
  readonly ends: readonly WorkerEnd[];
  /** Workers followed so far. */
  readonly generation: number;
  /** How workers were entered, the last container last. */
  readonly proofs: readonly Proof[];
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
  /** Slots whose workers stopped, the last time that they did, only because another one had. */
  readonly stoppedAlong: readonly number[];
  readonly pause: PauseState;
  readonly reattach: Reattaches;
  /** The port could not be bound, or another fault of the target as a whole. */
  readonly fault: DebugwandError | null;
  readonly portBound: boolean;
}

/** What was learnt of a container: another one may have other rights, another image another Python. */
export interface Proof {
  /** Its id. */
  readonly replica: string;
  /** The rung that worked last: tried first, so that a reload pays for no failures; null: none yet. */
  readonly rung: Rung | null;
  /** Why the others did not do. */
  readonly skips: readonly FailedRung[];
}

/** Containers that are remembered. */
const MOST_PROOFS = 64;

export const INITIAL_STATE: TargetState = {
  snapshot: null,
  followed: [],
  worker: null,
  previous: null,
  ends: [],
  generation: 0,
  proofs: [],
  sessionGeneration: null,
  editor: { connected: false, client: null, stoppedAt: null, children: false },
  slots: [],
  lastSlot: 0,
  emptySince: 0,
  leftOut: 0,
  notices: [],
  preferred: null,
  stoppedAlong: [],
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
      return nowFollowing(state, seen.replicas, now);
    case 'agent-starting':
    case 'agent-ready':
    case 'wire':
    case 'agent-lost':
    case 'processes':
    case 'exited':
    case 'raised':
    case 'left': {
      const place = state.followed.find(({ key }) => seen.replica === undefined || key === seen.replica);
      // It was left, and that was on its way.
      return place === undefined ? state : observeReplica(state, seen, place, config, now, random);
    }
    case 'config':
      return eachTree(state, config, now);
    case 'retry':
      return {
        ...state,
        followed: state.followed.map((one) => ({ ...one, agent: retryAgent(one.agent, now) })),
        ...everyWorker(state, (worker) => retryEntry(worker, now)),
      };
    case 'reenter':
      if (seen.slot !== undefined && seen.slot > 0) {
        return onSlot(state, seen.slot, (slot, at) =>
          slot.worker === null ? slot : slotAnew(at, slot, slot.worker.process, now),
        );
      }
      return state.worker === null
        ? {
            ...state,
            proofs: [],
            followed: state.followed.map((one) => ({ ...one, agent: retryAgent(one.agent, now) })),
          }
        : follow({ ...state, proofs: [] }, state.worker.process, now);
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
      const place = replicaOf(next, entered.process);
      if (place === null) return state;
      const before = proofOf(state, place.replica);
      const skips = skippedRungs([...before.skips, ...entered.failedRungs], seen.rung);
      const known = withProof(next, { replica: place.replica.id, rung: seen.rung, skips });
      const proven = withPredecessor(known, entered, place);
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
      return eachTree({ ...state, preferred: seen.worker }, config, now);
    case 'stopped':
      return withStop(state, seen, now);
    case 'port':
      return { ...state, portBound: seen.bound, fault: seen.fault };
    default:
      return seen satisfies never;
  }
}

/** What was learnt of its container. */
export function proofOf({ proofs }: Pick<TargetState, 'proofs'>, { id }: Replica): Proof {
  return proofs.find(({ replica }) => replica === id) ?? { replica: id, rung: null, skips: [] };
}

function withProof(state: TargetState, proof: Proof): TargetState {
  const others = state.proofs.filter(({ replica }) => replica !== proof.replica);
  return { ...state, proofs: [...others, proof].slice(-MOST_PROOFS) };
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
  if (connected) return { ...state, editor };
  const alone = { ...state, editor, slots: state.slots.map(endedSlot), leftOut: 0, notices: [] };
  return state.slots.length === 0 ? alone : eachTree(alone, config, now);
}

export function slotOf(state: TargetState, generation: number): ChildSlot | null {
  return state.slots.find(({ worker }) => worker?.generation === generation) ?? null;
}

/** The worker of that generation, in whatever slot. */
export function workerOf(state: TargetState, generation: number): WorkerState | null {
  return state.worker?.generation === generation ? state.worker : (slotOf(state, generation)?.worker ?? null);
}

function onWorker(state: TargetState, generation: number, change: (worker: WorkerState) => WorkerState): TargetState {
  if (workerOf(state, generation) === null) return state;
  return {
    ...state,
    ...everyWorker(state, (worker) => (worker.generation === generation ? change(worker) : worker)),
  };
}

/** What was chosen for a moment and never entered (a process just before its exec) is no predecessor of anything. */
function withPredecessor(
  state: TargetState,
  { generation, process }: WorkerState,
  { classification, replica }: FollowedReplica,
): TargetState {
  if (classification === null) return state;
  const previous: FollowedWorker = { classification, replica, worker: process };
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
