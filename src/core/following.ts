// Owns who is followed: from the processes to the worker of the first session and those of the further ones. Pure.
import { chosenInstead, classify } from './classify.ts';
import { endedSlot, newSlot, type ChildSlot } from './child-slots.ts';
import type { WorkerState } from './entry-state.ts';
import { reattachReason } from './exit-reason.ts';
import { replicaKey, sameProcess } from './identity.ts';
import { seat, type Member, type Seating } from './slots.ts';
import type { TargetState } from './state.ts';
import type { Classification, ClassifiedProcess, ProcessInfo, TargetConfig } from './types.ts';

/** Workers get sessions of their own: the editor can have them, and the config lets it. Also while the last ones end. */
export function hasChildren(state: TargetState, config: TargetConfig): boolean {
  return (state.editor.children && config.workers === 'all') || state.slots.some(({ over }) => !over);
}

/** The tree has changed, or who is to be chosen in it. */
export function withTree(
  state: TargetState,
  processes: readonly ProcessInfo[],
  config: TargetConfig,
  now: number,
): TargetState {
  const known = state.worker?.process ?? state.previous?.worker ?? null;
  const classification = switched(classify(processes, config.process, known, state.classification?.kept), state);
  const next: TargetState = { ...state, processes, classification };
  return hasChildren(next, config) ? seated(next, config, now) : withWorker(next, classification.chosen, now);
}

export function withFigures(state: TargetState, processes: readonly ProcessInfo[]): TargetState {
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

/** The workers there are, as far as sessions go: the crew, then what its members started for themselves. */
function membersOf(state: TargetState): readonly Member[] {
  const { classification, processes, processesAt } = state;
  if (classification === null) return [];
  const member = (pool: boolean) => (pid: number) => {
    const process = classification.processes.find((one) => one.pid === pid);
    // Its end may be known before the tree is told anew.
    return process === undefined || !processes.some((one) => sameProcess(one, process))
      ? []
      : [{ pid, startTime: process.startTime, bornAt: processesAt - process.ageMs, pool }];
  };
  const { chosen, crew, below } = classification;
  // The user switched to something else altogether.
  if (chosen !== null && !crew.includes(chosen.pid) && !below.includes(chosen.pid)) return member(false)(chosen.pid);
  return [...crew.flatMap(member(false)), ...below.flatMap(member(true))];
}

/** Who should be where now; null while nobody can tell. */
export function seating(state: TargetState, config: TargetConfig, now: number): Seating | null {
  if (state.classification === null || !hasChildren(state, config)) return null;
  const slots = state.slots.filter(({ over }) => !over);
  const { preferred } = state;
  const isTaken = slots.some(
    ({ worker }) => worker !== null && preferred !== null && sameProcess(worker.process, preferred),
  );
  const members = membersOf(state);
  const switchedTo = members.find((one) => preferred !== null && !isTaken && sameProcess(one, preferred));
  const root = {
    id: 0,
    worker: switchedTo ?? state.worker?.process ?? null,
    since: state.worker?.seenAt ?? state.emptySince,
  };
  const seats = slots.map(({ id, worker, since, session }) => {
    return { id, worker: worker?.process ?? null, since, left: session.state === 'left' };
  });
  return seat(root, seats, members, state.classification.chosen, limitOf(state, config, slots.length), now);
}

/** Sessions at most. An editor that opens no more keeps those that it has: `children` further ones. */
function limitOf({ editor }: TargetState, { workers, maxWorkers }: TargetConfig, children: number): number {
  if (workers === 'one') return 1;
  return editor.children ? maxWorkers : Math.min(maxWorkers, 1 + children);
}

/** Has the seating be as it should be. */
export function seated(state: TargetState, config: TargetConfig, now: number): TargetState {
  const wanted = seating(state, config, now);
  const { classification } = state;
  if (wanted === null || classification === null) return state;
  const processOf = (pid: number | undefined): ClassifiedProcess | null =>
    classification.processes.find((one) => one.pid === pid) ?? null;
  const [root, ...children] = wanted.seats;
  const first = processOf(root?.worker?.pid);
  const chosen =
    first === null || first.chosen ? classification : chosenInstead(classification, first.pid, first.reason);
  // Where the editor takes no further session, or the config gives none, that is what it was told.
  const leftOut = state.editor.children && config.workers === 'all' ? wanted.leftOut : 0;
  let next = withWorker({ ...state, classification: chosen, leftOut }, first, now);
  for (const { id, worker } of children) {
    next = onSlot(next, id, (slot, at) => slotWith(at, slot, processOf(worker?.pid), now));
  }
  for (const id of wanted.ended) next = onSlot(next, id, endedSlot);
  for (const { pid } of wanted.added) {
    const id = next.lastSlot + 1;
    next = { ...next, lastSlot: id, slots: [...next.slots, newSlot(id, now)] };
    next = onSlot(next, id, (slot, at) => slotWith(at, slot, processOf(pid), now));
  }
  return leftOut > 0 && state.leftOut === 0 ? noticed(next, leftOutText(wanted, config)) : next;
}

function leftOutText({ seats, added, leftOut }: Seating, config: TargetConfig): string {
  const sessions = seats.length + added.length;
  return `${String(sessions)} of ${String(sessions + leftOut)} workers have a debug session: maxWorkers is ${String(config.maxWorkers)}. The others run without the debugger`;
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
  { classification, replica, ends }: TargetState,
  { previous, worker, reattach }: Pick<TargetState, 'previous' | 'worker' | 'reattach'>,
  process: ProcessInfo,
): WorkerState['cause'] {
  if (previous === null || classification === null || replica === null) return null;
  const same = sameProcess(previous.worker, process) && previous.worker.execId === process.execId;
  if (same && replicaKey(previous.replica) === replicaKey(replica)) {
    // Entered again. Only what was not counted before that still counts.
    return worker !== null && worker.generation > reattach.recorded ? worker.cause : null;
  }
  return reattachReason(previous, { classification, replica, worker: process }, ends);
}
