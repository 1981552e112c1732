import { describe, expect, it } from 'vitest';
import { mayTryAgain, nextAttempt, WAIT_MS } from '../../../src/forward/patience.ts';

describe('trying again', () => {
  it.each([
    [{ delivered: false, ended: false }, true],
    // It may have been acted upon.
    [{ delivered: true, ended: false }, false],
    // The app's own word.
    [{ delivered: false, ended: true }, false],
    [{ delivered: true, ended: true }, false],
  ])('%j: %s', (lost, again) => {
    expect(mayTryAgain(lost)).toBe(again);
  });
});

describe('the next attempt', () => {
  it.each([
    [0, 0, 20],
    [1, 0, 40],
    [3, 0, 160],
    [4, 0, 250],
    [5_000, 0, 250],
    // Never later than the end of the patience, and not after it.
    [9, WAIT_MS - 30, 30],
    [0, WAIT_MS, null],
    [0, WAIT_MS + 5, null],
  ])('after %d attempts and %d ms: in %s ms', (attempts, waited, ms) => {
    expect(nextAttempt(attempts, waited)).toBe(ms);
  });
});
