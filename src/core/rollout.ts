// Owns how sessions go from replicas that are being replaced to those that replace them, while both run: each in its slot,
// and none is opened only because there are more workers for a while. Pure; who sits where otherwise is slots.ts.
import { sameProcess } from './identity.ts';
import type { Member, Seat } from './slots.ts';

/** How the replica of a worker stands. */
export interface Standing {
  /** Lower is better. */
  readonly rank: number;
  /** `superseded`: by a newer revision; `ending`: the platform is taking it away. */
  readonly leaves: 'no' | 'superseded' | 'ending';
}

export interface Placed {
  readonly seats: readonly Seat[];
  /** Those who may have a seat, in order. */
  readonly members: readonly Member[];
}

/** `isStopped`: the worker of the seat is, by the debugger: it is left for nothing but its end. */
export function rolledOver(
  seats: readonly Seat[],
  members: readonly Member[],
  standingOf: (member: Member) => Standing,
  isStopped: (seat: Seat) => boolean,
): Placed {
  const leaves = (one: Member): boolean => standingOf(one).leaves !== 'no';
  if (!members.some(leaves)) return { seats, members };
  const sitting = (seat: Seat): Member | null =>
    members.find((one) => seat.worker !== null && sameProcess(one, seat.worker)) ?? null;
  const waiting = members.filter((one) => !seats.some(({ worker }) => worker !== null && sameProcess(one, worker)));
  const empty = seats.filter((seat) => sitting(seat) === null).length;
  // An empty seat is filled first: nobody has to leave for that.
  let free = waiting
    .filter((one) => !leaves(one) && !one.pool)
    .toSorted((a, b) => standingOf(a).rank - standingOf(b).rank)
    .slice(empty);

  const moved = seats.map((seat): Seat => {
    const member = sitting(seat);
    if (member === null || !leaves(member)) return seat;
    const { rank, leaves: how } = standingOf(member);
    if (how !== 'ending' && isStopped(seat)) return seat;
    // Ready before new: a rollout that never gets ready leaves the debugger where it is.
    const next = free.find((one) => standingOf(one).rank < rank);
    if (next === undefined) return seat;
    free = free.filter((one) => one !== next);
    return { ...seat, worker: next };
  });

  // As many sessions as there were workers before, or as there will be: not the sum.
  const count = (wanted: Standing['leaves']): number =>
    members.filter((one) => standingOf(one).leaves === wanted && !one.pool).length;
  const more = Math.max(0, Math.max(count('no'), count('superseded')) - moved.length);
  const isTaken = (one: Member): boolean => moved.some(({ worker }) => worker !== null && sameProcess(one, worker));
  const others = members.filter((one) => !isTaken(one));
  const coming = others.filter((one) => !leaves(one)).slice(0, empty + more);
  // An empty seat waits for the next one: who was left for another is about to end. Only the first session takes anybody.
  const [first] = moved;
  const places = more + (first !== undefined && sitting(first) === null ? 1 : 0) - coming.length;
  const left = others.filter(leaves).slice(0, Math.max(0, places));
  return { seats: moved, members: [...members.filter(isTaken), ...coming, ...left] };
}
