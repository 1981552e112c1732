// Owns the reason for a re-attachment: why does the session follow another worker than before? Pure.
import { sameProcess, type ProcessKey } from './identity.ts';
import type { ReattachReason } from './status.ts';
import type { Classification, ProcessInfo, Replica } from './types.ts';

/** A worker that was followed, with the tree and the replica at that time. */
export interface FollowedWorker {
  readonly classification: Classification;
  readonly replica: Replica;
  readonly worker: ProcessInfo;
}

/** The end of a process; `signal` 0: it exited by itself, null or absent: not to be known. */
export interface Exit extends ProcessKey {
  readonly signal?: number | null;
  /** The system killed it for want of memory. */
  readonly oom?: boolean;
}

/** SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGSEGV: no reloader ends a worker like that, except after its patience. */
export const CRASH_SIGNALS: ReadonlySet<number> = new Set([4, 6, 7, 8, 9, 11]);

/**
 * `rollout`: another container; `restart`: another start of the same one, or of the whole program in it; `crash`: the
 * worker died by a signal of its own fault, or by an exception; `reload`: its supervisor lives and started the next one.
 */
export function reattachReason(
  before: FollowedWorker,
  after: FollowedWorker,
  exits: readonly (Exit & { readonly exception?: string | null })[] = [],
): ReattachReason {
  if (before.replica.id !== after.replica.id) return 'rollout';
  if (before.replica.startedAt !== after.replica.startedAt) return 'restart';
  const end = exits.find((exit) => sameProcess(exit, before.worker));
  if ((end?.exception ?? null) !== null) return 'crash';
  if (end?.signal !== undefined && end.signal !== null && CRASH_SIGNALS.has(end.signal)) return 'crash';
  if (sameProcess(before.worker, after.worker)) return 'reload'; // another program under the same pid, or entered again
  return supervisorLives(before, after) ? 'reload' : 'restart';
}

/** True if the nearest Python ancestor of the old worker (or, without one, its parent) lives above the new one. */
function supervisorLives(before: FollowedWorker, after: FollowedWorker): boolean {
  const parents = ancestors(before.classification, before.worker);
  const supervisors = parents.filter((process) => process.role === 'supervisor');
  const wanted = supervisors.length > 0 ? supervisors : parents;
  const above = ancestors(after.classification, after.worker);
  return wanted.some((old) => above.some((now) => sameProcess(old, now)));
}

function ancestors(tree: Classification, worker: ProcessInfo): Classification['processes'][number][] {
  const found: Classification['processes'][number][] = [];
  let { ppid } = worker;
  while (found.length < 64) {
    const parent = tree.processes.find((process) => process.pid === ppid);
    if (parent === undefined || found.includes(parent)) return found;
    found.push(parent);
    ppid = parent.ppid;
  }
  return found;
}
