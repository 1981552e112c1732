// Owns the words for the end of a worker's session, and whether the worker itself ended. Pure: what is not known is not
// said.
import { workerName } from './followed-replica.ts';
import { replicaKey, sameProcess } from './identity.ts';
import type { TargetState } from './state.ts';
import type { WorkerState } from './entry-state.ts';
import type { ProcessInfo, Replica } from './types.ts';
import { endOf } from './worker-end.ts';

export interface SessionEnd {
  /** "worker 43 exited" */
  readonly text: string;
  /** False: it lives, or nobody can tell. */
  readonly ended: boolean;
}

/** Why the session with that worker ends, by the state that makes it end. `worker`: the one that the session has now. */
export function sessionEnd(
  state: TargetState,
  process: ProcessInfo,
  replica: Replica,
  now: number,
  worker: WorkerState | null = state.worker,
): SessionEnd {
  const name = workerName(state, process);
  const end = endOf(state, process, now);
  if (end?.crashed === true) return { text: `${name} crashed: ${end.reason ?? 'no reason known'}`, ended: true };
  const place = state.followed.find(({ key }) => key === replicaKey(replica));
  if (place === undefined) {
    const where = state.snapshot?.replicas.find(({ id }) => id === replica.id);
    if (where === undefined) return { text: `${name}: ${replica.name} is gone`, ended: true };
    if (where.startedAt === replica.startedAt && where.state === 'running')
      return { text: `left ${name}`, ended: false };
    return { text: `${name} ended with ${replica.name}`, ended: true };
  }
  if (place.agent.state !== 'ready') return { text: `the connection to ${name} was lost`, ended: false };
  if (!place.processes.some((one) => sameProcess(one, process))) return { text: `${name} exited`, ended: true };
  if (worker === null) return { text: `left ${name}`, ended: false };
  if (!sameProcess(worker.process, process)) {
    return { text: `left ${name} for ${workerName(state, worker.process)}`, ended: false };
  }
  return worker.process.execId === process.execId
    ? { text: `the debugger left ${name}`, ended: false }
    : { text: `${name} became another program`, ended: false };
}
