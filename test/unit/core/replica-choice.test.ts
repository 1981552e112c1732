import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseReplicas, MOST_REPLICAS } from '../../../src/core/replica-choice.ts';
import type { Replica } from '../../../src/core/types.ts';
import { REPLICA } from './facts.ts';

/** "a" runs, "a1" with that rank; "a!" ends, "a~" is paused, "a." does not run. */
function replica(text: string): Replica {
  const [, id = '', rank = '', mark = ''] = /^([a-z]+)(\d*)([!~.]?)$/.exec(text) ?? [];
  return {
    ...REPLICA,
    id,
    name: id,
    state: mark === '~' ? 'paused' : mark === '.' ? 'stopped' : 'running',
    ...(rank === '' ? {} : { rank: Number(rank) }),
    ...(mark === '!' ? { ending: true } : {}),
  };
}

function chosen(replicas: string, followed: string, all = true, isStopped = false): string {
  const list = (text: string): Replica[] => text.split(' ').filter(Boolean).map(replica);
  return chooseReplicas(list(replicas), list(followed), all, isStopped)
    .map(({ id }) => id)
    .join(' ');
}

describe('all replicas', () => {
  it.each([
    ['there is none', '', 'a', ''],
    ['those that run, the best first', 'a1 b0 c.', '', 'b a'],
    ['those that are followed stay in their order', 'c b a', 'c a b', 'c a b'],
    ['the first stays first while none is better', 'b0 a0', 'a0', 'a b'],
    ['a better one comes first', 'b0 a1', 'a1', 'b a'],
    ['one that ends is not taken up', 'a0 b4!', 'a0', 'a'],
    ['but kept', 'a0 b4!', 'a0 b0', 'a b'],
    ['one that is paused is kept', 'a b~', 'a b', 'a b'],
    ['and not taken up', 'a b~', 'a', 'a'],
    ['all are paused: one is enough', 'a~ b~', '', 'a'],
  ])('%s', (_name, replicas, followed, expected) => {
    expect(chosen(replicas, followed)).toBe(expected);
  });

  it('are no more than it can bear', () => {
    const many = Array.from({ length: 100 }, (_, index) => ({ ...REPLICA, id: String(index) }));
    expect(chooseReplicas(many, [], true, false)).toHaveLength(MOST_REPLICAS);
  });

  it('are one where one is asked for', () => {
    expect(chosen('a b c', 'b', false)).toBe('a');
  });

  it('are chosen once: the same question has the same answer', () => {
    const some = fc.uniqueArray(
      fc.record({
        id: fc.constantFrom('a', 'b', 'c', 'd'),
        rank: fc.integer({ min: 0, max: 3 }),
        state: fc.constantFrom('running' as const, 'paused' as const, 'stopped' as const),
        isEnding: fc.boolean(),
      }),
      { selector: ({ id }) => id },
    );
    fc.assert(
      fc.property(some, some, fc.boolean(), fc.boolean(), fc.boolean(), (now, before, isRanked, all, isStopped) => {
        const made = ({ id, rank, state, isEnding }: (typeof now)[number]): Replica => {
          return { ...REPLICA, id, state, ...(isRanked && { rank }), ...(isEnding && { ending: true }) };
        };
        const replicas = now.map(made);
        const first = chooseReplicas(replicas, before.map(made), all, isStopped);
        expect(chooseReplicas(replicas, first, all, isStopped)).toEqual(first);
        expect(first.length > 0).toBe(replicas.some(({ state }) => state !== 'stopped'));
      }),
    );
  });
});
