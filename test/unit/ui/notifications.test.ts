import { describe, expect, test } from 'vitest';
import type { TargetReport, WorkerEndReport } from '../../../src/core/status.ts';
import type { NotifyKind } from '../../../src/core/types.ts';
import type { Notification } from '../../../src/ui/notification-text.ts';
import { advance, BURST_MS, GONE_MS, QUIET, QUIET_MS, SPACE_MS } from '../../../src/ui/notifications.ts';
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

type Step = readonly [at: number, targets: readonly TargetReport[]];

/** What is shown when, from reports at their times (ms); the machine is asked again whenever it wants to be. */
function play(...steps: readonly Step[]): [number, Notification][] {
  return playAs(() => true, ...steps);
}

function playAs(
  wants: (target: string, kind: NotifyKind) => boolean,
  ...steps: readonly Step[]
): [number, Notification][] {
  const shown: [number, Notification][] = [];
  let state = QUIET;
  let wakeAt: number | null = null;
  let last = report([]);
  const step = (at: number): void => {
    const next = advance(state, last, at, wants);
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
      [
        1200 + QUIET_MS,
        { kind: 'reattached', title: 'api: debugger back in 0.14 s', message: 'worker 43 after a reload' },
      ],
    ]);
  });

  test('a burst is one, and one that does not end is told after a while', () => {
    const at = [0, 100, 300, 600];
    expect(play(...at.map((time, n) => [time, [back(n + 1)]] as const))).toEqual([
      [
        600 + QUIET_MS,
        { kind: 'reattached', title: 'api: debugger back in 0.14 s', message: 'worker 43 after a reload (3 times)' },
      ],
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
    ).toEqual([
      [10 + QUIET_MS, { kind: 'blocked', title: 'api: blocked', message: 'no right to enter. Fix: add SYS_PTRACE' }],
    ]);
  });

  test('a worker that is not replaced crashed, once', () => {
    expect(play([0, [attached]], [1000, [waiting]], [9000, [waiting]], [20_000, [waiting]])).toEqual([
      [1000 + GONE_MS + QUIET_MS, { kind: 'crashed', title: 'api: worker crashed', message: waiting.message }],
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

  const end: WorkerEndReport = {
    pid: 43,
    at: 1000,
    crashed: true,
    exception: 'ValueError: no such user',
    signal: null,
    reason: 'ValueError: no such user',
  };
  const crashed: Notification = {
    kind: 'crashed',
    title: 'api: worker crashed',
    message: 'ValueError: no such user (worker 43)',
  };

  test('a crash of which the reason is known is told at once, and once', () => {
    const gone = { ...waiting, lastEnd: end };
    expect(play([0, [attached]], [1000, [gone]], [9000, [gone]], [20_000, [{ ...attached, lastEnd: end }]])).toEqual([
      [1000 + QUIET_MS, crashed],
    ]);
  });

  test('the next one counts, also by the same pid: in a container it is the same at every start', () => {
    const again = { ...end, at: 60_000 };
    expect(
      play([0, [attached]], [1000, [{ ...attached, lastEnd: end }]], [60_000, [{ ...attached, lastEnd: again }]]),
    ).toEqual([
      [1000 + QUIET_MS, crashed],
      [60_000 + QUIET_MS, crashed],
    ]);
  });

  test('its reason may come after its end', () => {
    const unknown = { ...end, crashed: false, exception: null, reason: null };
    const shown = play(
      [0, [attached]],
      [1000, [{ ...waiting, lastEnd: unknown }]],
      [1100, [{ ...waiting, lastEnd: end }]],
    );
    expect(shown).toEqual([[1100 + QUIET_MS, crashed]]);
  });

  test('a crash and the next worker are one', () => {
    const next = back(2, {
      lastEnd: { ...end, exception: null, signal: 'SIGSEGV', reason: 'SIGSEGV (segmentation fault)' },
      reattach: { count: 2, last: { at: 0, ms: 300, seenMs: 1, reason: 'crash' }, history: [] },
    });
    expect(play([0, [attached]], [1000, [next]])).toEqual([
      [1000 + QUIET_MS, { ...crashed, message: 'SIGSEGV (segmentation fault) (worker 43). Debugger back in 0.30 s' }],
    ]);
  });

  test('a reason that is known before the end is seen makes no second one', () => {
    const steps = [
      [0, [attached]],
      [1000, [{ ...attached, lastEnd: end }]],
      [1400, [{ ...waiting, lastEnd: end }]],
    ] as const;
    expect(play(...steps, [20_000, [{ ...waiting, lastEnd: end }]])).toEqual([[1000 + QUIET_MS, crashed]]);
  });

  test('a crash right after a re-attachment was not mended by that', () => {
    const crash = back(2, { lastEnd: end });
    expect(play([0, [back(1)]], [1000, [back(2)]], [1200, [crash]])).toEqual([[1200 + QUIET_MS, crashed]]);
  });

  test('an end that was none of a crash, or was there at the start: nothing', () => {
    const asked = { ...end, crashed: false, exception: null, signal: 'SIGTERM', reason: 'SIGTERM (terminated)' };
    expect(play([0, [attached]], [10, [{ ...attached, lastEnd: asked }]])).toEqual([]);
    expect(play([0, [{ ...attached, lastEnd: end }]], [10, [{ ...attached, lastEnd: end }]])).toEqual([]);
  });

  test('the next leaves the one before some time, but for what has seconds left', () => {
    const paused: TargetReport = {
      ...back(3),
      phase: 'stopped',
      pause: { since: 2000, until: 5000, limits: ['the end'] },
    };
    const times = (...steps: readonly Step[]): readonly number[] => play(...steps).map(([at]) => at);
    const first = 10 + QUIET_MS;
    expect(times([0, [back(1)]], [10, [back(2)]], [1000, [back(3)]])).toEqual([first, first + SPACE_MS]);
    expect(times([0, [back(1)]], [10, [back(2)]], [2000, [paused]])).toEqual([first, 2000, 5000]);
  });

  test.each<[NotifyKind, readonly string[]]>([
    ['reattached', ['api: blocked', 'api: 10 s left', 'api: paused for too long']],
    ['blocked', ['api: debugger back in 0.14 s', 'api: 10 s left', 'api: paused for too long']],
    ['paused', ['api: debugger back in 0.14 s', 'api: blocked']],
  ])('without those of the kind %s', (unwanted, titles) => {
    const paused = { ...back(2), pause: { since: 20_000, until: 40_000, limits: ['the end'] } };
    const shown = playAs(
      (target, kind) => target === 'api' && kind !== unwanted,
      [0, [back(1)]],
      [100, [back(2)]],
      [5000, [{ ...blocked, reattach: back(2).reattach }]],
      [20_000, [paused]],
    );
    expect(shown.map(([, { title }]) => title)).toEqual(titles);
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
    const soon: Notification = { kind: 'paused', title: 'api: 10 s left', message: `Continue: ${text}` };
    const over: Notification = { kind: 'paused', title: 'api: paused for too long', message: text };

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
