import { describe, expect, test } from 'vitest';
import type { Observation } from '../../../src/core/observation.ts';
import { plan } from '../../../src/core/plan.ts';
import { sessionEnd } from '../../../src/core/session-end.ts';
import { INITIAL_STATE, observe, type TargetState } from '../../../src/core/state.ts';
import type { ProcessInfo, Replica } from '../../../src/core/types.ts';
import { GOES_ON_MS, lastEnd } from '../../../src/core/worker-end.ts';
import { CONFIG, ENTERED, HELLO, pythonProcess, REPLICA } from './facts.ts';

const FIRST = pythonProcess(7);
const SECOND = pythonProcess(8);
const shown = (...processes: readonly ProcessInfo[]): Observation => ({ type: 'processes', processes, changed: true });
const raised = ({ pid, startTime }: ProcessInfo, text = 'ValueError: no such user'): Observation => ({
  type: 'raised',
  pid,
  startTime,
  text,
});
const exited = ({ pid, startTime }: ProcessInfo, signal: number | null = 0): Observation => ({
  type: 'exited',
  exit: { pid, startTime, signal },
});
const entered = (generation: number): Observation => ({ type: 'entered', generation, rung: 'exec', result: ENTERED });

/** Each a second after the other; the first worker was entered at 1000. */
function after(...observations: readonly Observation[]): TargetState {
  const start: readonly Observation[] = [
    { type: 'snapshot', snapshot: { replicas: [REPLICA], waitingFor: null, error: null } },
    { type: 'following', replicas: [REPLICA] },
    { type: 'agent-ready', hello: HELLO },
    shown(FIRST),
    entered(1),
  ];
  const begun = start.reduce((state, one) => observe(state, one, CONFIG, 1_000), INITIAL_STATE);
  return observations.reduce((state, one, index) => observe(state, one, CONFIG, 2_000 + index * 1_000), begun);
}

describe('the end of the last worker', () => {
  const none = { exception: null, signal: null, reason: null };
  const error = { exception: 'ValueError: no such user', signal: null, reason: 'ValueError: no such user' };
  test.each<[string, readonly Observation[], object | null]>([
    ['it lives', [], null],
    ['nobody knows how', [exited(FIRST, null)], { pid: 7, at: 2_000, crashed: false, ...none }],
    ['by itself', [exited(FIRST)], { pid: 7, at: 2_000, crashed: false, ...none }],
    [
      'asked to',
      [exited(FIRST, 15)],
      { pid: 7, at: 2_000, crashed: false, exception: null, signal: 'SIGTERM', reason: 'SIGTERM (terminated)' },
    ],
    [
      'by its own fault',
      [exited(FIRST, 11)],
      { pid: 7, at: 2_000, crashed: true, exception: null, signal: 'SIGSEGV', reason: 'SIGSEGV (segmentation fault)' },
    ],
    [
      'for want of memory, as the kernel counted',
      [{ type: 'exited', exit: { pid: 7, startTime: 700, signal: 9, oom: true } }],
      {
        pid: 7,
        at: 2_000,
        crashed: true,
        exception: null,
        signal: 'SIGKILL',
        reason: 'SIGKILL (killed by the system: out of memory)',
      },
    ],
    [
      'by SIGKILL, and nobody knows of whom',
      [exited(FIRST, 9)],
      {
        pid: 7,
        at: 2_000,
        crashed: true,
        exception: null,
        signal: 'SIGKILL',
        reason: 'SIGKILL (killed: by somebody, or for want of memory)',
      },
    ],
    [
      'by a signal without a name',
      [exited(FIRST, 40)],
      { pid: 7, at: 2_000, crashed: false, exception: null, signal: 'signal 40', reason: 'signal 40 (killed)' },
    ],
    [
      'by an exception, of which it told',
      [raised(FIRST), exited(FIRST)],
      { pid: 7, at: 2_000, crashed: true, ...error },
    ],
    ['… before its end was seen', [raised(FIRST)], { pid: 7, at: 2_000, crashed: true, ...error }],
    ['… and after that', [exited(FIRST), raised(FIRST)], { pid: 7, at: 2_000, crashed: true, ...error }],
    [
      'another process told of an exception',
      [raised(SECOND), exited(FIRST)],
      { pid: 7, at: 2_000 + 1_000, crashed: false, ...none },
    ],
    [
      'its successor ended since, by itself',
      [raised(FIRST), exited(FIRST), shown(SECOND), entered(2), exited(SECOND)],
      { pid: 8, at: 6_000, crashed: false, ...none },
    ],
    [
      'its successor is about to end by an exception',
      [exited(FIRST, 11), shown(SECOND), entered(2), raised(SECOND)],
      { pid: 8, at: 5_000, crashed: true, ...error },
    ],
    [
      'its successor was never entered',
      [exited(FIRST, 11), shown(SECOND), exited(SECOND)],
      { pid: 7, at: 2_000, crashed: true, exception: null, signal: 'SIGSEGV', reason: 'SIGSEGV (segmentation fault)' },
    ],
  ])('%s', (_name, observations, end) => {
    expect(lastEnd(after(...observations), 9_000)).toEqual(end);
  });

  test('is what the session, the status line and the reason of the next re-attachment say', () => {
    const gone = after(raised(FIRST), exited(FIRST), shown());
    expect(sessionEnd(gone, FIRST, REPLICA, 9_000)).toEqual({
      text: 'worker 7 crashed: ValueError: no such user',
      ended: true,
    });
    expect(plan(CONFIG, gone, { helperAvailable: false }, 9_000).message).toMatch(
      /^worker 7 ended: ValueError: no such user, waiting for the next one/,
    );
    const next = observe(gone, shown(SECOND), CONFIG, 9_000);
    expect(next.worker?.cause).toBe('crash');
  });

  test('that was asked for is not dwelt on', () => {
    const gone = after(exited(FIRST, 15), shown());
    expect(sessionEnd(gone, FIRST, REPLICA, 9_000).text).toBe('worker 7 exited');
    expect(plan(CONFIG, gone, { helperAvailable: false }, 9_000).message).toMatch(/^worker 7 ended, waiting/);
  });
});

describe('a worker that is killed after its command was told to end', () => {
  const seen = (...replicas: readonly Replica[]): Observation => ({
    type: 'snapshot',
    snapshot: { replicas, waitingFor: null, error: null },
  });
  const told = seen({ ...REPLICA, toldToEnd: true });
  const again = seen({ ...REPLICA, startedAt: 't2' });
  const crash = { pid: 7, crashed: true, reason: 'SIGKILL (killed: by somebody, or for want of memory)' };
  const none = { pid: 7, crashed: false, reason: 'SIGKILL (killed as it was told to end)' };
  const oom: Observation = { type: 'exited', exit: { pid: 7, startTime: 700, signal: 9, oom: true } };

  test.each<[string, readonly Observation[], ms: number, object]>([
    ['just now', [told, exited(FIRST, 9)], 0, none],
    ['and the command has ended', [told, exited(FIRST, 9), seen()], 60_000, none],
    ['and the command was started again', [told, exited(FIRST, 9), again], 60_000, none],
    ['and the command goes on', [told, exited(FIRST, 9)], GOES_ON_MS, crash],
    ['and was told to end only afterwards', [exited(FIRST, 9), told], 0, crash],
    ['and the command was told in a former run', [told, seen(REPLICA), exited(FIRST, 9)], 0, crash],
    ['by a fault of its own', [told, exited(FIRST, 11)], 0, { crashed: true, signal: 'SIGSEGV' }],
    ['for want of memory', [told, oom], 0, { crashed: true, signal: 'SIGKILL' }],
    ['by an exception', [told, raised(FIRST), exited(FIRST, 9)], 0, { crashed: true, signal: 'SIGKILL' }],
  ])('%s', (_name, observations, ms, end) => {
    const state = after(...observations);
    expect(lastEnd(state, (state.ends[0]?.at ?? 0) + ms)).toMatchObject(end);
  });

  test('is looked at again when that is known, and the session is told of no crash', () => {
    const state = after(told, exited(FIRST, 9), shown());
    const at = state.ends[0]?.at ?? 0;
    const wakeAt = (now: number): number | null => plan(CONFIG, state, { helperAvailable: false }, now).wakeAt;
    expect(wakeAt(at)).toBe(at + GOES_ON_MS);
    expect(wakeAt(at + GOES_ON_MS)).toBeNull();
    expect(sessionEnd(state, FIRST, REPLICA, at).text).toBe('worker 7 exited');
  });
});
