import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { merge } from '../../../src/page/web/store.js';
import type {
  Phase,
  ProcessReport,
  ReattachReport,
  StatusReport,
  TargetReport,
  WorkerSlotReport,
} from '../../../src/core/status.ts';
import { HISTORY_MS, type Memory, news, NO_MEMORY, remember } from '../../../src/page/history.ts';
import { attached, report, waiting, worker } from '../../support/reports.ts';

const T = 1_000_000_000_000;
const HOUR = 3_600_000;

const PROCESS: ProcessReport = {
  pid: 43,
  ppid: 17,
  replica: 'api',
  role: 'worker',
  reason: 'it serves',
  chosen: true,
  cpuPercent: 0,
  rssBytes: 50_000_000,
  cpuSeconds: 0,
  python: '3.14',
  command: 'python app.py',
  startedAt: T,
};

/** The target's worker has used so much CPU time at that moment. */
function at(ms: number, cpuSeconds: number, process: Partial<ProcessReport> = {}): [StatusReport, number] {
  const one = { ...PROCESS, cpuSeconds, ...process };
  const target = { ...attached, processes: [one], processesAt: T + ms, worker: { ...worker, pid: one.pid } };
  return [report([target]), T + ms];
}

function told(...reports: readonly [StatusReport | Partial<TargetReport>, number][]): Memory {
  return reports.reduce((memory, [is, now]) => {
    const whole = 'version' in is ? is : report([{ ...attached, ...is }]);
    return remember(memory, whole, now);
  }, NO_MEMORY);
}

describe('the figures of the worker', () => {
  it.each([
    ['since its start', [at(2_000, 1)], [50]],
    ['no more often than every 5 s', [at(1_000, 1), at(5_999, 3)], [100]],
    ['since the sample before', [at(1_000, 1), at(6_000, 3)], [100, 40]],
    ['of one core, and more', [at(1_000, 1), at(6_000, 11)], [100, 200]],
    ['the same look twice', [at(1_000, 1), at(1_000, 1)], [100]],
    ['another worker, at once', [at(1_000, 1), at(2_500, 1, { pid: 44, startedAt: T + 1_500 })], [100, 100]],
    ['none of one that was just born', [at(1_000, 1), at(2_000, 0, { pid: 44, startedAt: T + 1_500 })], [100]],
    ['the same pid again', [at(9_000, 9), at(10_500, 0.2, { startedAt: T + 9_500 })], [100, 20]],
    ['a clock set back', [at(9_000, 9), at(8_000, 9)], [100]],
  ])('%s', (_what, reports, expected) => {
    const { history } = told(...reports);
    expect(history['api']?.samples.map(({ cpuPercent }) => cpuPercent)).toEqual(expected);
  });

  it('have a gap where no worker is, once', () => {
    const gone: [StatusReport, number] = [report([{ ...waiting, processesAt: T + 3_000 }]), T + 3_000];
    const { history } = told(at(1_000, 1), gone, gone, at(9_000, 1, { pid: 50, startedAt: T + 8_000 }));
    expect(history['api']?.samples.map(({ pid }) => pid)).toEqual([43, null, 50]);
  });
});

describe('stops', () => {
  const pause = { since: T, until: T + 21_000, limits: ['it is restarted after 21 s', 'more'] };
  const stopped = { phase: 'stopped' as const, stoppedAt: 'app.py:11 (breakpoint)', pause };
  const runs = { phase: 'attached' as const, stoppedAt: null, pause: null };

  it('last from their beginning to their end, with their budget', () => {
    const { history } = told([stopped, T + 5], [runs, T + 4_000]);
    expect(history['api']?.stops).toEqual([
      {
        at: T,
        to: T + 4_000,
        where: 'app.py:11 (breakpoint)',
        until: T + 21_000,
        limit: 'it is restarted after 21 s',
      },
    ]);
  });

  it('go on through steps', () => {
    const stepped = { ...stopped, stoppedAt: 'app.py:12 (step)' };
    const { history } = told([stopped, T], [runs, T + 100], [stepped, T + 110]);
    expect(history['api']?.stops).toMatchObject([{ at: T, to: null, where: 'app.py:12 (step)' }]);
  });

  it('are two when they are', () => {
    const later = { ...stopped, pause: { since: T + 9_000, until: null, limits: ['readiness probe fails'] } };
    const { history } = told([stopped, T], [later, T + 9_000]);
    expect(history['api']?.stops).toMatchObject([
      { at: T, to: T + 9_000 },
      { at: T + 9_000, to: null, until: null, limit: null },
    ]);
  });
});

test('what is older than some hours is forgotten, but for what still holds', () => {
  const memory = told([{ phase: 'waiting' }, T], at(0, 0), [{ phase: 'attached' }, T + HOUR], at(HISTORY_MS + HOUR, 1));
  const { spans = [], samples = [] } = memory.history['api'] ?? {};
  expect(spans.map((span) => span.phase)).toEqual(['attached']);
  expect(samples.map((sample) => sample.at)).toEqual([T + HISTORY_MS + HOUR]);
});

test('a target that is gone is forgotten', () => {
  expect(told(at(0, 0), [report([]), T + 1])).toEqual(NO_MEMORY);
});

function one(ms: number): ReattachReport {
  return { at: T + ms, ms: 100, seenMs: 50, reason: 'reload' };
}

function row(slot: number, last: ReattachReport | null): WorkerSlotReport {
  return {
    slot,
    pid: 43 + slot,
    replica: 'api',
    generation: 1,
    phase: 'attached',
    session: true,
    stoppedAt: null,
    reattach: { count: last === null ? 0 : 1, last },
    message: 'attached',
  };
}

describe('re-attaches', () => {
  /** The first session's history, and the last one of sessions 1, 2, … */
  const sessions = (
    first: readonly number[],
    ...further: readonly (number | null)[]
  ): [Partial<TargetReport>, number] => {
    const history = first.map(one);
    const last = history.at(-1) ?? null;
    const workers = [row(0, last), ...further.map((ms, i) => row(i + 1, ms === null ? null : one(ms)))];
    return [{ reattach: { count: history.length, last, history }, workers }, T + 60_000];
  };

  it.each<[string, [Partial<TargetReport>, number][], [number, number][]]>([
    [
      'of the first session, once each',
      [sessions([1, 5]), sessions([1, 5]), sessions([1, 5, 9])],
      [
        [0, 1],
        [0, 5],
        [0, 9],
      ],
    ],
    [
      'of every session, in their order',
      [sessions([5], 3, null)],
      [
        [1, 3],
        [0, 5],
      ],
    ],
    [
      'which may be told late',
      [sessions([5], null), sessions([5], 3)],
      [
        [0, 5],
        [1, 6],
      ],
    ],
    [
      'and in the same moment',
      [sessions([5], 5, 5)],
      [
        [0, 5],
        [1, 6],
        [2, 7],
      ],
    ],
    [
      'again',
      [sessions([5], 5), sessions([5], 5), sessions([5], 8)],
      [
        [0, 5],
        [1, 6],
        [1, 8],
      ],
    ],
    ['also of one that ended', [sessions([], 5), sessions([], null)], [[1, 5]]],
  ])('%s', (_what, reports, expected) => {
    const { reattaches = [] } = told(...reports).history['api'] ?? {};
    expect(reattaches.map(({ slot = 0, at: when }) => [slot, when - T])).toEqual(expected);
  });
});

/** Any life of some targets, a report after the other. */
const life = fc.array(
  fc.record({
    step: fc.integer({ min: 1, max: 40 * 60_000 }),
    names: fc.subarray(['api', 'web'], { minLength: 0 }),
    phase: fc.constantFrom<Phase>('waiting', 'entering', 'attached', 'stopped', 'blocked'),
    pid: fc.option(fc.integer({ min: 1, max: 3 })),
    cpuSeconds: fc.double({ min: 0, max: 100, noNaN: true }),
    stop: fc.option(fc.integer({ min: 0, max: 5_000 })),
    reattached: fc.boolean(),
    /** A further session, too. */
    further: fc.option(fc.integer({ min: 1, max: 2 })),
  }),
  { maxLength: 60 },
);

function* reports(steps: typeof life extends fc.Arbitrary<infer T> ? T : never): Generator<[StatusReport, number]> {
  let now = T;
  let known: readonly ReattachReport[] = [];
  const rows = new Map<number, WorkerSlotReport>();
  for (const { step, names, phase, pid, cpuSeconds, stop, reattached, further } of steps) {
    now += step;
    if (reattached) known = [...known, { at: now, ms: 100, seenMs: 50, reason: 'reload' as const }].slice(-50);
    if (further !== null) rows.set(further, row(further, one(now - T)));
    const reattach = { count: known.length, last: known.at(-1) ?? null, history: known };
    const targets = names.map((name): TargetReport => ({
      ...attached,
      name,
      phase,
      processesAt: now,
      processes: pid === null ? [] : [{ ...PROCESS, pid, cpuSeconds }],
      worker: pid === null ? null : { ...worker, pid },
      stoppedAt: stop === null ? null : `app.py:${String(stop)}`,
      pause: stop === null ? null : { since: now - stop, until: null, limits: [] },
      reattach,
      workers: [...rows.values()],
    }));
    yield [report(targets), now];
  }
}

test('a page that is told the news has what one has that is told everything', () => {
  fc.assert(
    fc.property(life, fc.integer({ min: 1, max: 5 }), (steps, every) => {
      let memory = NO_MEMORY;
      let before = memory.history;
      let page = memory.history;
      let count = 0;
      for (const [is, now] of reports(steps)) {
        memory = remember(memory, is, now);
        count += 1;
        if (count % every !== 0) continue;
        const told: unknown = JSON.parse(JSON.stringify(news(before, memory.history)));
        const names = is.targets.map(({ name }) => name);
        page = merge(page, told as typeof page, names, now - HISTORY_MS);
        before = memory.history;
        expect(page).toEqual(memory.history);
      }
    }),
  );
});

test('lists are in the order of time and bounded, whatever happens', () => {
  fc.assert(
    fc.property(life, (steps) => {
      let memory = NO_MEMORY;
      for (const [is, now] of reports(steps)) {
        memory = remember(memory, is, now);
        for (const { spans, stops, reattaches, samples } of Object.values(memory.history)) {
          for (const list of [spans, stops, reattaches, samples]) {
            const times = list.map((entry) => entry.at);
            expect(times).toEqual(times.toSorted((a, b) => a - b));
            expect(new Set(times).size).toBe(times.length);
          }
          expect(stops.slice(0, -1).every(({ to }) => to !== null)).toBe(true);
        }
      }
    }),
  );
});

test('days of reloads take no more memory than hours of them', () => {
  let memory = NO_MEMORY;
  let sizes = 0;
  for (let i = 0; i < 4_000; i += 1) {
    const now = T + i * 5_000;
    const stop = { since: now, until: null, limits: [] };
    const [is] = at(i * 5_000, i, { pid: 1 + (i % 2) });
    const [target] = is.targets;
    if (target === undefined) throw new Error('no target');
    const reattach = { at: now, ms: 1, seenMs: 1, reason: 'reload' as const };
    const whole = {
      ...target,
      phase: i % 2 === 0 ? ('stopped' as const) : ('attached' as const),
      stoppedAt: 'a',
      pause: stop,
      reattach: { count: i, last: reattach, history: [reattach] },
    };
    memory = remember(memory, report([whole]), now);
    const lists = memory.history['api'];
    if (lists === undefined) throw new Error('no history');
    const { spans, stops, reattaches, samples } = lists;
    sizes = [spans, stops, reattaches, samples].reduce((sum, list) => sum + list.length, 0);
  }
  expect(sizes).toBeLessThan(7_000);
});
