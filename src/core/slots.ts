// Owns which worker each debug session has: the assignment of workers to slots, which outlive them. Pure.
//
// A worker keeps its slot; a new one fills the first session's, then the slot that has been empty for longest; whoever is
// left gets a new slot once it is old enough. A slot that stays empty while the first session has its worker was scaled
// down. When the first session's worker dies while others live, its replacement is waited for: only after that time does
// it take the worker of the youngest slot. Where there are more slots than allowed the surplus ends at once: those whose
// session the user has left, then the youngest.
import { sameProcess, type ProcessKey } from './identity.ts';

export interface Member extends ProcessKey {
  /** Milliseconds since the epoch. */
  readonly bornAt: number;
  /** Started by another worker for itself: mostly short-lived. */
  readonly pool: boolean;
}

export interface Seat {
  /** 0: the first session's. */
  readonly id: number;
  readonly worker: ProcessKey | null;
  /** Since when it has had its worker, or none; ms since the epoch. */
  readonly since: number;
  /** The user ended its session. */
  readonly left?: boolean;
}

export interface Seating {
  /** By slot: those that stay, in their order. */
  readonly seats: readonly { readonly id: number; readonly worker: Member | null }[];
  /** Each gets a slot of its own. */
  readonly added: readonly Member[];
  /** Slots that were scaled down. */
  readonly ended: readonly number[];
  /** Workers for which there is no slot any more. */
  readonly leftOut: number;
  /** When time alone changes something; ms since the epoch, null: never. */
  readonly lookAt: number | null;
}

/** How long an empty slot waits for the replacement of its worker. */
export const SCALED_DOWN_MS = 5_000;
/** Younger workers get no new slot: a reload forks them one by one, and a pool's may be gone soon. */
export const SETTLED_MS = 1_000;
export const POOL_SETTLED_MS = 2_000;

/**
 * `crew`: the workers that the server keeps, in order. `wanted`: who the first session would take. `limit`: slots at most.
 * `awaited`: a replica comes, and its workers may be those that are missing: nothing was scaled down.
 */
export function seat(
  root: Seat,
  children: readonly Seat[],
  crew: readonly Member[],
  wanted: ProcessKey | null,
  limit: number,
  now: number,
  awaited = false,
): Seating {
  const find = (key: ProcessKey | null): Member | null =>
    key === null ? null : (crew.find((one) => sameProcess(one, key)) ?? null);
  const placed = new Map<number, Member>();
  const surplus = surplusOf(children, limit);
  const allowed = children.filter(({ id }) => !surplus.includes(id));
  for (const slot of [root, ...allowed]) {
    const kept = find(slot.worker);
    if (kept !== null && ![...placed.values()].includes(kept)) placed.set(slot.id, kept);
  }
  let free = crew.filter((one) => ![...placed.values()].includes(one));
  const place = (id: number, worker: Member): void => {
    placed.set(id, worker);
    free = free.filter((one) => one !== worker);
  };
  const due: number[] = [];
  const ended: number[] = [...surplus];

  if (!placed.has(root.id)) {
    const next = free.find((one) => wanted !== null && sameProcess(one, wanted)) ?? free.find((one) => !one.pool);
    const giver = allowed.findLast(({ id }) => placed.has(id));
    // The clock of one that has just lost its worker starts now.
    const waitsUntil = (root.worker === null ? root.since : now) + SCALED_DOWN_MS;
    if (next !== undefined) {
      place(root.id, next);
    } else if (giver !== undefined && now >= waitsUntil && !awaited) {
      const taken = placed.get(giver.id);
      placed.delete(giver.id);
      if (taken !== undefined) place(root.id, taken);
      ended.push(giver.id);
    } else if (giver !== undefined && !awaited) {
      due.push(waitsUntil);
    }
  }

  const empty = allowed.filter(({ id }) => !placed.has(id) && !ended.includes(id));
  const emptySince = (slot: Seat): number => (slot.worker === null ? slot.since : now);
  for (const slot of empty.toSorted((a, b) => emptySince(a) - emptySince(b) || a.id - b.id)) {
    const next = free.find((one) => !one.pool) ?? free[0];
    if (next !== undefined) place(slot.id, next);
  }

  const hasRoot = placed.has(root.id);
  // While the whole app is away nothing was scaled down.
  const rootSince = find(root.worker) === null ? now : root.since;
  for (const slot of empty) {
    if (placed.has(slot.id) || !hasRoot || awaited) continue;
    const until = Math.max(emptySince(slot), rootSince) + SCALED_DOWN_MS;
    if (now >= until) ended.push(slot.id);
    else due.push(until);
  }

  const staying = allowed.filter(({ id }) => !ended.includes(id));
  const settledAt = (one: Member): number => one.bornAt + (one.pool ? POOL_SETTLED_MS : SETTLED_MS);
  const settled = hasRoot ? free.filter((one) => now >= settledAt(one)) : [];
  const room = Math.max(0, limit - 1 - staying.length);
  const added = settled.slice(0, room);
  // Also where there is no room: those are counted.
  if (hasRoot) due.push(...free.map(settledAt).filter((at) => at > now));
  return {
    seats: [root, ...staying].map(({ id }) => ({ id, worker: placed.get(id) ?? null })),
    added,
    ended,
    leftOut: settled.length - added.length,
    lookAt: due.length === 0 ? null : Math.min(...due),
  };
}

/** Slots beyond the limit, which a new config may have lowered. */
function surplusOf(children: readonly Seat[], limit: number): readonly number[] {
  const excess = children.length - Math.max(0, limit - 1);
  if (excess <= 0) return [];
  const first = ({ left }: Seat): number => (left === true ? 0 : 1);
  return children
    .toSorted((a, b) => first(a) - first(b) || b.id - a.id)
    .slice(0, excess)
    .map(({ id }) => id);
}
