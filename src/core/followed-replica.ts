// Owns what is known of one followed replica, and which of several is meant. Pure.
import type { AgentState } from './agent-state.ts';
import type { WorkerState } from './entry-state.ts';
import { replicaKey, type ProcessKey } from './identity.ts';
import type { Classification, ProcessInfo, Replica, Snapshot, TargetSource } from './types.ts';

export interface FollowedReplica {
  /** Its `replicaKey`: also of each of its processes. */
  readonly key: string;
  /** As it was when it was found; the snapshot has what it is now. */
  readonly replica: Replica;
  readonly agent: AgentState;
  readonly processes: readonly ProcessInfo[];
  /** When `processes` was observed, ms since the epoch: their `ageMs` counts to there. */
  readonly processesAt: number;
  readonly classification: Classification | null;
  /** Since when it is followed, ms since the epoch. */
  readonly since: number;
  /** A worker was seen in it. */
  readonly worked: boolean;
}

interface HasFollowed {
  readonly followed: readonly FollowedReplica[];
}

export function newlyFollowed(replica: Replica, now: number): FollowedReplica {
  const nothing = { processes: [], processesAt: 0, classification: null, worked: false } as const;
  return { key: replicaKey(replica), replica, agent: { state: 'none' }, ...nothing, since: now };
}

/** The config asks for every replica. */
export function followsAll(source: TargetSource): boolean {
  return 'replica' in source && source.replica === 'all';
}

/** Where a process runs; null: that is not followed (any more). */
export function replicaOf({ followed }: HasFollowed, { replica }: ProcessKey): FollowedReplica | null {
  return followed.find(({ key }) => replica === undefined || key === replica) ?? null;
}

/** Where the first session is, or would be: null, nowhere. */
export function homeOf(state: HasFollowed & { readonly worker: WorkerState | null }): FollowedReplica | null {
  const own = state.worker === null ? null : replicaOf(state, state.worker.process);
  return own ?? state.followed[0] ?? null;
}

/** As the platform told last. */
export function nowOf(snapshot: Snapshot | null, { key, replica }: FollowedReplica): Replica {
  return snapshot?.replicas.find((one) => replicaKey(one) === key) ?? replica;
}

/** Its name without that of the container in it, which is the same for all. */
export function shortName({ name }: Replica): string {
  return name.split('/', 1)[0] ?? name;
}

/** "worker 7"; where there are several replicas "worker 7 in web-1". */
export function workerName(state: HasFollowed, process: ProcessKey): string {
  const name = `worker ${String(process.pid)}`;
  const place = state.followed.length > 1 ? replicaOf(state, process) : null;
  return place === null ? name : `${name} in ${shortName(place.replica)}`;
}
