// Owns the choice of the replicas that are followed, of those that there are. Pure.
import { replicaKey } from './identity.ts';
import type { Replica } from './types.ts';

/** Each costs an agent, and a rollout has twice as many as it will leave. */
export const MOST_REPLICAS = 32;

/**
 * Who is followed, the one for the first session first; `all`: not only that one. `followed`: those so far, in that order.
 * `isStopped`: a worker is, by the debugger.
 */
export function chooseReplicas(
  replicas: readonly Replica[],
  followed: readonly Replica[],
  all: boolean,
  isStopped: boolean,
): readonly Replica[] {
  const first = chooseOne(replicas, followed[0] ?? null, isStopped);
  if (first === null) return [];
  if (!all || first.state !== 'running') return [first];
  const known = followed.map(replicaKey);
  const isWorthIt = (one: Replica): boolean => {
    // What ends is not entered any more; what is paused is there again as it was.
    if (known.includes(replicaKey(one))) return one.state === 'running' || one.state === 'paused';
    return one.state === 'running' && one.ending !== true;
  };
  const place = (one: Replica): number => (known.indexOf(replicaKey(one)) + 1 || Infinity) - 1;
  const others = replicas.filter((one) => one !== first && isWorthIt(one));
  return [first, ...others.toSorted((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)))].slice(
    0,
    MOST_REPLICAS,
  );
}

/**
 * The best running one; a paused one only if nothing runs. The platform may rank them: then the one that is followed is
 * kept unless another one is better. While the worker is stopped by the debugger its replica is kept as long as the
 * platform keeps it: probes that a stopped worker does not answer make it look worse than it is.
 */
function chooseOne(replicas: readonly Replica[], followed: Replica | null, isStopped: boolean): Replica | null {
  const running = replicas.filter((r) => r.state === 'running');
  const kept = followed === null ? undefined : running.find((r) => replicaKey(r) === replicaKey(followed));
  const [first] = running;
  if (first === undefined) return replicas.find((r) => r.state === 'paused') ?? null;
  const best = running.reduce((a, b) => ((b.rank ?? 0) < (a.rank ?? 0) ? b : a), first);
  // Without ranks the order says it all.
  if (kept?.rank === undefined || best.rank === undefined) return best;
  if (isStopped && kept.ending !== true) return kept;
  return best.rank < kept.rank ? best : kept;
}
