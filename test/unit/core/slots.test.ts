import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  POOL_SETTLED_MS,
  SCALED_DOWN_MS,
  seat,
  SETTLED_MS,
  type Member,
  type Seat,
  type Seating,
} from '../../../src/core/slots.ts';

const NOW = 1_000_000;
const LONG_AGO = NOW - 60_000;

/** Worker 7 was born long ago; "7!" just now; "7p" for a pool. */
function crew(...names: readonly (number | string)[]): Member[] {
  return names.map((name) => {
    const pid = Number.parseInt(String(name), 10);
    const text = String(name);
    const bornAt = text.includes('!') ? NOW - 10 : LONG_AGO + pid;
    return { pid, startTime: pid * 100, bornAt, pool: text.includes('p') };
  });
}

function left(seat: Seat): Seat {
  return { ...seat, left: true };
}

function slot(id: number, pid: number | null, since = LONG_AGO): Seat {
  return { id, worker: pid === null ? null : { pid, startTime: pid * 100 }, since };
}

/** "0:7 1:8 2:- +9 -3 (left 2)": who sits where, who gets a new slot, which slots end. */
function shown({ seats, added, ended, leftOut }: Seating): string {
  return [
    ...seats.map(({ id, worker }) => `${String(id)}:${worker === null ? '-' : String(worker.pid)}`),
    ...added.map(({ pid }) => `+${String(pid)}`),
    ...ended.map((id) => `-${String(id)}`),
    ...(leftOut > 0 ? [`left ${String(leftOut)}`] : []),
  ].join(' ');
}

const RECENT = NOW - 100;
const OVERDUE = NOW - SCALED_DOWN_MS;

describe('who sits where', () => {
  it('counts those without a session once they stay, also where there is no room for more', () => {
    const members = crew(7, 8, 9, '10!');
    const now = seat(slot(0, 7), [slot(1, 8)], members, null, 2, NOW);
    expect([now.leftOut, now.lookAt]).toEqual([1, NOW - 10 + SETTLED_MS]);
    expect(seat(slot(0, 7), [slot(1, 8)], members, null, 2, now.lookAt ?? 0).leftOut).toBe(2);
  });

  it.each<[string, Seat, Seat[], Member[], number, string]>([
    ['an editor comes: each worker gets a slot', slot(0, 7), [], crew(7, 8, 9), 8, '0:7 +8 +9'],
    ['nothing changes', slot(0, 7), [slot(1, 8)], crew(7, 8), 8, '0:7 1:8'],
    ['a worker was replaced', slot(0, 7), [slot(1, null), slot(2, 9)], crew(7, 9, '10!'), 8, '0:7 1:10 2:9'],
    ['and the replacement is seen with its end', slot(0, 7), [slot(1, 8)], crew(7, '10!'), 8, '0:7 1:10'],
    ['all were (HUP): the first session comes first', slot(0, 7), [slot(1, 8)], crew('10!', '11!'), 8, '0:10 1:11'],
    [
      'the oldest empty slot is filled first',
      slot(0, 7),
      [slot(1, null, RECENT), slot(2, null, LONG_AGO)],
      crew(7, '9!'),
      8,
      '0:7 1:- 2:9',
    ],
    [
      "the first session's worker died: its replacement is waited for",
      slot(0, null, RECENT),
      [slot(1, 8)],
      crew(8),
      8,
      '0:- 1:8',
    ],
    ['which it gets, before an empty slot', slot(0, null, RECENT), [slot(1, null)], crew('9!'), 8, '0:9 1:-'],
    [
      'it was scaled down: the youngest slot gives its worker, and ends',
      slot(0, null, OVERDUE),
      [slot(1, 8), slot(2, 9)],
      crew(8, 9),
      8,
      '0:9 1:8 -2',
    ],
    ['a slot was scaled down', slot(0, 7), [slot(1, null, OVERDUE), slot(2, 9)], crew(7, 9), 8, '0:7 2:9 -1'],
    ['not before its time', slot(0, 7), [slot(1, null, OVERDUE + 1)], crew(7), 8, '0:7 1:-'],
    [
      'nothing is scaled down while the app is away',
      slot(0, null, LONG_AGO),
      [slot(1, null, LONG_AGO)],
      crew(),
      8,
      '0:- 1:-',
    ],
    ['nor while it comes back', slot(0, 7, RECENT), [slot(1, null, LONG_AGO)], crew(7), 8, '0:7 1:-'],
    ['it was scaled up: not at once', slot(0, 7), [slot(1, 8)], crew(7, 8, '9!'), 8, '0:7 1:8'],
    ['there are more workers than sessions', slot(0, 7), [], crew(7, 8, 9, 10), 2, '0:7 +8 left 2'],
    ['one session at a time', slot(0, 7), [], crew(7, 8), 1, '0:7 left 1'],
    [
      'fewer are allowed: the youngest slot ends',
      slot(0, 7),
      [slot(1, 8), slot(2, 9)],
      crew(7, 8, 9),
      2,
      '0:7 1:8 -2 left 1',
    ],
    [
      'before it one that the user has left',
      slot(0, 7),
      [left(slot(1, 8)), slot(2, 9), slot(3, 10)],
      crew(7, 8, 9, 10),
      2,
      '0:7 2:9 -1 -3 left 2',
    ],
    [
      'and the slot that stays takes its worker, if it has none',
      slot(0, 7),
      [slot(1, null), slot(2, 9)],
      crew(7, 9),
      2,
      '0:7 1:9 -2',
    ],
    ['so does the first session', slot(0, null, RECENT), [slot(1, 8), slot(2, 9)], crew(8, 9), 1, '0:8 -2 -1 left 1'],
    ["a worker's own pool comes last", slot(0, 7), [slot(1, null)], crew('8p', 9, 7), 3, '0:7 1:9 +8'],
    ['a slot that has lost its worker takes what is there', slot(0, 7), [slot(1, null)], crew(7, '9p!'), 8, '0:7 1:9'],
    ['the first session never takes one of a pool', slot(0, null, RECENT), [], crew('8p'), 8, '0:-'],
  ])('%s', (_name, root, children, members, limit, outcome) => {
    const wanted = members.find(({ pool }) => !pool) ?? null;
    expect(shown(seat(root, children, members, wanted, limit, NOW))).toBe(outcome);
  });

  it('prefers the worker that is wanted for the first session', () => {
    const members = crew('10!', '11!');
    expect(shown(seat(slot(0, 7), [slot(1, 8)], members, members[1] ?? null, 8, NOW))).toBe('0:11 1:10');
  });

  it.each<[string, Seat, Seat[], Member[], number]>([
    ['a young worker', slot(0, 7), [], crew(7, '9!'), NOW - 10 + SETTLED_MS],
    ["one of a worker's own pool", slot(0, 7), [], crew(7, '9p!'), NOW - 10 + POOL_SETTLED_MS],
    ['an empty slot', slot(0, 7), [slot(1, null, RECENT)], crew(7), RECENT + SCALED_DOWN_MS],
    ['an empty first slot', slot(0, null, RECENT), [slot(1, 8)], crew(8), RECENT + SCALED_DOWN_MS],
    ['one that is emptied now', slot(0, 7), [slot(1, 8)], crew(7), NOW + SCALED_DOWN_MS],
  ])('says when to look again: %s', (_name, root, children, members, lookAt) => {
    const { lookAt: said } = seat(root, children, members, members[0] ?? null, 8, NOW);
    expect(said).toBe(lookAt);
  });

  it('nobody sits in two slots, none in a slot that ends, and who stays keeps the slot', () => {
    const pid = fc.integer({ min: 1, max: 9 });
    const place = fc.option(pid);
    fc.assert(
      fc.property(
        fc.uniqueArray(place, { maxLength: 6, selector: (one) => one ?? Math.random() }),
        fc.uniqueArray(pid),
        fc.integer({ min: 0, max: 8 }),
        fc.nat(10_000),
        (workers, alive, limit, later) => {
          const [root, ...children] = workers.map((one, id) => slot(id, one, NOW - 3_000));
          const members = crew(...alive);
          const before = root ?? slot(0, null);
          const result = seat(before, children, members, members[0] ?? null, limit, NOW + later);
          const seated = [...result.seats.map(({ worker }) => worker), ...result.added].filter((one) => one !== null);
          expect(new Set(seated).size).toBe(seated.length);
          expect(result.seats.some(({ id }) => result.ended.includes(id))).toBe(false);
          expect(result.seats[0]?.id).toBe(before.id);
          expect(result.seats.length + result.added.length).toBeLessThanOrEqual(Math.max(1, limit));
          const rootEmptied = before.worker === null || !alive.includes(before.worker.pid);
          for (const child of children) {
            if (child.worker === null || !alive.includes(child.worker.pid)) continue;
            const now = result.seats.find(({ id }) => id === child.id)?.worker?.pid;
            // Only for a first session that was scaled down is one given up, or where there are too many.
            const isOver = (rootEmptied || children.length > limit - 1) && result.ended.includes(child.id);
            expect(now === child.worker.pid || isOver).toBe(true);
          }
        },
      ),
    );
  });
});
