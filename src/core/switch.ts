// Owns `wand switch`: which worker the first session moves to, or why it cannot. Pure.
import { DebugwandError } from '../lib/errors.ts';
import { replicaOf, shortName, type FollowedReplica } from './followed-replica.ts';
import { isWorker } from './following.ts';
import { sameProcess } from './identity.ts';
import type { TargetState } from './state.ts';
import type { ClassifiedProcess } from './types.ts';

/** A worker as a user names it; `replica`: its name or the first part of it, null: where there is but one of that pid. */
export interface WantedWorker {
  readonly pid: number;
  readonly replica: string | null;
}

/**
 * `wanted`: null for the next one in order, round and round.
 * @throws DebugwandError `no-such-worker`, `worker-has-session`, `worker-ambiguous`
 */
export function switchTo(state: TargetState, target: string, wanted: WantedWorker | null): ClassifiedProcess {
  const own = state.slots.flatMap(({ worker, over }) => (worker === null || over ? [] : [worker.process]));
  const processes = state.followed.flatMap(({ classification }) => classification?.processes ?? []);
  const crew = state.followed.flatMap(crewOf);
  const workers = processes.filter((one) => isWorker(one) && (own.length === 0 || crew.includes(one)));
  const free = workers.filter((one) => !own.some((other) => sameProcess(one, other)));
  const others = free.filter((one) => state.worker === null || !sameProcess(one, state.worker.process));
  if (wanted === null) {
    if (others.length === 0 && own.length > 0) throw hasSession(`every other worker of ${target}`);
    return next(state, crew, free, others, target);
  }
  const found = meant(state, target, wanted, processes);
  if (found !== null && free.includes(found)) return found;
  const name = wordFor(state, wanted);
  if (found !== null && workers.includes(found)) {
    throw hasSession(`worker ${name} of ${target}`);
  }
  const list = workers.map((one) => wordFor(state, one)).join(', ');
  throw new DebugwandError({
    code: 'no-such-worker',
    message:
      found === null
        ? `${target} has no process ${name}`
        : `process ${name} of ${target} is no worker: ${found.reason}`,
    fix:
      list === ''
        ? 'wait until it has a worker: `wand status`'
        : `the workers are ${list}; \`wand ps ${target}\` says more`,
  });
}

function hasSession(who: string): DebugwandError {
  return new DebugwandError({
    code: 'worker-has-session',
    message: `${who} has a debug session of its own`,
    fix: "choose that session in your editor, or set workers: 'one' in the config",
  });
}

/** By age, those that others started for themselves last. */
function crewOf({ classification }: FollowedReplica): ClassifiedProcess[] {
  if (classification === null) return [];
  const { crew, below, processes } = classification;
  return [...crew, ...below].flatMap((pid) => processes.find((one) => one.pid === pid) ?? []);
}

function meant(
  state: TargetState,
  target: string,
  { pid, replica }: WantedWorker,
  processes: readonly ClassifiedProcess[],
): ClassifiedProcess | null {
  const isThere = (one: ClassifiedProcess): boolean => {
    const place = replicaOf(state, one);
    return (
      replica === null || place?.replica.name === replica || (place !== null && shortName(place.replica) === replica)
    );
  };
  const [found = null, ...more] = processes.filter((one) => one.pid === pid && isThere(one));
  if (found === null || more.length === 0) return found;
  const names = [found, ...more].map((one) => wordFor(state, one));
  throw new DebugwandError({
    code: 'worker-ambiguous',
    message: `${target} has several processes ${String(pid)}: ${names.join(', ')}`,
    fix: `say which one: \`wand switch ${target} ${names[0] ?? ''}\``,
  });
}

/** As it can be typed: "7", where there are several replicas "web-1:7". */
function wordFor(state: TargetState, one: { readonly pid: number; readonly replica?: string | null }): string {
  const pid = String(one.pid);
  if (state.followed.length < 2 || (one.replica ?? null) === null) return pid;
  const place = state.followed.find(({ key }) => key === one.replica);
  return `${place === undefined ? String(one.replica) : shortName(place.replica)}:${pid}`;
}

/** Among the equals of the present one, by age, replica after replica. */
function next(
  { worker }: TargetState,
  crew: readonly ClassifiedProcess[],
  free: readonly ClassifiedProcess[],
  others: readonly ClassifiedProcess[],
  target: string,
): ClassifiedProcess {
  const order = crew.filter((one) => free.includes(one));
  const at = order.findIndex((one) => worker !== null && sameProcess(one, worker.process));
  const following = [...order.slice(at + 1), ...order.slice(0, Math.max(0, at))];
  const [found] = [...following, ...others];
  if (found !== undefined) return found;
  throw new DebugwandError({
    code: 'no-such-worker',
    message: `${target} has no other worker to switch to`,
    fix: `\`wand ps ${target}\` lists its processes`,
  });
}
