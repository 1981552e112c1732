// Owns what makes two observations one and the same process, or one start of a container. Pure.
import type { Replica } from './types.ts';

/** Pids are used again; with the start time they are not. */
export interface ProcessKey {
  readonly pid: number;
  readonly startTime: number;
}

export function sameProcess(a: ProcessKey, b: ProcessKey): boolean {
  return a.pid === b.pid && a.startTime === b.startTime;
}

/** Identity of one start of a container: an agent belongs to exactly one. */
export function replicaKey(replica: Replica): string {
  return `${replica.id}@${replica.startedAt}`;
}
