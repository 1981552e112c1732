// The reconciler's glue, with agents that do what the test says: what happens when things change half-way.
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AgentError } from '../../../src/agent/protocol.ts';
import type { ProcessInfo, TargetConfig } from '../../../src/core/types.ts';
import { TargetRunner } from '../../../src/daemon/target-runner.ts';
import { silentLog } from '../../../src/lib/log.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { FakeAgents } from '../../support/fake-agent.ts';
import { FakeTarget, type FakeOptions } from '../../support/fake-target.ts';
import { until } from '../../support/until.ts';
import { CONFIG, ENTERED, pythonProcess } from '../core/facts.ts';

// No debugpy is sent anywhere: it needs not be fetched either.
vi.mock('../../../src/agent/debugpy.ts', () => ({
  prepareDebugpy: () => Promise.resolve({ key: 'debugpy', zip: Buffer.from('zip') }),
}));

const runners: TargetRunner[] = [];

interface Stage {
  readonly target: FakeTarget;
  readonly agents: FakeAgents;
  readonly runner: TargetRunner;
}

function stage(
  processes: readonly ProcessInfo[],
  onEnter: FakeAgents['onEnter'] = () => ENTERED,
  options: Omit<FakeOptions, 'body'> = {},
): Stage {
  const agents = new FakeAgents(processes, onEnter);
  const target = new FakeTarget({ ...options, body: agents.body });
  const config: TargetConfig = { ...CONFIG, port: 0 };
  const context = { log: silentLog(), projectRoot: '/app', onChange: () => undefined };
  const runner = new TargetRunner(config, target, context);
  runners.push(runner);
  runner.start();
  target.start();
  return { target, agents, runner };
}

async function attached({ runner }: Stage, pid: number, generation: number): Promise<void> {
  await until(
    () => {
      const { phase, worker } = runner.report();
      return phase === 'attached' && worker?.pid === pid && worker.generation === generation;
    },
    `worker ${String(pid)} as generation ${String(generation)}`,
  );
}

afterEach(async () => {
  await Promise.all(runners.splice(0).map((runner) => runner.close()));
});

const worker = pythonProcess(7);

describe('a replica that changes', () => {
  it('has one agent that watches, and every former one is closed', async () => {
    const set = stage([worker]);
    await attached(set, 7, 1);
    let generation = 1;
    for (const change of ['restart', 'restart', 'recreate', 'restart'] as const) {
      const before = set.agents.all.length;
      if (change === 'recreate') set.target.remove();
      else set.target.stop();
      set.target.start();
      generation += 1;
      await attached(set, 7, generation);
      await until(() => set.agents.all.slice(0, before).every(({ open }) => !open), 'the former agents closed');
      expect(set.agents.watching).toHaveLength(1);
    }
    expect(set.agents.all).toHaveLength(5);
    await set.runner.close();
    expect(set.agents.all.filter(({ open }) => open)).toEqual([]);
  });
});

describe('an agent that cannot be started', () => {
  it('is told of by the report, and not again by whoever wants to look meanwhile', async () => {
    const start = Promise.withResolvers<never>();
    const target = new FakeTarget({ body: () => start.promise });
    const errors: string[] = [];
    const log = { ...silentLog(), error: (text: string) => errors.push(text) };
    const runner = new TargetRunner({ ...CONFIG, port: 0 }, target, {
      log,
      projectRoot: '/app',
      onChange: () => undefined,
    });
    runners.push(runner);
    runner.start();
    target.start();
    await until(() => target.execs.length === 1, 'the agent is being started');
    runner.look();
    start.reject(new DebugwandError({ code: 'exec-failed', message: 'no such program', fix: 'none' }));
    await until(() => runner.report().message.includes('no such program'), 'the report says so');
    expect(errors).toEqual([]);
  });
});

describe('another choice of process while one is entered', () => {
  it('takes back the attempt, also when it succeeds after all', async () => {
    const other = pythonProcess(8, { cmdline: ['python', 'other.py'] });
    const set = stage([worker, other], (pid) => (pid === 8 ? ENTERED : null));
    const [first, second] = [
      { ...CONFIG, port: 0, process: { match: 'app\\.py' } },
      { ...CONFIG, port: 0, process: { match: 'other\\.py' } },
    ];
    set.runner.update(first);
    await until(() => set.agents.calls.includes('enter 7'), 'the first is being entered');
    const [agent] = set.agents.watching;
    const asked = agent?.of('enter').find(({ params }) => params['pid'] === 7);
    set.runner.update(second);
    await until(() => set.runner.report().worker?.pid === 8 && set.runner.report().phase === 'attached', 'the second');
    agent?.say({ id: asked?.id, result: ENTERED });
    set.agents.show([worker, other]);
    expect(set.agents.calls.filter((call) => call.endsWith(' 7'))).toEqual(['enter 7', 'release 7']);
    expect(set.runner.report().worker?.pid).toBe(8);
  });

  it('leaves the worker that was entered', async () => {
    const other = pythonProcess(8, { cmdline: ['python', 'other.py'] });
    const set = stage([worker, other]);
    set.runner.update({ ...CONFIG, port: 0, process: { match: 'app\\.py' } });
    await until(() => set.runner.report().phase === 'attached' && set.runner.report().worker?.pid === 7, 'the first');
    set.runner.update({ ...CONFIG, port: 0, process: { match: 'other\\.py' } });
    await until(() => set.runner.report().phase === 'attached' && set.runner.report().worker?.pid === 8, 'the second');
    expect(set.agents.calls.slice(-2).toSorted()).toEqual(['enter 8', 'release 7']);
  });
});

describe('the same worker again', () => {
  it.each<[string, (set: Stage) => void]>([
    ['on request', ({ runner }) => runner.reenter()],
    [
      'with other path mappings',
      ({ runner }) => runner.update({ ...runner.config, pathMappings: [{ local: '/here', remote: '/there' }] }),
    ],
  ])('is released before it is entered, and counts as no re-attach: %s', async (_name, again) => {
    const set = stage([worker]);
    await attached(set, 7, 1);
    again(set);
    await attached(set, 7, 2);
    expect(set.agents.calls).toEqual(['enter 7', 'release 7', 'enter 7']);
    expect(set.runner.report().reattach.count).toBe(0);
  });

  it('waits for its release', async () => {
    const set = stage([worker]);
    await attached(set, 7, 1);
    set.agents.answersRelease = false;
    set.runner.reenter();
    const [agent] = set.agents.watching;
    const [release] = await until(() => agent?.of('release').length === 1 && agent.of('release'), 'the release');
    // What is sent after it has been answered by now.
    const listed = agent?.of('watch').length ?? 0;
    set.runner.refresh();
    await until(() => (agent?.of('watch').length ?? 0) > listed, 'a later request');
    expect(set.agents.calls).toEqual(['enter 7', 'release 7']);
    agent?.say({ id: release?.id, result: {} });
    await attached(set, 7, 2);
    expect(set.agents.calls).toEqual(['enter 7', 'release 7', 'enter 7']);
  });

  it('is entered anew while the former attempt goes on', async () => {
    let answers = false;
    const set = stage([worker], () => (answers ? ENTERED : null));
    await until(() => set.agents.calls.length === 1, 'the first attempt');
    answers = true;
    set.runner.reenter();
    await attached(set, 7, 2);
    expect(set.agents.calls).toEqual(['enter 7', 'release 7', 'enter 7']);
  });

  it('is entered anew by settings that changed meanwhile', async () => {
    let answers = false;
    const set = stage([worker], () => (answers ? ENTERED : null));
    await until(() => set.agents.calls.length === 1, 'the first attempt');
    answers = true;
    const { config } = set.runner;
    set.runner.update({ ...config, whilePaused: { ...config.whilePaused, readiness: 'fail' } });
    await attached(set, 7, 2);
    expect(set.agents.calls).toEqual(['enter 7', 'release 7', 'enter 7']);
  });

  it('counts when it is another one', async () => {
    const set = stage([worker]);
    await attached(set, 7, 1);
    set.agents.show([pythonProcess(8)]);
    await attached(set, 8, 2);
    expect(set.runner.report().reattach.count).toBe(1);
    // An ended one needs no release.
    expect(set.agents.calls).toEqual(['enter 7', 'enter 8']);
  });
});

describe('the ladder', () => {
  const foreign = pythonProcess(7, { uid: 1000 });
  const denied: AgentError = { code: 'denied', message: 'no', facts: { uid: 1000, gid: 0, agentUid: 0, needs: 'uid' } };

  it('takes the group of the worker, also for its successors', async () => {
    const set = stage([foreign], (_pid, { user }) => (user === '1000:0' ? ENTERED : denied));
    await attached(set, 7, 1);
    set.agents.show([pythonProcess(8, { uid: 1000 })]);
    await attached(set, 8, 2);
    expect(set.agents.all.map(({ user }) => user)).toEqual([null, '1000:0']);
    expect(set.runner.report().entry).toMatchObject({ rung: 'exec-as-worker', skipped: [{ rung: 'exec', why: 'no' }] });
  });

  it('goes on to the helper when no agent can be started as the worker', async () => {
    let set: Stage | null = null;
    const refused = new DebugwandError({ code: 'exec-denied', message: 'setuid: not permitted', fix: 'none' });
    const onEnter: FakeAgents['onEnter'] = (_pid, agent) => {
      if (set !== null && agent !== set.agents.all[0]) return ENTERED;
      set?.target.failNext('exec', refused);
      return denied;
    };
    set = stage([foreign], onEnter, { helper: true });
    await attached(set, 7, 1);
    expect(set.target.execs.map(({ helper, options }) => (helper ? 'helper' : (options.user ?? 'exec')))).toEqual([
      'exec',
      '1000:0',
      'helper',
    ]);
    expect(set.runner.report().entry?.skipped).toEqual([
      { rung: 'exec', why: 'no' },
      { rung: 'exec-as-worker', why: 'setuid: not permitted' },
    ]);
  });
});
