import { describe, expect, test } from 'vitest';
import type { TargetReport } from '../../../src/core/status.ts';
import { advance, BURST_MS, GONE_MS, type Notification, QUIET, QUIET_MS } from '../../../src/ui/notifications.ts';
import { attached, report, waiting } from '../../support/reports.ts';

const error = { code: 'x', message: 'no right to enter', fix: 'add SYS_PTRACE' };
const blocked: TargetReport = { ...waiting, phase: 'blocked', error };

function back(count: number, more: Partial<TargetReport> = {}): TargetReport {
  return {
    ...attached,
    reattach: { count, last: { at: 0, ms: 140, seenMs: 1, reason: 'reload' }, history: [] },
    ...more,
  };
}

/** What is shown when, from reports at their times (ms); the machine is asked again whenever it wants to be. */
function play(
  ...steps: readonly (readonly [at: number, targets: readonly TargetReport[]])[]
): [number, Notification][] {
  const shown: [number, Notification][] = [];
  let state = QUIET;
  let wakeAt: number | null = null;
  let last = report([]);
  const step = (at: number): void => {
    const next = advance(state, last, at);
    ({ state, wakeAt } = next);
    if (next.show !== null) shown.push([at, next.show]);
    expect(wakeAt === null || wakeAt > at).toBe(true);
  };
  for (const [at, targets] of steps) {
    while (wakeAt !== null && wakeAt <= at) step(wakeAt);
    last = report(targets);
    step(at);
  }
  for (let rounds = 0; wakeAt !== null; rounds += 1) {
    expect(rounds).toBeLessThan(20);
    step(wakeAt);
  }
  return shown;
}

describe('notifications', () => {
  test('nothing happened: none, also not for what was there at the start', () => {
    expect(play([0, [back(1), { ...blocked, name: 'b' }]], [10, [back(1), { ...blocked, name: 'b' }]])).toEqual([]);
  });

  test('a re-attachment, with the target and the time in its title', () => {
    expect(play([0, [back(1)]], [1000, [waiting]], [1200, [back(2)]])).toEqual([
      [1200 + QUIET_MS, { title: 'api: debugger back in 0.14 s', message: 'worker 43 after a reload' }],
    ]);
  });

  test('a burst is one, and one that does not end is told after a while', () => {
    const at = [0, 100, 300, 600];
    expect(play(...at.map((time, n) => [time, [back(n + 1)]] as const))).toEqual([
      [600 + QUIET_MS, { title: 'api: debugger back in 0.14 s', message: 'worker 43 after a reload (3 times)' }],
    ]);
    const many = Array.from({ length: 30 }, (_, n) => [n * 500, [back(n + 1)]] as const);
    const shown = play(...many);
    expect(shown.length).toBeGreaterThan(1);
    expect(shown.length).toBeLessThan(6);
    expect(shown[0]?.[0]).toBeLessThanOrEqual(500 + BURST_MS);
  });

  test('several targets share one', () => {
    const web = { name: 'web' };
    expect(
      play([0, [back(1), back(1, web)]], [10, [back(2), back(1, web)]], [20, [back(2), back(2, web)]]),
    ).toMatchObject([[20 + QUIET_MS, { title: 'api, web: debugger back in 0.14 s' }]]);
  });

  test('a blocked target, once; it is worse than anything else', () => {
    expect(
      play([0, [back(1), back(1, { name: 'b' })]], [10, [blocked, back(2, { name: 'b' })]], [5000, [blocked]]),
    ).toEqual([[10 + QUIET_MS, { title: 'api: blocked', message: 'no right to enter' }]]);
  });

  test('a worker that is not replaced crashed, once', () => {
    expect(play([0, [attached]], [1000, [waiting]], [9000, [waiting]], [20_000, [waiting]])).toEqual([
      [1000 + GONE_MS + QUIET_MS, { title: 'api: worker crashed', message: waiting.message }],
    ]);
  });

  test('a crash that was followed by another worker', () => {
    const crash = back(2, {
      reattach: { count: 2, last: { at: 0, ms: 300, seenMs: 1, reason: 'crash' }, history: [] },
    });
    expect(play([0, [attached]], [1000, [waiting]], [1300, [crash]])).toMatchObject([
      [1300 + QUIET_MS, { title: 'api: debugger back in 0.30 s', message: 'worker 43 after a crash' }],
    ]);
  });

  test('a container that was stopped is no crash', () => {
    expect(play([0, [attached]], [1000, [{ ...waiting, processes: [] }]])).toEqual([]);
  });

  describe('a pause that others will end', () => {
    const text = 'liveness probe by exec fails: the container is restarted after 21 s';
    const paused = (since: number, seconds: number): TargetReport => ({
      ...attached,
      phase: 'stopped',
      stoppedAt: 'app.py:3',
      pause: { since, until: since + seconds * 1000, limits: [text] },
    });
    const soon: Notification = { title: 'api: 10 s left', message: `Continue: ${text}` };
    const over: Notification = { title: 'api: paused for too long', message: text };

    test('is warned of in the last seconds, and told of when it lasted', () => {
      const shown = play([0, [attached]], [500, [paused(500, 21)]], [600, [paused(500, 21)]]);
      expect(shown).toEqual([
        [11_500, soon],
        [21_500, over],
      ]);
    });

    test('and goes on in time: nothing', () => {
      expect(play([0, [attached]], [500, [paused(500, 21)]], [11_000, [attached]])).toEqual([]);
    });

    test('each pause anew, and a short one at once', () => {
      const shown = play([0, [paused(0, 5)]], [1_000, [attached]], [2_000, [paused(2_000, 5)]], [3_000, [attached]]);
      expect(shown).toEqual([
        [0, { ...soon, title: 'api: 5 s left' }],
        [2_000, { ...soon, title: 'api: 5 s left' }],
      ]);
    });
  });
});
