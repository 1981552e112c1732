// Owns who is followed: from the processes to the worker of the first session and those of the further ones. Pure.
import { chosenInstead, classify } from './classify.ts';
import { endedSlot, newSlot, type ChildSlot } from './child-slots.ts';
import type { WorkerState } from './entry-state.ts';
import { reattachReason } from './exit-reason.ts';
import { homeOf, replicaOf, type FollowedReplica } from './followed-replica.ts';
import { replicaKey, sameProcess, type ProcessKey } from './identity.ts';
import { hasChildren, hasMany, leftOutText, seating } from './seating.ts';
import type { TargetState } from './state.ts';
import type { Classification, ClassifiedProcess, ProcessInfo, TargetConfig } from './types.ts';

export function onReplica(state: TargetState, key: string, change: Partial<FollowedReplica>): TargetState {
  return { ...state, followed: state.followed.map((one) => (one.key === key ? { ...one, ...change } : one)) };
}

/** The tree of a replica has changed, or who is to be chosen in it. */
export function withTree(
  state: TargetState,
  key: string,
  processes: readonly ProcessInfo[],
  config: TargetConfig,
  now: number,
): TargetState {
  const place = state.followed.find((one) => one.key === key);
  if (place === undefined) return state;
  const { kept } = place.classification ?? {};
  const classification = switched(classify(processes, config.process, knownIn(state, place), kept), state);
  const worked = place.worked || classification.chosen !== null;
  const next = onReplica(state, key, { processes, classification, worked });
  return hasChildren(next, config)
    ? seated(next, config, now)
    : withWorker({ ...next, leftOut: 0 }, classification.chosen, now);
}

/** The last worker of a replica, as far as its choice goes. */
function knownIn(state: TargetState, { key, classification }: FollowedReplica): ProcessInfo | null {
  const last = state.previous?.worker ?? null;
  const own = [state.worker?.process ?? null, last].find((one) => one?.replica === key);
  return own ?? (homeOf(state)?.key === key ? last : (classification?.chosen ?? null));
}

export function withFigures(state: TargetState, key: string, processes: readonly ProcessInfo[]): TargetState {
  const classification = state.followed.find((one) => one.key === key)?.classification ?? null;
  if (classification === null) return state;
  const fresh = new Map(processes.map((p) => [`${String(p.pid)}@${String(p.startTime)}`, p]));
  const update = <T extends ProcessInfo>(p: T): T => ({
    ...p,
    ...fresh.get(`${String(p.pid)}@${String(p.startTime)}`),
  });
  const { chosen } = classification;
  return onReplica(state, key, {
    processes,
    classification: {
      ...classification,
      processes: classification.processes.map(update),
      chosen: chosen === null ? null : update(chosen),
    },
  });
}

/** A worker that the user asked for is the chosen one for as long as it lives. */
function switched(classification: Classification, { preferred }: TargetState): Classification {
  const { chosen, crew, below } = classification;
  const found = classification.processes.find(
    (one) => preferred !== null && sameProcess(one, preferred) && isWorker(one),
  );
  if (found === undefined) return classification;
  // It was replaced, and only has not ended yet.
  if (found.ppid === chosen?.ppid && !crew.includes(found.pid) && !below.includes(found.pid)) return classification;
  return chosenInstead(classification, found.pid, `${found.reason}, chosen by \`wand switch\``);
}

export function isWorker(process: ClassifiedProcess): boolean {
  return process.role === 'worker' && process.python !== null;
}

/** Has the seating be as it should be. */
export function seated(state: TargetState, config: TargetConfig, now: number): TargetState {
  const wanted = seating(state, config, now);
  if (wanted === null) return state;
  const processOf = (key: ProcessKey | null | undefined): ClassifiedProcess | null => {
    const processes = state.followed.flatMap((one) => one.classification?.processes ?? []);
    return processes.find((one) => key !== null && key !== undefined && sameProcess(one, key)) ?? null;
  };
  const [root, ...children] = wanted.seats;
  const first = processOf(root?.worker);
  // Where the editor takes no further session, or the config gives none, that is what it was told.
  const leftOut = hasMany(state, config) ? wanted.leftOut : 0;
  let next = withWorker({ ...withChosen(state, first), leftOut }, first, now);
  for (const { id, worker } of children) {
    next = onSlot(next, id, (slot, at) => slotWith(at, slot, processOf(worker), now));
  }
  for (const id of wanted.ended) next = onSlot(next, id, endedSlot);
  for (const added of wanted.added) {
    const id = next.lastSlot + 1;
    next = { ...next, lastSlot: id, slots: [...next.slots, newSlot(id, now)] };
    next = onSlot(next, id, (slot, at) => slotWith(at, slot, processOf(added), now));
  }
  return leftOut > 0 && state.leftOut === 0 ? noticed(next, leftOutText(wanted, config)) : next;
}

/** In its replica it is the chosen one. */
function withChosen(state: TargetState, process: ClassifiedProcess | null): TargetState {
  const place = process === null ? null : replicaOf(state, process);
  if (process === null || process.chosen || place === null || place.classification === null) return state;
  return onReplica(state, place.key, {
    classification: chosenInstead(place.classification, process.pid, process.reason),
  });
}

/** Something that the editor's user should be told once. */
export function noticed(state: TargetState, text: string): TargetState {
  return { ...state, notices: [...state.notices, text] };
}

export function onSlot(
  state: TargetState,
  id: number,
  change: (slot: ChildSlot, state: TargetState) => ChildSlot,
): TargetState {
  const slots = state.slots.map((slot) => (slot.id === id ? change(slot, state) : slot));
  const generation = Math.max(state.generation, ...slots.map(({ worker }) => worker?.generation ?? 0));
  return { ...state, slots, generation };
}

/** The first session's worker, and nobody's. */
function withWorker(state: TargetState, process: ClassifiedProcess | null, now: number): TargetState {
  if (process === null) return withoutWorker(state, now);
  const { worker } = state;
  if (worker !== null && sameProcess(worker.process, process) && worker.process.execId === process.execId) {
    return { ...state, worker: { ...worker, process } };
  }
  return follow(state, process, now);
}

export function withoutWorker(state: TargetState, now: number): TargetState {
  return state.worker === null ? state : { ...state, worker: null, emptySince: now };
}

function slotWith(state: TargetState, slot: ChildSlot, process: ClassifiedProcess | null, now: number): ChildSlot {
  const { worker } = slot;
  if (process === null) return worker === null ? slot : { ...slot, worker: null, since: now };
  if (worker !== null && sameProcess(worker.process, process) && worker.process.execId === process.execId) {
    return { ...slot, worker: { ...worker, process } };
  }
  return slotAnew(state, slot, process, now);
}

/** A slot whose worker is entered (again). */
export function slotAnew(state: TargetState, slot: ChildSlot, process: ProcessInfo, now: number): ChildSlot {
  // What comes while the user has left it is no re-attachment, also when the session comes again.
  const cause = slot.session.state === 'left' ? null : causeOf(state, slot, process);
  return { ...slot, since: now, worker: newWorker(process, state.generation + 1, cause, now) };
}

/** A new generation: also the same process after an exec, or on request. */
export function follow(state: TargetState, process: ProcessInfo, now: number): TargetState {
  const generation = state.generation + 1;
  return { ...state, generation, worker: newWorker(process, generation, causeOf(state, state, process), now) };
}

function newWorker(process: ProcessInfo, generation: number, cause: WorkerState['cause'], now: number): WorkerState {
  return {
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
}

/** For a session with that past. Null: it is no other worker than before. */
function causeOf(
  state: TargetState,
  { previous, worker, reattach }: Pick<TargetState, 'previous' | 'worker' | 'reattach'>,
  process: ProcessInfo,
): WorkerState['cause'] {
  const { classification = null, replica = null } = replicaOf(state, process) ?? {};
  if (previous === null || classification === null || replica === null) return null;
  const same = sameProcess(previous.worker, process) && previous.worker.execId === process.execId;
  if (same && replicaKey(previous.replica) === replicaKey(replica)) {
    // Entered again. Only what was not counted before that still counts.
    return worker !== null && worker.generation > reattach.recorded ? worker.cause : null;
  }
  // The user moved there: nothing ended, and its age says nothing. Another program in it later is another matter.
  const isMove = state.preferred !== null && sameProcess(state.preferred, process);
  if (isMove && !sameProcess(previous.worker, process)) return null;
  return reattachReason(previous, { classification, replica, worker: process }, state.ends);
}
