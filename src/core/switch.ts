// Owns `wand switch`: which worker the first session moves to, or why it cannot. Pure.
import { DebugwandError } from '../lib/errors.ts';
import { isWorker } from './following.ts';
import { sameProcess } from './identity.ts';
import type { TargetState } from './state.ts';
import type { ClassifiedProcess } from './types.ts';

/**
 * `pid`: of the worker; null: the next one in order, round and round.
 * @throws DebugwandError `no-such-worker`, `worker-has-session`
 */
export function switchTo(state: TargetState, target: string, pid: number | null): ClassifiedProcess {
  const { classification } = state;
  const processes = classification?.processes ?? [];
  const crew = [...(classification?.crew ?? []), ...(classification?.below ?? [])];
  const own = state.slots.flatMap(({ worker, over }) => (worker === null || over ? [] : [worker.process]));
  const workers = processes.filter((one) => isWorker(one) && (own.length === 0 || crew.includes(one.pid)));
  const free = workers.filter((one) => !own.some((other) => sameProcess(one, other)));
  const others = free.filter((one) => state.worker === null || !sameProcess(one, state.worker.process));
  if (pid === null) return next(state, crew, free, others, target);
  const found = processes.find((one) => one.pid === pid);
  if (found !== undefined && free.includes(found)) return found;
  if (found !== undefined && workers.includes(found)) {
    throw new DebugwandError({
      code: 'worker-has-session',
      message: `worker ${String(pid)} of ${target} has a debug session of its own`,
      fix: "choose that session in your editor, or set workers: 'one' in the config",
    });
  }
  const list = workers.map((one) => String(one.pid)).join(', ');
  throw new DebugwandError({
    code: 'no-such-worker',
    message:
      found === undefined
        ? `${target} has no process ${String(pid)}`
        : `process ${String(pid)} of ${target} is no worker: ${found.reason}`,
    fix:
      list === ''
        ? 'wait until it has a worker: `wand status`'
        : `the workers are ${list}; \`wand ps ${target}\` says more`,
  });
}

/** Among the equals of the present one, by age. */
function next(
  { worker }: TargetState,
  crew: readonly number[],
  free: readonly ClassifiedProcess[],
  others: readonly ClassifiedProcess[],
  target: string,
): ClassifiedProcess {
  const order = crew.flatMap((pid) => free.find((one) => one.pid === pid) ?? []);
  const at = order.findIndex(({ pid }) => pid === worker?.process.pid);
  const following = [...order.slice(at + 1), ...order.slice(0, Math.max(0, at))];
  const [found] = [...following, ...others];
  if (found !== undefined) return found;
  throw new DebugwandError({
    code: 'no-such-worker',
    message: `${target} has no other worker to switch to`,
    fix: `\`wand ps ${target}\` lists its processes`,
  });
}
