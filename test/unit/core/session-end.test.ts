import { describe, expect, it } from 'vitest';
import { sessionEnd } from '../../../src/core/session-end.ts';
import type { Observation } from '../../../src/core/observation.ts';
import { INITIAL_STATE, observe } from '../../../src/core/state.ts';
import type { Replica } from '../../../src/core/types.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { CONFIG, HELLO, pythonProcess, REPLICA } from './facts.ts';

const WORKER = pythonProcess(7);
const error = new DebugwandError({ code: 'agent-lost', message: 'cut', fix: 'none' });
const seen = (...replicas: readonly Replica[]): Observation => ({
  type: 'snapshot',
  snapshot: { replicas, waitingFor: null, error: null },
});
const shown = (...processes: Extract<Observation, { type: 'processes' }>['processes']): Observation => ({
  type: 'processes',
  processes,
  changed: true,
});

describe('the end of a session is named as far as it is known', () => {
  it.each<[string, readonly Observation[], string, boolean]>([
    ['it exited', [{ type: 'exited', exit: WORKER }], 'worker 7 exited', true],
    ['it is off the list', [shown(pythonProcess(8))], 'worker 7 exited', true],
    ['it was entered again', [{ type: 'reenter' }], 'the debugger left worker 7', false],
    ['its connection broke', [{ type: 'left', ...WORKER, why: 'cut' }], 'the debugger left worker 7', false],
    ['it became another program', [shown({ ...WORKER, execId: '2' })], 'worker 7 became another program', false],
    ['the agent was lost', [{ type: 'agent-lost', error }], 'the connection to worker 7 was lost', false],
    [
      'the container was started again',
      [seen({ ...REPLICA, startedAt: 't2' }), { type: 'following', replicas: [{ ...REPLICA, startedAt: 't2' }] }],
      'worker 7 ended with api',
      true,
    ],
    [
      'the container stopped',
      [seen({ ...REPLICA, state: 'stopped' }), { type: 'following', replicas: [] }],
      'worker 7 ended with api',
      true,
    ],
    ['the container is gone', [seen(), { type: 'following', replicas: [] }], 'worker 7: api is gone', true],
    [
      'another container was preferred',
      [seen({ ...REPLICA, id: 'c2' }, REPLICA), { type: 'following', replicas: [{ ...REPLICA, id: 'c2' }] }],
      'left worker 7',
      false,
    ],
  ])('%s', (_name, observations, text, ended) => {
    const state = [
      seen(REPLICA),
      { type: 'following', replicas: [REPLICA] } as const,
      { type: 'agent-ready', hello: HELLO } as const,
      shown(WORKER),
      ...observations,
    ].reduce((before, one) => observe(before, one, CONFIG, 1_000), INITIAL_STATE);
    expect(sessionEnd(state, WORKER, REPLICA, 1_000)).toEqual({ text, ended });
  });

  it('another worker was chosen', () => {
    const config = { ...CONFIG, process: { match: 'other' } };
    const other = pythonProcess(8, { cmdline: ['python', 'other.py'] });
    const state = [
      seen(REPLICA),
      { type: 'following', replicas: [REPLICA] } as const,
      { type: 'agent-ready', hello: HELLO } as const,
      shown(WORKER, other),
    ].reduce((before, one) => observe(before, one, config, 1_000), INITIAL_STATE);
    expect(sessionEnd(state, WORKER, REPLICA, 1_000)).toEqual({ text: 'left worker 7 for worker 8', ended: false });
  });
});
