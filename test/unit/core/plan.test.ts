import { describe, expect, it } from 'vitest';
import { startFailure, workerUser } from '../../../src/core/ladder.ts';
import { plan, type Plan } from '../../../src/core/plan.ts';
import type { Observation } from '../../../src/core/observation.ts';
import { INITIAL_STATE, observe, proofOf, type TargetState } from '../../../src/core/state.ts';
import type { Replica, Rung } from '../../../src/core/types.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { agentError, CONFIG, ENTERED, HELLO, pythonProcess, REPLICA } from './facts.ts';

const NOW = 1_000_000;
const HELPER = { helperAvailable: true };

/** What was learnt of the container that is followed. */
function skipsOf(state: TargetState): ReturnType<typeof proofOf>['skips'] {
  const [place] = state.followed;
  return place === undefined ? [] : proofOf(state, place.replica).skips;
}

function after(observations: readonly Observation[], from: TargetState = INITIAL_STATE, now = NOW): TargetState {
  return observations.reduce((state, seen) => observe(state, seen, CONFIG, now), from);
}

function decide(state: TargetState, now = NOW, means = HELPER): Plan {
  return plan(CONFIG, state, means, now);
}

const kinds = (decision: Plan): string[] => decision.actions.map((action) => action.type);

const RUNNING: Observation = { type: 'snapshot', snapshot: { replicas: [REPLICA], waitingFor: null, error: null } };
const FOLLOWED: readonly Observation[] = [RUNNING, { type: 'following', replicas: [REPLICA] }];
const WATCHED: readonly Observation[] = [
  ...FOLLOWED,
  { type: 'agent-starting' },
  { type: 'agent-ready', hello: HELLO },
];
const WORKER = pythonProcess(7);
const SEEN: readonly Observation[] = [...WATCHED, { type: 'processes', processes: [WORKER], changed: true }];
const ENTERED_STATE: readonly Observation[] = [
  ...SEEN,
  { type: 'entering', generation: 1, rung: 'exec' },
  { type: 'entered', generation: 1, rung: 'exec', result: ENTERED },
];
const ATTACHED: readonly Observation[] = [...ENTERED_STATE, { type: 'session-up', generation: 1 }];

describe('the way from nothing to a debugged worker', () => {
  it.each([
    ['nothing seen yet', [], [], 'waiting'],
    ['a container runs', [RUNNING], ['follow'], 'waiting'],
    ['it is followed', FOLLOWED, ['start-agent'], 'entering'],
    ['the agent starts', [...FOLLOWED, { type: 'agent-starting' } as const], [], 'entering'],
    ['the agent watches', WATCHED, [], 'waiting'],
    ['a worker is seen', SEEN, ['enter'], 'entering'],
    ['it is being entered', [...SEEN, { type: 'entering', generation: 1, rung: 'exec' } as const], [], 'entering'],
    ['debugpy listens', ENTERED_STATE, ['session-up'], 'attached'],
    ['the keeper knows', ATTACHED, [], 'attached'],
    ['it stopped', [...ATTACHED, { type: 'stopped', where: 'app.py:12' } as const], [], 'stopped'],
  ] as const)('%s', (_name, observations, actions, phase) => {
    const decision = decide(after(observations));
    expect(kinds(decision)).toEqual(actions);
    expect(decision.phase).toBe(phase);
    expect(decision.error).toBeNull();
  });
});

describe('a worker that goes', () => {
  it('ends the session at once and waits', () => {
    const decision = decide(after([...ATTACHED, { type: 'exited', exit: { pid: 7, startTime: 700 } }]));
    expect(kinds(decision)).toEqual(['session-down']);
    expect(decision.phase).toBe('waiting');
    expect(decision.message).toContain('worker 7 ended');
  });

  it('is replaced by its successor, entered by the rung that worked before', () => {
    const next = pythonProcess(8);
    const state = after([
      ...ATTACHED,
      { type: 'exited', exit: { pid: 7, startTime: 700 } },
      { type: 'session-down' },
      { type: 'processes', processes: [next], changed: true },
    ]);
    const decision = decide(state);
    expect(decision.actions).toMatchObject([{ type: 'enter', rung: 'exec', worker: { generation: 2 } }]);
    expect(state.worker?.startedAt).toBe(NOW - 30);
  });

  it('counts as new when the same pid runs another program', () => {
    const again = pythonProcess(7, { execId: '2' });
    const decision = decide(after([...ATTACHED, { type: 'processes', processes: [again], changed: true }]));
    expect(kinds(decision)).toEqual(['session-down', 'enter']);
  });

  it('stays when only its figures change', () => {
    const busier = pythonProcess(7, { cpuSeconds: 9, rssBytes: 5 });
    const state = after([...ATTACHED, { type: 'processes', processes: [busier], changed: false }]);
    expect(kinds(decide(state))).toEqual([]);
    expect(state.followed[0]?.classification?.chosen?.cpuSeconds).toBe(9);
  });
});

describe('the replica', () => {
  it('that was restarted is left and followed anew', () => {
    const restarted = { ...REPLICA, startedAt: 't2' };
    const state = after([
      ...ATTACHED,
      { type: 'snapshot', snapshot: { replicas: [restarted], waitingFor: null, error: null } },
    ]);
    expect(decide(state).actions).toMatchObject([{ type: 'follow', replicas: [{ startedAt: 't2' }] }]);
    const left = after([{ type: 'following', replicas: [restarted] }], state);
    expect(kinds(decide(left))).toEqual(['session-down', 'start-agent']);
  });

  it('that stopped is left, and the reason is the message', () => {
    const stopped: Observation = {
      type: 'snapshot',
      snapshot: { replicas: [], waitingFor: 'container `api` exited with 1', error: null },
    };
    const state = after([...ATTACHED, stopped, { type: 'following', replicas: [] }, { type: 'session-down' }]);
    expect(decide(state)).toMatchObject({ phase: 'waiting', message: 'container `api` exited with 1', actions: [] });
  });

  it('stays followed while the platform cannot be asked but its agent answers', () => {
    const error = new DebugwandError({ code: 'docker-unreachable', message: 'no', fix: 'start it' });
    const state = after([...ATTACHED, { type: 'snapshot', snapshot: { replicas: [], waitingFor: null, error } }]);
    expect(decide(state)).toMatchObject({ phase: 'attached', actions: [] });
  });

  it('that is paused is waited for', () => {
    const paused = { ...REPLICA, state: 'paused' as const };
    const state = after([
      ...FOLLOWED,
      { type: 'snapshot', snapshot: { replicas: [paused], waitingFor: null, error: null } },
    ]);
    expect(decide(state)).toMatchObject({ phase: 'waiting', message: 'api is paused' });
  });
});

describe('replicas that are ranked', () => {
  const make = (id: string, rank: number, rest: Partial<Replica> = {}): Replica => ({
    ...REPLICA,
    id,
    name: id,
    rank,
    ...rest,
  });
  const there = (...replicas: Replica[]): Observation => ({
    type: 'snapshot',
    snapshot: { replicas, waitingFor: null, error: null },
  });
  const attachedTo = (replica: Replica): Observation[] => [
    there(replica),
    { type: 'following', replicas: [replica] },
    ...ATTACHED.slice(FOLLOWED.length),
  ];
  const stopped: Observation = { type: 'stopped', where: 'app.py:12' };
  const old = make('old', 0);
  it.each<[string, Observation[], string | null]>([
    ['nothing followed yet: the best one', [there(make('a', 2), make('b', 0), make('c', 1))], 'b'],
    ['equal ones: the first', [there(make('a', 1), make('b', 1))], 'a'],
    ['the best one does not run', [there(make('a', 0, { state: 'stopped' }), make('b', 5))], 'b'],
    ['an equal one came first: stays', [...attachedTo(old), there(make('new', 0), old)], 'stays'],
    ['a worse one came: stays', [...attachedTo(old), there(make('new', 2), old)], 'stays'],
    ['a better one came', [...attachedTo(old), there(make('new', 0), make('old', 1))], 'new'],
    ['it got worse than another', [...attachedTo(old), there(make('a', 1), make('old', 2))], 'a'],
    ['it got worse, nobody is better: stays', [...attachedTo(old), there(make('old', 4), make('a', 4))], 'stays'],
    ['it is gone', [...attachedTo(old), there(make('a', 3))], 'a'],
    [
      'its container started anew, another is as good',
      [...attachedTo(old), there(make('a', 0), make('old', 0, { startedAt: 't2' }))],
      'a',
    ],
    ['its container ended', [...attachedTo(old), there(make('old', 5, { state: 'restarting' }))], null],
    [
      'stopped, a better one came: stays',
      [...attachedTo(old), stopped, there(make('new', 0), make('old', 1))],
      'stays',
    ],
    ['stopped, its probe fails: stays', [...attachedTo(old), stopped, there(make('a', 0), make('old', 2))], 'stays'],
    [
      'stopped, and taken away',
      [...attachedTo(old), stopped, there(make('new', 0), make('old', 4, { ending: true }))],
      'new',
    ],
    [
      'stopped, taken away, nothing else runs: stays',
      [...attachedTo(old), stopped, there(make('old', 4, { ending: true }), make('new', 5, { state: 'stopped' }))],
      'stays',
    ],
    ['stopped, its container ended', [...attachedTo(old), stopped, there(make('a', 0))], 'a'],
  ])('%s', (_name, observations, expected) => {
    const follow = decide(after(observations)).actions.find((action) => action.type === 'follow');
    expect(follow === undefined ? 'stays' : (follow.replicas[0]?.id ?? null)).toBe(expected);
  });

  it('goes to the new one of a rollout once, whatever order comes next', () => {
    const fresh = make('new', 0);
    const state = after([...attachedTo(old), there(fresh, make('old', 1)), { type: 'following', replicas: [fresh] }]);
    for (const snapshot of [there(make('old', 1), fresh), there(make('old', 0), fresh), there(make('old', 2), fresh)]) {
      expect(kinds(decide(after([snapshot], state)))).not.toContain('follow');
    }
  });
});

describe('an agent that is lost', () => {
  const error = new DebugwandError({ code: 'agent-lost', message: 'cut', fix: 'none' });
  it('is started again after a back-off, and is an error only the second time', () => {
    const once = after([...FOLLOWED, { type: 'agent-starting' }, { type: 'agent-lost', error }]);
    const first = decide(once);
    expect(first).toMatchObject({ phase: 'waiting', actions: [], error: null });
    const wakeAt = first.wakeAt ?? 0;
    expect(wakeAt).toBeGreaterThan(NOW);
    expect(kinds(decide(once, wakeAt))).toEqual(['start-agent']);
    const twice = after([{ type: 'agent-starting' }, { type: 'agent-lost', error }], once);
    const second = decide(twice);
    expect(second).toMatchObject({ phase: 'blocked', error: { code: 'agent-lost' } });
    expect((second.wakeAt ?? 0) - NOW).toBeGreaterThan(wakeAt - NOW);
  });

  it('is no error however often, when its container is gone: the watch will tell', () => {
    const gone = new DebugwandError({ code: 'replica-gone', message: 'does not run any more', fix: 'nothing to do' });
    const lost: readonly Observation[] = [{ type: 'agent-starting' }, { type: 'agent-lost', error: gone }];
    const state = after([...FOLLOWED, ...lost, ...lost, ...lost]);
    expect(decide(state)).toMatchObject({ phase: 'waiting', message: 'does not run any more', error: null });
    expect(decide(after([{ type: 'agent-starting' }], state))).toMatchObject({ phase: 'entering', error: null });
  });

  it('is started again at once when it had worked for long', () => {
    const state = after([...WATCHED]);
    const lost = observe(state, { type: 'agent-lost', error }, CONFIG, NOW + 60_000);
    expect(kinds(decide(lost, NOW + 60_000))).toEqual(['start-agent']);
  });
});

describe('a wire that is cut', () => {
  const cut: Observation = { type: 'wire', cutUntil: NOW + 48_000 };
  const unreachable = new DebugwandError({ code: 'docker-unreachable', message: 'no answer', fix: 'start it' });
  const missed: Observation = {
    type: 'snapshot',
    snapshot: { replicas: [], waitingFor: null, error: unreachable },
  };
  const words = `the connection into ${REPLICA.name} is cut; the worker is kept for 48 s`;

  it.each([
    ['a worker that runs', [...ATTACHED, cut], 'attached', null],
    ['a worker that is stopped', [...ATTACHED, { type: 'stopped', where: 'app.py:12' }, cut], 'stopped', null],
    ['while the platform does not answer', [...ATTACHED, cut, missed], 'attached', 'docker-unreachable'],
    ['before there was a worker', [...WATCHED, cut], 'waiting', null],
  ] as const)('changes the words only: %s', (_name, observations, phase, code) => {
    const decision = decide(after(observations));
    expect(decision).toMatchObject({ actions: [], phase, message: words, wakeAt: NOW + 1_000 });
    expect(decision.error?.code ?? null).toBe(code);
  });

  it('counts down, and is forgotten once it is mended', () => {
    const state = after([...ATTACHED, cut]);
    expect(decide(state, NOW + 47_500).message).toMatch(/for 1 s$/);
    expect(decide(state, NOW + 60_000).message).toMatch(/for 0 s$/);
    expect(decide(after([{ type: 'wire', cutUntil: null }], state)).message).not.toMatch(/cut/);
  });

  it('lets go of a replica that is known to be gone, or to have started anew', () => {
    const gone: Observation = {
      type: 'snapshot',
      snapshot: { replicas: [], waitingFor: 'no such container', error: null },
    };
    const again: Replica = { ...REPLICA, startedAt: 'later' };
    expect(decide(after([...ATTACHED, cut, gone])).actions).toEqual([{ type: 'follow', replicas: [] }]);
    expect(
      decide(
        after([...ATTACHED, cut, { type: 'snapshot', snapshot: { replicas: [again], waitingFor: null, error: null } }]),
      ).actions,
    ).toEqual([{ type: 'follow', replicas: [again] }]);
  });

  it('says nothing of it while the replica is paused: that is why', () => {
    const paused: Replica = { ...REPLICA, state: 'paused' };
    const state = after([
      ...ATTACHED,
      cut,
      { type: 'snapshot', snapshot: { replicas: [paused], waitingFor: null, error: null } },
    ]);
    expect(decide(state).message).toMatch(/is paused/);
  });
});

describe('an entry that fails', () => {
  const fail = (
    code: Parameters<typeof agentError>[0],
    rung: 'exec' | 'exec-as-worker' | 'helper-container' = 'exec',
  ): Observation => ({
    type: 'enter-failed',
    generation: 1,
    rung,
    error: agentError(code),
  });

  it('goes up the ladder when it is denied, and ends with the change to make', () => {
    const foreign = pythonProcess(7, { uid: 1000 });
    const seen = after([...WATCHED, { type: 'processes', processes: [foreign], changed: true }]);
    const denied = after([fail('denied')], seen);
    expect(decide(denied).actions).toMatchObject([{ type: 'enter', rung: 'exec-as-worker' }]);
    const twice = after([fail('denied', 'exec-as-worker')], denied);
    expect(decide(twice).actions).toMatchObject([{ type: 'enter', rung: 'helper-container' }]);
    const thrice = after([fail('denied', 'helper-container')], twice);
    const decision = decide(thrice);
    expect(decision).toMatchObject({ phase: 'blocked', error: { code: 'entry-denied' }, wakeAt: null });
    expect(decision.error?.fix).toContain('SYS_PTRACE');
  });

  it('skips the rung that changes nothing: a worker of the same uid', () => {
    expect(decide(after([...SEEN, fail('denied')])).actions).toMatchObject([
      { type: 'enter', rung: 'helper-container' },
    ]);
    expect(decide(after([...SEEN, fail('denied')]), NOW, { helperAvailable: false })).toMatchObject({
      phase: 'blocked',
    });
  });

  it.each([
    ['too-old', 'python-too-old'],
    ['disabled', 'remote-debug-disabled'],
    ['not-python', 'not-python'],
  ] as const)('%s is named and not retried', (code, name) => {
    expect(decide(after([...SEEN, fail(code)]))).toMatchObject({
      phase: 'blocked',
      error: { code: name },
      wakeAt: null,
      actions: [],
    });
  });

  it('is retried, and an error from the third time on', () => {
    let state = after(SEEN);
    for (const [attempt, phase] of [
      [1, 'waiting'],
      [2, 'waiting'],
      [3, 'blocked'],
    ] as const) {
      state = after([{ type: 'entering', generation: 1, rung: 'exec' }, fail('failed')], state);
      const decision = decide(state);
      expect(decision.phase, `attempt ${String(attempt)}`).toBe(phase);
      expect(decision.wakeAt).not.toBeNull();
      expect(kinds(decide(state, decision.wakeAt ?? 0))).toEqual(['enter']);
    }
  });

  it('of a sleeping worker is no error: it is armed again at once, and ready', () => {
    const asleep = after([...SEEN, fail('asleep')]);
    expect(decide(asleep)).toMatchObject({ phase: 'waiting', error: null, wakeAt: NOW + 1 });
    expect(kinds(decide(asleep, NOW + 1))).toEqual(['enter']);
    const armed = after([{ type: 'entering', generation: 1, rung: 'exec' }], asleep);
    expect(decide(armed)).toMatchObject({ phase: 'waiting', error: null, actions: [] });
    expect(decide(armed).message).toContain('runs no Python code just now');
  });

  it('of an earlier worker changes nothing', () => {
    const state = after([...SEEN, { type: 'enter-failed', generation: 99, rung: 'exec', error: agentError('denied') }]);
    expect(kinds(decide(state))).toEqual(['enter']);
  });
});

describe('the ladder', () => {
  const foreign = pythonProcess(7, { uid: 1000 });
  const refused = (gid: number): Observation => ({
    type: 'enter-failed',
    generation: 1,
    rung: 'exec',
    error: { ...agentError('denied'), facts: { uid: 1000, gid, agentUid: 0, needs: 'uid' } },
  });
  const unstarted = (rung: Rung, code: string): Observation => ({
    type: 'enter-failed',
    generation: 1,
    rung,
    error: startFailure(rung, new DebugwandError({ code, message: `${rung}: ${code}`, fix: 'its own fix' })),
  });
  const asWorker: readonly Observation[] = [
    ...WATCHED,
    { type: 'processes', processes: [foreign], changed: true },
    refused(0),
    { type: 'entered', generation: 1, rung: 'exec-as-worker', result: ENTERED },
    { type: 'session-up', generation: 1 },
  ];
  const successor = pythonProcess(8, { uid: 1000 });
  const reloaded: readonly Observation[] = [
    { type: 'exited', exit: { pid: 7, startTime: 700 } },
    { type: 'session-down' },
    { type: 'processes', processes: [successor], changed: true },
  ];

  it('knows the group of the worker over reloads, and whatever else fails there', () => {
    const state = after([...asWorker, ...reloaded]);
    expect(decide(state).actions).toMatchObject([{ type: 'enter', rung: 'exec-as-worker' }]);
    const failures = (now: TargetState) => [...skipsOf(now), ...(now.worker?.failedRungs ?? [])];
    expect(workerUser(successor, failures(state))).toBe('1000:0');
    const later = after(
      [
        ...Array.from({ length: 20 }, (): Observation => ({
          type: 'enter-failed',
          generation: 2,
          rung: 'exec-as-worker',
          error: agentError('failed'),
        })),
        { type: 'entered', generation: 2, rung: 'exec-as-worker', result: ENTERED },
        ...reloaded.slice(1),
        { type: 'processes', processes: [pythonProcess(9, { uid: 1000 })], changed: true },
      ],
      state,
    );
    expect(workerUser(successor, failures(later))).toBe('1000:0');
    expect(skipsOf(later)).toMatchObject([{ rung: 'exec', error: { code: 'denied' } }]);
  });

  it.each([
    ['no failure yet', [], '1000:1000'],
    ['another user was refused', [{ uid: 5, gid: 6 }], '1000:1000'],
    ['the group is not to be known', [{ uid: 1000, gid: -1 }], '1000:1000'],
    ['refused', [{ uid: 1000, gid: 998 }], '1000:998'],
    ['refused, then failed', [{ uid: 1000, gid: 998 }, {}], '1000:998'],
  ] as const)('as whom: %s', (_name, facts, user) => {
    const failed = facts.map((one) => ({
      rung: 'exec' as const,
      why: '',
      error: { ...agentError('denied'), facts: one },
    }));
    expect(workerUser(foreign, failed)).toBe(user);
  });

  it.each([
    ['exec-as-worker', 'exec-denied', 'helper-container'],
    ['exec-as-worker', 'agent-handshake', 'helper-container'],
    ['exec-as-worker', 'python-not-found', 'helper-container'],
    ['helper-container', 'python-not-found', 'exec-as-worker'],
  ] as const)('goes on when no agent can be started: %s, %s', (rung, code, next) => {
    const seen: readonly Observation[] = [
      ...WATCHED,
      { type: 'processes', processes: [foreign], changed: true },
      refused(0),
    ];
    expect(decide(after([...seen, unstarted(rung, code)])).actions).toMatchObject([{ type: 'enter', rung: next }]);
  });

  it.each(['replica-gone', 'agent-lost', 'docker-unreachable', 'replica-paused', 'exec-failed'])(
    'stays where it is when it is not the rung: %s',
    (code) => {
      const state = after([...SEEN, refused(0), unstarted('helper-container', code)]);
      const decision = decide(state);
      expect(decision).toMatchObject({ phase: 'waiting', error: null });
      expect(decide(state, decision.wakeAt ?? 0).actions).toMatchObject([{ type: 'enter', rung: 'helper-container' }]);
    },
  );

  it('ends for good, with the words of the last that could not be started', () => {
    const decision = decide(after([...SEEN, refused(0), unstarted('helper-container', 'helper-denied')]));
    expect(decision).toMatchObject({
      phase: 'blocked',
      wakeAt: null,
      error: { code: 'helper-denied', fix: 'its own fix', permanent: true },
    });
  });

  it.each([
    ['another container', { ...REPLICA, id: 'c2' }, 'exec'],
    ['the same one, started again', { ...REPLICA, startedAt: 't2' }, 'exec-as-worker'],
  ] as const)('in %s', (_name, replica, rung) => {
    const state = after([
      ...asWorker,
      { type: 'following', replicas: [] },
      { type: 'session-down' },
      { type: 'snapshot', snapshot: { replicas: [replica], waitingFor: null, error: null } },
      { type: 'following', replicas: [replica] },
      ...WATCHED.slice(2),
      { type: 'processes', processes: [successor], changed: true },
    ]);
    expect(decide(state).actions).toMatchObject([{ type: 'enter', rung }]);
    expect(skipsOf(state)).toHaveLength(rung === 'exec' ? 0 : 1);
  });
});

describe('what is retried', () => {
  it('comes ever more slowly also when the worker is said to be gone and stays on the list', () => {
    let state = after(SEEN);
    const pauses: number[] = [];
    for (let attempt = 0; attempt < 12; attempt += 1) {
      state = after(
        [
          { type: 'entering', generation: 1, rung: 'exec' },
          { type: 'enter-failed', generation: 1, rung: 'exec', error: agentError('gone') },
        ],
        state,
      );
      pauses.push((decide(state).wakeAt ?? 0) - NOW);
    }
    expect(pauses[0]).toBe(20);
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
    expect(pauses.at(-1)).toBe(10_000);
  });
});

describe('a lost connection to debugpy', () => {
  it('is a new one after a healthy time', () => {
    const lose = (state: TargetState, now: number): TargetState =>
      after(
        [
          { type: 'session-lost', generation: 1, why: 'reset' },
          { type: 'entering', generation: 1, rung: 'exec' },
          { type: 'entered', generation: 1, rung: 'exec', result: ENTERED },
        ],
        state,
        now,
      );
    const often = lose(lose(after(ATTACHED), NOW), NOW);
    expect(often.worker?.lost).toBe(2);
    expect(lose(often, NOW + 60_000).worker?.lost).toBe(1);
  });

  it('again and again is somebody else’s doing: it is left to them until a restart or a new worker', () => {
    const round: Observation[] = [
      { type: 'session-lost', generation: 1, why: 'taken' },
      { type: 'entering', generation: 1, rung: 'exec' },
      { type: 'entered', generation: 1, rung: 'exec', result: ENTERED },
    ];
    const lost = after([
      ...ATTACHED,
      ...round,
      ...round,
      ...round,
      { type: 'session-lost', generation: 1, why: 'taken' },
    ]);
    const left = after([{ type: 'session-down' }], lost);
    const decision = decide(left, NOW + 3_600_000);
    expect(kinds(decision)).toEqual([]);
    expect(decision).toMatchObject({ phase: 'blocked', wakeAt: null, error: { code: 'debugger-taken' } });
    expect(kinds(decide(after([{ type: 'reenter' }], left)))).toContain('enter');
  });

  it('ends the session, then enters the same worker again, ever more slowly', () => {
    const lost = after([...ATTACHED, { type: 'session-lost', generation: 1, why: 'reset' }]);
    const decision = decide(lost);
    expect(kinds(decision)).toEqual(['session-down']);
    const down = after([{ type: 'session-down' }], lost);
    expect(kinds(decide(down))).toEqual([]);
    expect(kinds(decide(down, NOW + 50))).toEqual(['enter']);
  });
});

describe('the figures of a re-attach', () => {
  const reload: readonly Observation[] = [
    ...ATTACHED,
    { type: 'exited', exit: { pid: 7, startTime: 700 } },
    { type: 'session-down' },
    { type: 'processes', processes: [pythonProcess(8)], changed: true },
    { type: 'entered', generation: 2, rung: 'exec', result: ENTERED },
  ];

  it('end at debuggable without an editor, and count once', () => {
    const state = after([...reload, { type: 'verified', generation: 2, at: NOW + 500 }]);
    expect(state.reattach.count).toBe(1);
    expect(state.reattach.history[0]).toMatchObject({ ms: 30, seenMs: 0 });
  });

  it('end at verified breakpoints with an editor', () => {
    const state = after([
      { type: 'editor', connected: true, client: 'vscode' },
      ...reload,
      { type: 'verified', generation: 2, at: NOW + 100 },
    ]);
    expect(state.reattach.history).toMatchObject([{ ms: 130, seenMs: 100, at: NOW + 100 }]);
  });

  it.each([
    { what: 'an editor', editor: true, ageMs: 30, enteredAt: 140, verified: 210, phases: [30, 72, 170, 240] },
    { what: 'no editor', editor: false, ageMs: 30, enteredAt: 140, verified: 210, phases: [30, 72, 170, null] },
    // The agent's clock says that it took longer than we know it to have been.
    { what: 'two clocks', editor: true, ageMs: 30, enteredAt: 50, verified: 60, phases: [30, 30, 80, 90] },
    { what: 'a clock set back', editor: true, ageMs: -5, enteredAt: 0, verified: -9, phases: [0, 0, 0, 0] },
  ])('tell its phases, with $what', ({ editor, ageMs, enteredAt, verified, phases }) => {
    let state = after([
      { type: 'editor', connected: editor, client: 'vscode' },
      ...ATTACHED,
      { type: 'exited', exit: { pid: 7, startTime: 700 } },
      { type: 'processes', processes: [pythonProcess(8, { ageMs })], changed: true },
    ]);
    state = observe(state, { type: 'entered', generation: 2, rung: 'exec', result: ENTERED }, CONFIG, NOW + enteredAt);
    state = observe(state, { type: 'verified', generation: 2, at: NOW + verified }, CONFIG, NOW);
    const [seen, entered, debugpyUp, last] = phases;
    expect(state.reattach.history[0]).toMatchObject({
      phases: { seen, entered, debugpyUp, verified: last },
    });
  });

  it('name a rollout also when another process was chosen for a moment', () => {
    const elsewhere = { ...REPLICA, id: 'c2', startedAt: 't2' };
    const state = after([
      ...ATTACHED,
      { type: 'following', replicas: [elsewhere] },
      { type: 'session-down' },
      { type: 'agent-ready', hello: HELLO },
      { type: 'processes', processes: [pythonProcess(14)], changed: true },
      { type: 'exited', exit: { pid: 14, startTime: 1400 } },
      { type: 'processes', processes: [pythonProcess(15)], changed: true },
      { type: 'entered', generation: 3, rung: 'exec', result: ENTERED },
    ]);
    expect(state.reattach.history).toMatchObject([{ reason: 'rollout' }]);
  });

  it('name a crash by the signal that the kernel tells', () => {
    const state = after([
      ...ATTACHED,
      { type: 'exited', exit: { pid: 7, startTime: 700, signal: 11 } },
      { type: 'session-down' },
      { type: 'processes', processes: [pythonProcess(8)], changed: true },
      { type: 'entered', generation: 2, rung: 'exec', result: ENTERED },
    ]);
    expect(state.reattach.history).toMatchObject([{ reason: 'crash' }]);
  });

  it.each([
    ['asked for', [{ type: 'reenter' }]],
    [
      'after the agent was lost',
      [
        { type: 'agent-lost', error: new DebugwandError({ code: 'agent-lost', message: 'cut', fix: '' }) },
        { type: 'session-down' },
        ...WATCHED.slice(2),
        { type: 'processes', processes: [pythonProcess(8, { ageMs: 86_400_000 })], changed: true },
      ],
    ],
  ] as const)('do not count an entry into the same worker, %s', (_name, observations) => {
    const counted = after(reload);
    expect(counted.reattach.count).toBe(1);
    const again = after([...observations, { type: 'entered', generation: 3, rung: 'exec', result: ENTERED }], counted);
    expect(again.worker).toMatchObject({ generation: 3, cause: null, entry: { state: 'entered' } });
    expect(again.reattach.count).toBe(1);
  });

  it('count a worker that was entered again before it could be counted', () => {
    const state = after([
      ...reload.slice(0, -1),
      { type: 'reenter' },
      { type: 'entered', generation: 3, rung: 'exec', result: ENTERED },
    ]);
    expect(state.reattach.history).toMatchObject([{ reason: 'restart' }]);
  });

  it('do not count the first attach', () => {
    expect(after(ATTACHED).reattach.count).toBe(0);
  });

  it('keep the last fifty', () => {
    let state = after([{ type: 'editor', connected: true, client: 'x' }, ...ATTACHED]);
    for (let pid = 100; pid < 170; pid += 1) {
      state = after([{ type: 'processes', processes: [pythonProcess(pid)], changed: true }], state);
      state = after([{ type: 'verified', generation: state.generation, at: NOW }], state);
    }
    expect(state.reattach.count).toBe(70);
    expect(state.reattach.history).toHaveLength(50);
  });
});

describe('a port that is taken', () => {
  it('is the error of the target, whatever else goes well', () => {
    const fault = new DebugwandError({ code: 'port-taken', message: 'port 5679 is taken', fix: 'free it' });
    expect(decide(after([...ATTACHED, { type: 'port', bound: false, fault }]))).toMatchObject({
      phase: 'blocked',
      error: { code: 'port-taken' },
    });
  });
});

describe('entering again on request', () => {
  it('is a new generation of the same process', () => {
    const decision = decide(after([...ATTACHED, { type: 'reenter' }]));
    expect(decision.actions).toMatchObject([
      { type: 'session-down', generation: 1 },
      { type: 'enter', worker: { generation: 2 } },
    ]);
  });
});
