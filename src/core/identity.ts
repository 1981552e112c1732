// Owns what makes two observations one and the same process, or one start of a container. Pure.
import type { Replica } from './types.ts';

/** Pids are used again; with the start time they are not, and in another replica it is another process. */
export interface ProcessKey {
  readonly pid: number;
  readonly startTime: number;
  /** The `replicaKey` of where it runs; absent: in the one that is spoken of. */
  readonly replica?: string;
}

export function sameProcess(a: ProcessKey, b: ProcessKey): boolean {
  if (a.pid !== b.pid || a.startTime !== b.startTime) return false;
  return a.replica === undefined || b.replica === undefined || a.replica === b.replica;
}

/** Identity of one start of a container: an agent belongs to exactly one. */
export function replicaKey(replica: Replica): string {
  return `${replica.id}@${replica.startedAt}`;
}
