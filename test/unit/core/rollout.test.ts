import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rolledOver, type Placed, type Standing } from '../../../src/core/rollout.ts';
import type { Member, Seat } from '../../../src/core/slots.ts';

/** Who runs where: "7" in a ready replica, "7old" in one of the revision before, "7starts" in one that comes, "7ends". */
function standings(...names: readonly string[]): ReadonlyMap<number, Standing> {
  return new Map(
    names.map((name) => {
      const word = name.replace(/^\d+/, '');
      const standing: Standing =
        word === 'old'
          ? { rank: 1, leaves: 'superseded' }
          : word === 'starts'
            ? { rank: 2, leaves: 'no' }
            : word === 'ends'
              ? { rank: 4, leaves: 'ending' }
              : { rank: 0, leaves: 'no' };
      return [Number.parseInt(name, 10), standing];
    }),
  );
}

function outcome(
  places: readonly (number | null)[],
  names: readonly string[],
  stopped: readonly number[] = [],
): Placed {
  const known = standings(...names);
  const members = [...known.keys()].map((pid): Member => ({ pid, startTime: pid, bornAt: 0, pool: false }));
  const seats = places.map((pid, id): Seat => {
    return { id, worker: pid === null ? null : { pid, startTime: pid }, since: 0 };
  });
  const standingOf = ({ pid }: Member): Standing => known.get(pid) ?? { rank: 0, leaves: 'no' };
  return rolledOver(seats, members, standingOf, ({ id }) => stopped.includes(id));
}

/** "7 - 9 (8)": who sits, and who else may have a seat. */
function shown({ seats, members }: Placed): string {
  const sitting = seats.map(({ worker }) => worker?.pid ?? null);
  const others = members.map(({ pid }) => pid).filter((pid) => !sitting.includes(pid));
  const text = sitting.map((pid) => (pid === null ? '-' : String(pid))).join(' ');
  return others.length === 0 ? text : `${text} (${others.join(' ')})`;
}

describe('a rollout', () => {
  it.each<[string, (number | null)[], string[], string]>([
    ['there is none', [1, null], ['1', '2', '3'], '1 - (2 3)'],
    ['the next one starts', [1, 2], ['1old', '2old', '3starts'], '1 2'],
    ['it is ready', [1, 2], ['1old', '2old', '3'], '3 2'],
    ['the one before ends', [3, 2], ['1ends', '2old', '3', '4starts'], '3 2'],
    ['before the next is ready', [1, 2], ['1ends', '2old', '3starts'], '3 2'],
    ['there is a free place: nobody leaves for it', [1, null], ['1old', '2'], '1 - (2)'],
    ['nobody comes', [1, 2], ['1', '2ends'], '1 2'],
    ['who was left gets no other seat, which waits for the next one', [3, null], ['1old', '2old', '3'], '3 -'],
    ['but the first', [null, 3], ['1old', '3'], '- 3 (1)'],
    ['one more than before is scaled up', [3, 4], ['1ends', '2ends', '3', '4', '5'], '3 4 (5)'],
    ['the first to sit is not the only one', [1], ['1old', '2old', '3starts'], '1 (3)'],
  ])('%s', (_name, places, names, expected) => {
    expect(shown(outcome(places, names))).toBe(expected);
  });

  it('leaves who is stopped alone, but for an end', () => {
    expect(shown(outcome([1, 2], ['1old', '2ends', '3', '4'], [0, 1]))).toBe('1 3');
  });

  it('nobody sits twice, no seat goes, and nobody leaves a seat for nobody', () => {
    const name = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.constantFrom('', 'old', 'starts', 'ends'));
    fc.assert(
      fc.property(
        fc.uniqueArray(name, { selector: ([pid]) => pid }),
        fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 5 }),
        (names, places) => {
          const { seats, members } = outcome(
            places,
            names.map(([pid, word]) => `${String(pid)}${word}`),
          );
          const sitting = seats.flatMap(({ worker }) => worker?.pid ?? []);
          expect(new Set(sitting).size).toBe(places.length);
          for (const [index, pid] of places.entries()) {
            const now = seats[index]?.worker?.pid;
            const alive = names.some(([one]) => one === pid);
            if (alive && now !== pid) expect(names.find(([one]) => one === pid)?.[1]).toMatch(/old|ends/);
            if (!alive) expect(now).toBe(pid);
            if (alive) expect(members.some((one) => one.pid === now)).toBe(true);
          }
        },
      ),
    );
  });
});
