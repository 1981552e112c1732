import { describe, expect, it } from 'vitest';
import {
  goesOn,
  pauseBudget,
  pauseReport,
  RUNS,
  stops,
  whilePausedParams,
  type PauseFacts,
} from '../../../src/core/pause-budget.ts';
import type { Probe, WhilePaused } from '../../../src/core/types.ts';

const ANSWER: WhilePaused = { probes: 'answer', readiness: 'answer' };
const FAIL: WhilePaused = { probes: 'answer', readiness: 'fail' };
const WARN: WhilePaused = { probes: 'warn', readiness: 'answer' };

function probe(kind: Probe['kind'], by: Probe['by'], more: Partial<Probe> = {}): Probe {
  const port = by === 'exec' ? null : 8000;
  const path = by === 'http' || by === 'https' ? '/healthz' : null;
  return { kind, by, port, path, periodSeconds: 10, timeoutSeconds: 1, failureThreshold: 3, ...more };
}

describe('what the worker is told to do', () => {
  const http = (path: string, status: number) => ({ port: 8000, path, status });
  it.each([
    ['no probes known', undefined, ANSWER, undefined],
    ['no probes', [], ANSWER, undefined],
    ['liveness', [probe('liveness', 'http')], ANSWER, { probes: [http('/healthz', 200)] }],
    ['warn only', [probe('liveness', 'http')], WARN, undefined],
    ['startup', [probe('startup', 'http', { path: '/up' })], FAIL, { probes: [http('/up', 200)] }],
    ['readiness answered', [probe('readiness', 'http')], ANSWER, { probes: [http('/healthz', 200)] }],
    ['readiness fails', [probe('readiness', 'http')], FAIL, { probes: [http('/healthz', 503)] }],
    [
      'one path for both',
      [probe('liveness', 'http'), probe('readiness', 'http')],
      FAIL,
      { probes: [http('/healthz', 200)] },
    ],
    [
      'one path for both, the other way round',
      [probe('readiness', 'http'), probe('liveness', 'http')],
      FAIL,
      { probes: [http('/healthz', 200)] },
    ],
    ['a path as some write it', [probe('liveness', 'http', { path: 'up' })], ANSWER, { probes: [http('/up', 200)] }],
    [
      'TCP: the queue stays empty',
      [probe('liveness', 'tcp'), probe('readiness', 'tcp')],
      ANSWER,
      { probes: [], ports: [8000] },
    ],
    [
      'what cannot be answered',
      [probe('liveness', 'exec'), probe('liveness', 'https'), probe('liveness', 'grpc')],
      ANSWER,
      undefined,
    ],
    ['a named port that no container has', [probe('liveness', 'http', { port: null })], ANSWER, undefined],
  ] as const)('%s', (_name, probes, settings, told) => {
    expect(whilePausedParams(probes, settings)).toEqual(told);
  });
});

describe('the budget', () => {
  const facts: PauseFacts = { probes: [], timeLimits: [], settings: ANSWER, cmdlines: [], inside: true };
  const restarted = 'fails: the container is restarted after';
  it.each<[string, Partial<PauseFacts>, ReturnType<typeof pauseBudget>]>([
    ['nothing watches', {}, null],
    ['nothing is known', { probes: undefined, timeLimits: undefined }, null],
    [
      'HTTP is answered',
      { probes: [probe('liveness', 'http')] },
      { answered: ['liveness probe GET :8000/healthz'], limits: [], seconds: null },
    ],
    [
      'HTTP is not answered: warn',
      { probes: [probe('liveness', 'http')], settings: WARN },
      { answered: [], limits: [`liveness probe GET :8000/healthz ${restarted} 21 s`], seconds: 21 },
    ],
    [
      'HTTP is not answered: a debugpy of the app itself',
      { probes: [probe('liveness', 'http')], inside: false },
      { answered: [], limits: [`liveness probe GET :8000/healthz ${restarted} 21 s`], seconds: 21 },
    ],
    [
      'exec, TLS and gRPC are not, the soonest counts',
      {
        probes: [
          probe('liveness', 'exec'),
          probe('startup', 'https', { failureThreshold: 30 }),
          probe('liveness', 'grpc', { periodSeconds: 2, timeoutSeconds: 5 }),
        ],
      },
      {
        answered: [],
        limits: [
          `liveness probe by gRPC :8000 ${restarted} 9 s`,
          `liveness probe by exec ${restarted} 21 s`,
          `startup probe by TLS :8000 ${restarted} 291 s`,
        ],
        seconds: 9,
      },
    ],
    [
      'TCP is answered by the kernel, whatever is set',
      { probes: [probe('liveness', 'tcp')], settings: WARN, inside: false },
      { answered: ['liveness probe by TCP :8000'], limits: [], seconds: null },
    ],
    [
      'readiness ends nothing',
      { probes: [probe('readiness', 'exec')] },
      { answered: [], limits: ['readiness probe by exec fails: the pod leaves its service after 21 s'], seconds: null },
    ],
    [
      'readiness as one wants it',
      { probes: [probe('readiness', 'http')], settings: FAIL },
      {
        answered: [],
        limits: ['readiness probe GET :8000/healthz is told 503: the pod leaves its service'],
        seconds: null,
      },
    ],
    [
      'readiness that asks what liveness asks',
      { probes: [probe('liveness', 'http'), probe('readiness', 'http')], settings: FAIL },
      {
        answered: ['liveness probe GET :8000/healthz', 'readiness probe GET :8000/healthz'],
        limits: [],
        seconds: null,
      },
    ],
    [
      "Knative's limits",
      { timeLimits: [{ what: "the revision's timeoutSeconds ends the request", seconds: 300 }] },
      { answered: [], limits: ["the revision's timeoutSeconds ends the request after 300 s"], seconds: 300 },
    ],
    [
      'gunicorn, its heartbeat goes on',
      { cmdlines: [['/v/python', '/v/bin/gunicorn', '--timeout', '9', 'app:app']] },
      null,
    ],
    [
      'gunicorn without us',
      { cmdlines: [['/v/python', '/v/bin/gunicorn', '-t', '9', 'app:app']], inside: false },
      { answered: [], limits: ['gunicorn --timeout kills the worker after 9 s'], seconds: 9 },
    ],
    [
      'gunicorn without us, as it comes',
      { cmdlines: [['gunicorn', 'app:app']], inside: false },
      { answered: [], limits: ['gunicorn --timeout kills the worker after 30 s'], seconds: 30 },
    ],
    ['gunicorn without a timeout', { cmdlines: [['gunicorn', '--timeout=0', 'app:app']], inside: false }, null],
    ['uvicorn, one worker', { cmdlines: [['uvicorn', 'app:app']], inside: false }, null],
    [
      'uvicorn, several workers, without us',
      { cmdlines: [['python', '/v/bin/uvicorn', 'app:app', '--workers', '2']], inside: false },
      { answered: [], limits: ['uvicorn kills a worker that answers no ping after 5 s'], seconds: 5 },
    ],
    [
      'celery',
      {
        cmdlines: [
          ['python', '-m', 'x'],
          ['/v/bin/celery', '-A', 'tasks', 'worker', '--time-limit=60', '--soft-time-limit', '30'],
        ],
      },
      {
        answered: [],
        limits: [
          'celery --soft-time-limit interrupts the task after 30 s',
          'celery --time-limit kills the worker after 60 s',
        ],
        seconds: 30,
      },
    ],
  ])('%s', (_name, more, budget) => {
    expect(pauseBudget({ ...facts, ...more })).toEqual(budget);
  });

  it('counts from the stop', () => {
    const budget = { answered: [], limits: ['x after 21 s'], seconds: 21 };
    expect(pauseReport(budget, 1_000)).toEqual({ since: 1_000, until: 22_000, limits: ['x after 21 s'] });
    expect(pauseReport(null, 1_000)).toEqual({ since: 1_000, until: null, limits: [] });
  });
});

describe('since when', () => {
  it('steps go on with the same pause, a run that lasts ends it', () => {
    const first = stops(RUNS, 5_000);
    expect(first).toEqual({ since: 5_000, runsSince: null });
    expect(stops(goesOn(first, 6_000), 6_002)).toEqual({ since: 5_000, runsSince: null });
    expect(stops(goesOn(goesOn(first, 6_000), 6_900), 7_000)).toEqual({ since: 7_000, runsSince: null });
  });
});
