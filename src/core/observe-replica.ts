// Owns what observations of a followed replica do to the state: its agent, its processes, who is followed at all. Pure.
import { cutAgent, lostAgent, startingAgent } from './agent-state.ts';
import { lostEntry, type WorkerState } from './entry-state.ts';
import { newlyFollowed, nowOf, replicaOf, type FollowedReplica } from './followed-replica.ts';
import { onReplica, withFigures, withoutWorker, withTree } from './following.ts';
import { hasChildren } from './seating.ts';
import { replicaKey, sameProcess, type ProcessKey } from './identity.ts';
import type { ReplicaObservation } from './observation.ts';
import type { TargetState } from './state.ts';
import type { Replica, TargetConfig } from './types.ts';
import { withExit, withWords } from './worker-end.ts';

export function observeReplica(
  state: TargetState,
  seen: ReplicaObservation,
  place: FollowedReplica,
  config: TargetConfig,
  now: number,
  random: number,
): TargetState {
  const { key, agent } = place;
  switch (seen.type) {
    case 'agent-starting':
      return onReplica(state, key, { agent: startingAgent(agent) });
    case 'agent-ready':
      return onReplica(state, key, { agent: { state: 'ready', hello: seen.hello, since: now } });
    case 'wire':
      return onReplica(state, key, { agent: cutAgent(agent, seen.cutUntil) });
    case 'agent-lost':
      return onReplica(emptied(state, [key], now), key, { agent: lostAgent(agent, seen.error, now, random) });
    case 'processes': {
      const processes = seen.processes.map((one) => ({ ...one, replica: key }));
      // Time alone may tell one generation of several workers from another.
      const isNew = seen.changed || place.classification === null || hasChildren(state, config);
      const looked = onReplica(state, key, { processesAt: now });
      return isNew ? withTree(looked, key, processes, config, now) : withFigures(looked, key, processes);
    }
    case 'exited': {
      const exit = { ...seen.exit, replica: key };
      const processes = place.processes.filter((p) => !sameProcess(p, exit));
      // The tree's next event brings its successor; only the end itself is news now.
      const ended = state.worker !== null && sameProcess(state.worker.process, exit);
      const slots = state.slots.map((slot) =>
        slot.worker !== null && sameProcess(slot.worker.process, exit) ? { ...slot, worker: null, since: now } : slot,
      );
      const ends = wasFollowed(state, exit)
        ? withExit(state.ends, exit, now, nowOf(state.snapshot, place).toldToEnd === true)
        : state.ends;
      const next = { ...onReplica(state, key, { processes }), ends, slots };
      return ended ? withoutWorker(next, now) : next;
    }
    case 'raised': {
      const raised = { pid: seen.pid, startTime: seen.startTime, replica: key };
      return wasFollowed(state, raised) ? { ...state, ends: withWords(state.ends, raised, seen.text, now) } : state;
    }
    case 'left': {
      const left = { pid: seen.pid, startTime: seen.startTime, replica: key };
      const change = (worker: WorkerState): WorkerState =>
        sameProcess(worker.process, left) ? lostEntry(worker, seen.why, now, random) : worker;
      return { ...state, ...everyWorker(state, change) };
    }
    default:
      return seen satisfies never;
  }
}

/** Those that were followed before go on as they were. */
export function nowFollowing(state: TargetState, replicas: readonly Replica[], now: number): TargetState {
  const keys = replicas.map(replicaKey);
  const gone = state.followed.filter(({ key }) => !keys.includes(key)).map(({ key }) => key);
  const followed = replicas.map((replica) => {
    const known = state.followed.find(({ key }) => key === replicaKey(replica));
    return known === undefined ? newlyFollowed(replica, now) : { ...known, replica };
  });
  const next = emptied(state, gone, now);
  return { ...next, followed, emptySince: next.worker === null && state.followed.length === 0 ? now : next.emptySince };
}

/** Replicas that are left, or whose agent is lost: their workers are nobody's. */
function emptied(state: TargetState, keys: readonly string[], now: number): TargetState {
  const isIn = (worker: WorkerState | null): boolean => {
    const place = worker === null ? null : replicaOf(state, worker.process);
    return place !== null && keys.includes(place.key);
  };
  if (keys.length === 0) return state;
  const next: TargetState = {
    ...state,
    followed: state.followed.map((one) =>
      keys.includes(one.key) ? { ...one, processes: [], classification: null } : one,
    ),
    slots: state.slots.map((slot) => (isIn(slot.worker) ? { ...slot, worker: null, since: now } : slot)),
  };
  return state.worker === null || isIn(state.worker) ? { ...next, worker: null, emptySince: now } : next;
}

/** Who is chosen may be another one now. */
export function eachTree(state: TargetState, config: TargetConfig, now: number): TargetState {
  return state.followed.reduce((next, { key, processes }) => withTree(next, key, processes, config, now), state);
}

export function everyWorker(
  { worker, slots }: TargetState,
  change: (worker: WorkerState) => WorkerState,
): Pick<TargetState, 'worker' | 'slots'> {
  return {
    worker: worker === null ? null : change(worker),
    slots: slots.map((slot) => (slot.worker === null ? slot : { ...slot, worker: change(slot.worker) })),
  };
}

/** Somebody whose end is news: it was entered, here or for another session. */
function wasFollowed({ previous, slots, ends }: TargetState, process: ProcessKey): boolean {
  const further = slots.flatMap((slot) => [slot.worker?.process, slot.previous?.worker]);
  const known = [previous?.worker, ...further, ...ends];
  return known.some((one) => one !== undefined && sameProcess(one, process));
}
