import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseIncoming, RESULTS } from '../../../src/agent/guards.ts';

const PROCESS = {
  pid: 43,
  ppid: 1,
  startTime: 1000,
  execId: '140721',
  ageMs: 12.5,
  cmdline: ['python3', 'app.py'],
  exe: '/usr/bin/python3.14',
  cwd: null,
  uid: 1000,
  state: 'S',
  threads: 3,
  cpuSeconds: 0.2,
  rssBytes: 1024,
  environ: { RUN_MAIN: 'true' },
  python: { version: '3.14.8', remoteDebug: 'on', freeThreaded: false, abi: 'cp314', libc: 'glibc', arch: 'x86_64' },
};
const EVENTS = [
  { event: 'hello', python: '3.8.18', pid: 9, uid: 0, gid: 0, capabilities: '00000000a80425fb' },
  { event: 'processes', changed: true, processes: [PROCESS, { ...PROCESS, environ: null, python: null, exe: null }] },
  { event: 'exited', pid: 43, startTime: 1000 },
  { event: 'raised', pid: 43, startTime: 1000, text: 'ValueError: x' },
  { event: 'left', pid: 43, startTime: 1000, why: 'the worker ended' },
  { event: 'output', run: 1, stream: 'stderr', text: 'x' },
  { event: 'channel-closed', channel: 2, why: '' },
] as const;

describe('parseIncoming', () => {
  test.each(EVENTS)('takes $event', (event) => {
    expect(parseIncoming(event)).toEqual({ type: 'event', event });
  });

  test('takes whether a worker ended, when that is said', () => {
    const event = { event: 'left', pid: 43, startTime: 1000, why: 'the worker ended', ended: true };
    expect(parseIncoming(event)).toEqual({ type: 'event', event });
    expect(parseIncoming({ ...event, ended: 'yes' })).toBeNull();
  });

  test('takes whether it was for want of memory, when that is said', () => {
    const event = { event: 'exited', pid: 43, startTime: 1000, signal: 9, oom: true };
    expect(parseIncoming(event)).toEqual({ type: 'event', event });
  });

  test('keeps no more of an exception than fits a line or two', () => {
    const parsed = parseIncoming({ event: 'raised', pid: 43, startTime: 1000, text: 'x'.repeat(10_000) });
    expect(parsed).toEqual({
      type: 'event',
      event: { event: 'raised', pid: 43, startTime: 1000, text: 'x'.repeat(500) },
    });
  });

  test.each(EVENTS)('refuses $event with any field missing or of another type', (event) => {
    for (const name of Object.keys(event)) {
      const without: Record<string, unknown> = { ...event };
      delete without[name];
      expect(parseIncoming(without)).toBeNull();
      expect(parseIncoming({ ...event, [name]: ['junk'] })).toBeNull();
    }
  });

  test.each(Object.keys(PROCESS))('refuses a process whose %s is junk', (name) => {
    const processes = [{ ...PROCESS, [name]: [0] }];
    expect(parseIncoming({ event: 'processes', changed: true, processes })).toBeNull();
  });

  test('takes answers and failures, and keeps only plain facts', () => {
    expect(parseIncoming({ id: 3, result: { any: 1 } })).toEqual({ type: 'answer', id: 3, result: { any: 1 } });
    const error = { code: 'denied', message: 'no', facts: { uid: 0, deep: { x: 1 }, yama: null } };
    expect(parseIncoming({ id: null, error })).toEqual({
      type: 'failure',
      id: null,
      error: { code: 'denied', message: 'no', facts: { uid: 0, yama: null } },
    });
    expect(parseIncoming({ id: 1, error: { code: 'no such code', message: 'x' } })).toBeNull();
  });

  test('never throws', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        parseIncoming(value);
        for (const parse of Object.values(RESULTS)) parse(value);
      }),
    );
  });
});

describe('RESULTS', () => {
  const entered = {
    port: 40000,
    python: '3.14.8',
    debugpy: '1.8.22',
    origin: 'ours',
    held: false,
    timings: { armed: 0.5, inside: 2, listening: 90 },
  };

  test('enter', () => {
    expect(RESULTS.enter(entered)).toEqual(entered);
    for (const name of Object.keys(entered)) expect(RESULTS.enter({ ...entered, [name]: [1] })).toBeNull();
  });

  test('run, upload and those that answer nothing', () => {
    expect(RESULTS.run({ exit: 1, exception: 'ValueError' })).toEqual({ exit: 1, exception: 'ValueError' });
    expect(RESULTS.run({ exit: '1', exception: null })).toBeNull();
    expect(RESULTS.upload({ path: '/tmp/x' })).toEqual({ path: '/tmp/x' });
    expect(RESULTS.upload({})).toBeNull();
    expect(RESULTS.ping({ more: 'than nothing' })).toEqual({});
    expect(RESULTS.ping(null)).toBeNull();
  });
});
