import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { editDistance, nearest } from '../../../src/lib/nearest.ts';

describe('editDistance', () => {
  test.each([
    ['', '', 0],
    ['abc', 'abc', 0],
    ['abc', '', 3],
    ['abc', 'abd', 1],
    ['abc', 'acb', 1],
    ['kitten', 'sitting', 3],
  ])('%j → %j: %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
  });

  test('is symmetric, and at most the length of the longer word', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(editDistance(a, b) === 0).toBe(a === b);
      }),
    );
  });
});

test.each([
  ['pathMapping', 'pathMappings'],
  ['path_mappings', 'pathMappings'],
  ['PORT', 'port'],
  ['prot', 'port'],
  ['notfy', 'notify'],
  ['hold', 'holdAtStart'],
  ['zebra', null],
  ['x', null],
  ['', null],
])('nearest of %j is %j', (word, expected) => {
  expect(nearest(word, ['port', 'pathMappings', 'notify', 'holdAtStart'])).toBe(expected);
});
