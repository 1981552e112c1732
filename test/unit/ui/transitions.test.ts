import { expect, test } from 'vitest';
import type { StatusReport, TargetReport, WorkerSlotReport } from '../../../src/core/status.ts';
import { jsonLine, plainLine } from '../../../src/ui/plain.ts';
import { transitions } from '../../../src/ui/transitions.ts';
import { attached, report, waiting, worker } from '../../support/reports.ts';

const style = { color: false, unicode: true, width: 80 };
const error = { code: 'docker-unreachable', message: 'Docker does not answer', fix: 'start it' };
const back: TargetReport = {
  ...attached,
  worker: { ...worker, pid: 44 },
  reattach: { count: 2, last: { at: 0, ms: 210, seenMs: 80, reason: 'reload' }, history: [] },
};

const crash = {
  pid: 43,
  at: 0,
  crashed: true,
  exception: 'ValueError: x',
  signal: null,
  reason: 'ValueError: x',
} as const;

const LIMIT = 'liveness probe by exec fails: the container is restarted after 21 s';
const ANSWERED = "answered in the app's place: readiness probe GET :8000/ready";
const safe = { answered: ['readiness probe GET :8000/ready'], limits: [], seconds: null };
const budget = { ...safe, limits: [LIMIT], seconds: 21 };
const attachedFirst: TargetReport = { ...attached, reattach: { count: 0, last: null, history: [] } };

const forward = {
  localPort: 8000,
  remotePort: 'http',
  state: 'ready',
  message: 'to web-1/app',
  connections: 0,
} as const;
const taken = { ...forward, state: 'blocked', message: 'port 8000 is taken by process 7' } as const;
const away = { ...forward, state: 'waiting', message: 'nothing runs yet' } as const;
const withForward = (...forwards: TargetReport['forwards']): TargetReport => ({ ...attached, forwards });

const row = (pid: number, stoppedAt: string | null): WorkerSlotReport => ({
  slot: pid - 43,
  pid,
  replica: 'api',
  generation: 1,
  phase: stoppedAt === null ? 'attached' : 'stopped',
  session: true,
  stoppedAt,
  reattach: { count: 0, last: null },
  message: '',
});

const cases: readonly (readonly [
  what: string,
  before: TargetReport | null,
  after: TargetReport,
  said: readonly string[],
])[] = [
  ['a new target', null, waiting, ['info port 5679, waiting: worker 43 ended, waiting for the next one']],
  ['nothing', attached, attached, []],
  ['figures', attached, { ...attached, worker: { ...worker, cpuPercent: 90 } }, []],
  ['a worker gone', attached, waiting, ['info waiting: worker 43 ended, waiting for the next one']],
  [
    'the first worker, awaited by an editor',
    { ...waiting, editor: attached.editor },
    { ...attachedFirst, worker: { ...worker, generation: 1 } },
    [`info attached: ${attached.message}`],
  ],
  ['the debugger back', waiting, back, ['info attached to worker 44 0.21 s after its start (reload)']],
  [
    'a crash',
    attached,
    { ...waiting, message: 'worker 43 ended: ValueError: x, waiting for the next one', lastEnd: crash },
    [
      'warn worker 43 crashed: ValueError: x',
      'debug waiting: worker 43 ended: ValueError: x, waiting for the next one',
    ],
  ],
  [
    'a crash whose reason is known at last',
    { ...waiting, lastEnd: { ...crash, crashed: false, exception: null, reason: null } },
    { ...waiting, lastEnd: crash },
    ['warn worker 43 crashed: ValueError: x'],
  ],
  ['the same crash', { ...waiting, lastEnd: crash }, { ...waiting, lastEnd: crash }, []],
  [
    'the next crash by the same pid',
    { ...attached, lastEnd: crash },
    { ...attached, lastEnd: { ...crash, at: 60_000 } },
    ['warn worker 43 crashed: ValueError: x'],
  ],
  ['an end without a crash', attached, { ...attached, lastEnd: { ...crash, crashed: false } }, []],
  ['a number that counts', waiting, { ...waiting, message: waiting.message.replace('43', '44') }, []],
  [
    'another wait',
    waiting,
    { ...waiting, message: 'container api is stopped' },
    ['info waiting: container api is stopped'],
  ],
  ['entering', waiting, { ...waiting, phase: 'entering', message: 'entering worker 44' }, ['info entering worker 44']],
  [
    'an error',
    waiting,
    { ...waiting, phase: 'blocked', message: error.message, error },
    ['error Docker does not answer\nfix: start it'],
  ],
  ['the same error', { ...waiting, phase: 'blocked', error }, { ...waiting, phase: 'blocked', error }, []],
  [
    'an error gone',
    { ...waiting, phase: 'blocked', error },
    waiting,
    ['info waiting: worker 43 ended, waiting for the next one'],
  ],
  ['a new forward', attached, withForward(away), ['info 127.0.0.1:8000 is port http there']],
  ['connections', withForward(forward), withForward({ ...forward, connections: 9 }), []],
  ['an app that is away', withForward(forward), withForward(away), ['debug 127.0.0.1:8000 waiting: nothing runs yet']],
  [
    'a forward that cannot be had',
    withForward(away),
    withForward(taken),
    ['warn 127.0.0.1:8000 is not forwarded: port 8000 is taken by process 7'],
  ],
  ['the same one', withForward(taken), withForward(taken), []],
  ['it can be had', withForward(taken), withForward(forward), ['info 127.0.0.1:8000 is port http there']],
  ['an editor', { ...attached, editor: { connected: false, client: null } }, attached, ['info VS Code attached']],
  ['no editor', attached, { ...attached, editor: { connected: false, client: null } }, ['info VS Code left']],
  ['a stop', attached, { ...attached, phase: 'stopped', stoppedAt: 'app.py:3' }, ['info stopped at app.py:3']],
  [
    'a stop of several, the last of which stopped by itself',
    { ...attached, workers: [row(43, null), row(44, null)] },
    {
      ...attached,
      phase: 'stopped',
      stoppedAt: 'app.py:3',
      workers: [{ ...row(43, 'a pause'), stoppedAlong: true }, row(44, 'app.py:3')],
    },
    ['info worker 44 stopped at app.py:3'],
  ],
  [
    'what a pause costs',
    attachedFirst,
    { ...attachedFirst, pauseBudget: budget },
    [`warn while paused: ${LIMIT}; ${ANSWERED}`],
  ],
  ['nothing to fear', attachedFirst, { ...attachedFirst, pauseBudget: safe }, [`info while paused: ${ANSWERED}`]],
  ['the same after a reload', attached, { ...attached, pauseBudget: budget }, []],
  [
    'other probes',
    { ...attached, pauseBudget: safe },
    { ...attached, pauseBudget: budget },
    [`warn while paused: ${LIMIT}; ${ANSWERED}`],
  ],
  [
    'a stop that will be ended',
    attached,
    { ...attached, phase: 'stopped', stoppedAt: 'app.py:3', pause: { since: 0, until: 21_000, limits: [LIMIT] } },
    [`warn stopped at app.py:3; ${LIMIT}`],
  ],
  ['it goes on', { ...attached, phase: 'stopped', stoppedAt: 'app.py:3' }, attached, ['debug runs again']],
];
test.each(cases)('%s', (_what, before, after, said) => {
  const lines = transitions(before === null ? null : report([before]), report([after]));
  expect(lines.map(({ level, text }) => `${level} ${text}`)).toEqual(said);
  expect(lines.every(({ target }) => target === 'api')).toBe(true);
});

test('targets that go, and a config that is bad until it is mended', () => {
  const configError = { code: 'config-invalid', message: 'bad', fix: 'mend it' };
  const says = (before: StatusReport, after: StatusReport): string[] =>
    transitions(before, after).map(({ text }) => text);
  expect(says(report([attached]), report([]))).toEqual(['no longer in the config']);
  expect(says(report([]), report([], { configError }))).toEqual([
    'the config on disk is not used, the last good one stays\nbad\nfix: mend it',
  ]);
  expect(says(report([], { configError }), report([], { configError }))).toEqual([]);
});

test('lines for people and for programs', () => {
  const at = new Date(2026, 0, 31, 9, 5, 7, 12).getTime();
  const entry = { level: 'warn', at, text: 'api: one\ntwo\u001B[2J' } as const;
  expect(plainLine(entry, style)).toBe('09:05:07.012 warn  api: one\n    two␛[2J');
  expect(plainLine(entry, { ...style, color: true })).toContain('\u001B[33mwarn \u001B[0m');
  const [transition] = transitions(report([waiting]), report([back]));
  expect(JSON.parse(jsonLine({ level: 'info', at, text: 'x' }, transition ?? null))).toEqual({
    time: new Date(at).toISOString(),
    level: 'info',
    event: 'reattach',
    target: 'api',
    text: 'attached to worker 44 0.21 s after its start (reload)',
    ms: 210,
    seenMs: 80,
    reason: 'reload',
    pid: 44,
  });
  expect(JSON.parse(jsonLine(entry, null))).toMatchObject({
    level: 'warn',
    event: 'log',
    target: null,
    text: entry.text,
  });
  expect(jsonLine(entry, null)).not.toContain('\n');
});
