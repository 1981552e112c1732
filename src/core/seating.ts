// Owns what the seating is worked out from: the workers of all followed replicas, the sessions there are, and how many there
// may be. Pure; who sits where is slots.ts and rollout.ts, what follows from it following.ts.
import { followsAll, homeOf, nowOf, replicaOf, type FollowedReplica } from './followed-replica.ts';
import { sameProcess, type ProcessKey } from './identity.ts';
import { rolledOver, type Standing } from './rollout.ts';
import { seat, type Member, type Seat, type Seating } from './slots.ts';
import type { TargetState } from './state.ts';
import type { TargetConfig } from './types.ts';

/** How long a new replica may take until a worker is seen in it. */
export const FIRST_WORKER_MS = 60_000;

/** Who sits where is worked out for several: the editor can have them, and the config lets it; also while the last ones
 * end. And where the first session may be in one of several replicas. */
export function hasChildren(state: TargetState, config: TargetConfig): boolean {
  return hasMany(state, config) || state.slots.some(({ over }) => !over) || followsAll(config.source);
}

/** Further workers get sessions. */
export function hasMany({ editor }: TargetState, { workers }: TargetConfig): boolean {
  return editor.children && workers === 'all';
}

/** The workers there are in a replica, as far as sessions go: the crew, then what its members started for themselves. */
function membersOf({ key, classification, processes, processesAt }: FollowedReplica): readonly Member[] {
  if (classification === null) return [];
  const member = (pool: boolean) => (pid: number) => {
    const process = classification.processes.find((one) => one.pid === pid);
    // Its end may be known before the tree is told anew.
    return process === undefined || !processes.some((one) => sameProcess(one, process))
      ? []
      : [{ pid, startTime: process.startTime, replica: key, bornAt: processesAt - process.ageMs, pool }];
  };
  const { chosen, crew, below } = classification;
  // The user switched to something else altogether.
  if (chosen !== null && !crew.includes(chosen.pid) && !below.includes(chosen.pid)) return member(false)(chosen.pid);
  return [...crew.flatMap(member(false)), ...below.flatMap(member(true))];
}

/** Who should be where now; null while nobody can tell. */
export function seating(state: TargetState, config: TargetConfig, now: number): Seating | null {
  if (state.followed.every((one) => one.classification === null) || !hasChildren(state, config)) return null;
  const slots = state.slots.filter(({ over }) => !over);
  const { preferred } = state;
  const isTaken = slots.some(
    ({ worker }) => worker !== null && preferred !== null && sameProcess(worker.process, preferred),
  );
  const all = state.followed.flatMap(membersOf);
  // Whose agent was away has its session again, and no other one.
  const sitting = ({ worker, previous }: Pick<TargetState, 'worker' | 'previous'>): ProcessKey | null =>
    worker?.process ?? all.find((one) => previous !== null && sameProcess(one, previous.worker)) ?? null;
  const switchedTo = all.find((one) => preferred !== null && !isTaken && sameProcess(one, preferred));
  const first: Seat = {
    id: 0,
    worker: switchedTo ?? sitting(state),
    since: state.worker?.seenAt ?? state.emptySince,
  };
  const further = slots.map((slot): Seat => {
    const { id, since, session } = slot;
    return { id, worker: sitting(slot), since, left: session.state === 'left' };
  });
  const { seats, members } = rolledOver([first, ...further], all, standingIn(state), ({ id }) =>
    isStoppedIn(state, id),
  );
  const [root = first, ...children] = seats;
  const limit = limitOf(state, config, slots.length);
  return seat(root, children, members, wantedOf(state), limit, now, isReplicaAwaited(state, config, now));
}

/** Sessions at most. An editor that opens no more keeps those that it has: `children` further ones. */
function limitOf({ editor }: TargetState, { workers, maxWorkers }: TargetConfig, children: number): number {
  if (workers === 'one') return 1;
  return editor.children ? maxWorkers : Math.min(maxWorkers, 1 + children);
}

/** Whom the first session would take. */
function wantedOf(state: TargetState): ProcessKey | null {
  const home = homeOf(state);
  const others = state.followed.filter((one) => one !== home);
  return (
    [home, ...others].find((one) => (one?.classification?.chosen ?? null) !== null)?.classification?.chosen ?? null
  );
}

function standingIn(state: TargetState): (member: Member) => Standing {
  return (member) => {
    const place = replicaOf(state, member);
    if (place === null) return { rank: 0, leaves: 'no' };
    const { rank = 0, ending, superseded } = nowOf(state.snapshot, place);
    return { rank, leaves: ending === true ? 'ending' : superseded === true ? 'superseded' : 'no' };
  };
}

function isStoppedIn({ editor, slots }: TargetState, id: number): boolean {
  const where = id === 0 ? editor.stoppedAt : slots.find((slot) => slot.id === id)?.stoppedAt;
  return (where ?? null) !== null;
}

/** A replica is about to run, or its workers to be found (again). One that never shows any is not waited for. */
function isReplicaAwaited({ snapshot, followed }: TargetState, { source }: TargetConfig, now: number): boolean {
  if (!followsAll(source)) return false;
  const isToBeSeen = (one: FollowedReplica): boolean =>
    (one.classification?.chosen ?? null) === null &&
    nowOf(snapshot, one).ending !== true &&
    (one.worked || now - one.since < FIRST_WORKER_MS);
  return (snapshot?.replicas ?? []).some(({ coming }) => coming === true) || followed.some(isToBeSeen);
}

/** To the editor's user. */
export function leftOutText({ seats, added, leftOut }: Seating, config: TargetConfig): string {
  const sessions = seats.length + added.length;
  return `${String(sessions)} of ${String(sessions + leftOut)} workers have a debug session: maxWorkers is ${String(config.maxWorkers)}. The others run without the debugger`;
}
