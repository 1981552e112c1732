import { describe, expect, it } from 'vitest';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { replicaKey } from '../../../src/core/identity.ts';
import { targetReport } from '../../../src/core/report.ts';
import { FIRST_WORKER_MS } from '../../../src/core/seating.ts';
import { SCALED_DOWN_MS, SETTLED_MS } from '../../../src/core/slots.ts';
import { switchTo } from '../../../src/core/switch.ts';
import type { Replica, TargetConfig } from '../../../src/core/types.ts';
import { pythonProcess } from './facts.ts';
import { World } from './world.ts';

const ALL: Partial<TargetConfig> = {
  source: {
    kind: 'kubernetes',
    workload: { kind: 'deployment', name: 'web' },
    replica: 'all',
    ephemeralContainers: 'never',
    allowContexts: [],
  },
};

/** The ranks of Kubernetes: ready, ready of an old revision, starting, starting of an old one, ending, not running. */
function pod(name: string, rank = 0): Replica {
  return {
    id: name,
    name,
    state: rank === 5 ? 'stopped' : 'running',
    startedAt: 't1',
    scope: { kind: 'namespace' },
    rank,
    ...(rank === 1 || rank === 3 ? { superseded: true } : {}),
    ...(rank === 4 ? { ending: true } : {}),
    ...(rank === 5 ? { coming: true } : {}),
  };
}

/** As in a pod: of one and the same pid and start time everywhere. */
const SERVER = pythonProcess(1, { ageMs: 60_000 });

/** Pods that have their worker. */
function world(pods: readonly Replica[], config: Partial<TargetConfig> = {}): World {
  const made = new World({ ...ALL, ...config }, pods);
  for (const one of pods) if (one.state === 'running') made.in(one, SERVER);
  return made;
}

/** Two pods with a session each. */
function two(): World {
  const made = world([pod('a'), pod('b')])
    .editor()
    .opens(1);
  expect(made.places()).toBe('0:a* 1:b*');
  made.news();
  return made;
}

describe('every replica', () => {
  it('has a session, each worker of it', () => {
    const made = world([pod('a'), pod('b'), pod('c')]);
    expect(made.news()).toEqual(['enter 1', 'up 0:1']);
    made.editor();
    expect(made.news()).toEqual(['enter 1', 'enter 1', 'up 1:1', 'up 2:1', 'ask 1']);
    expect(made.opens(1, 2).places()).toBe('0:a* 1:b* 2:c*');
  });

  it('is not asked for by default: one is followed', () => {
    const made = new World({}, [pod('a'), pod('b')]);
    expect(made.state.followed.map(({ replica }) => replica.name)).toEqual(['a']);
  });

  it.each<[string, Partial<TargetConfig>, string]>([
    ["workers: 'one'", { workers: 'one' }, '0:a* ?:b ?:c'],
    ['maxWorkers: 2', { maxWorkers: 2 }, '0:a* 1:b ?:c'],
  ])('has no more than %s lets it', (_name, config, expected) => {
    expect(
      world([pod('a'), pod('b'), pod('c')], config)
        .editor()
        .places(),
    ).toBe(expected);
  });

  it('is in the status, with its processes and whether it is followed', () => {
    const made = two();
    const report = targetReport(made.config, made.state, made.plan(), [], 0);
    expect(report.processes.map(({ replica, chosen }) => [replica, chosen])).toEqual([
      ['a', true],
      ['b', false],
    ]);
    expect(report.replicas.map(({ followed }) => followed)).toEqual([true, true]);
    expect(report.message).toMatch(/^worker 1 in a: /);
  });

  it('has the budget of its own probes while its worker is paused', () => {
    const probe = {
      kind: 'liveness',
      by: 'exec',
      port: null,
      path: null,
      timeoutSeconds: 1,
      failureThreshold: 3,
    } as const;
    const seconds = (name: string, periodSeconds: number): Replica => ({
      ...pod(name),
      probes: [{ ...probe, periodSeconds }],
    });
    const made = world([seconds('a', 10), seconds('b', 5)])
      .editor()
      .opens(1);
    const paused = (): number | null => {
      const { pause } = targetReport(made.config, made.state, made.plan(), [], 0);
      return pause === null || pause.until === null ? null : (pause.until - pause.since) / 1000;
    };
    expect(paused()).toBeNull();
    made.see({ type: 'stopped', where: 'app.py:1', slot: 1 });
    expect(paused()).toBe(11);
    made.see({ type: 'stopped', where: null, slot: 1 }).see({ type: 'stopped', where: 'app.py:1' });
    expect(paused()).toBe(21);
  });

  it('that cannot be entered leaves the others alone, and says so', () => {
    const made = two();
    const error = new DebugwandError({ code: 'exec-failed', message: 'no way into b', fix: 'none' });
    for (let tries = 0; tries < 3; tries += 1) {
      made.see({ type: 'agent-starting', replica: replicaKey(pod('b')) });
      made.see({ type: 'agent-lost', error, replica: replicaKey(pod('b')) });
    }
    expect(made.places()).toBe('0:a* 1:-*');
    const report = targetReport(made.config, made.state, made.plan(), [], 0);
    expect(report).toMatchObject({ phase: 'attached', error: null });
    expect(report.replicas[1]?.note).toContain('no way into b');
    // It is awaited, however long.
    expect(made.pass(0).news()).toEqual(['down 1']);
  });

  it('has its worker by its own pid and start: the same ones elsewhere are others', () => {
    const made = two();
    made.see({ type: 'exited', exit: { pid: 1, startTime: 100 }, replica: replicaKey(pod('b')) });
    expect(made.news()).toEqual(['down 1']);
    expect(made.places()).toBe('0:a* 1:-*');
    expect(made.in(pod('b'), { ...SERVER, startTime: 200, ageMs: 10 }).places()).toBe('0:a* 1:b*');
  });
});

describe('a rollout', () => {
  it('replaces the replicas inside their slots, as soon as the next ones are ready', () => {
    const made = two();
    made.replicas(pod('a', 1), pod('b', 1), pod('c', 2)).in(pod('c'), SERVER);
    made.pass(SETTLED_MS * 2);
    // One more for a while is no reason for a session.
    expect(made.news()).toEqual([]);
    made.replicas(pod('c'), pod('a', 1), pod('b', 1));
    expect(made.news()).toEqual(['down 0', 'enter 1', 'up 0:1']);
    expect(made.places()).toBe('0:c* 1:b* ?:a');
    made.replicas(pod('c'), pod('b', 1), pod('d', 2), pod('a', 4)).in(pod('d'), SERVER);
    made.replicas(pod('c'), pod('d'), pod('b', 1));
    expect(made.places()).toBe('0:c* 1:d* ?:b');
    made.replicas(pod('c'), pod('d')).pass(60_000);
    expect(made.places()).toBe('0:c* 1:d*');
    expect(made.news().filter((line) => /^(ask|end)/.test(line))).toEqual([]);
  });

  it('moves each session once, whichever replica goes first', () => {
    const made = two();
    made.replicas(pod('c'), pod('a', 1), pod('b', 1)).in(pod('c'), SERVER);
    made.replicas(pod('c'), pod('a', 1), pod('b', 4)).replicas(pod('c'), pod('a', 1), pod('d', 5));
    expect(made.places()).toBe('0:c* 1:-* ?:a');
    made.replicas(pod('c'), pod('d', 2), pod('a', 1)).in(pod('d'), SERVER);
    expect(made.places()).toBe('0:c* 1:d* ?:a');
    expect(made.news().filter((line) => line.startsWith('enter'))).toHaveLength(2);
  });

  it('that has no more than it needs (a StatefulSet) leaves a slot empty until its next replica is there', () => {
    const made = two();
    made.replicas(pod('a', 1), pod('b', 4));
    expect(made.places()).toBe('0:a* 1:b*');
    made.replicas(pod('a', 1), pod('b2', 5)).pass(SCALED_DOWN_MS * 10);
    expect(made.places()).toBe('0:a* 1:-*');
    made.replicas(pod('a', 1), pod('b2', 2)).pass(SCALED_DOWN_MS * 2);
    expect(made.places()).toBe('0:a* 1:-*');
    // The first session stays where it is: there is a place that is free.
    made.in(pod('b2'), SERVER).replicas(pod('b2'), pod('a', 1));
    expect(made.places()).toBe('0:a* 1:b2*');
    made.replicas(pod('b2'), pod('a2', 5)).pass(SCALED_DOWN_MS * 10);
    expect(made.places()).toBe('0:-* 1:b2*');
    made.replicas(pod('b2'), pod('a2', 2)).in(pod('a2'), SERVER);
    expect(made.places()).toBe('0:a2* 1:b2*');
  });

  it('that never gets ready leaves the debugger where it is', () => {
    const made = two();
    made.replicas(pod('a', 1), pod('b', 1), pod('c', 2)).in(pod('c'), SERVER).pass(600_000);
    expect(made.places()).toBe('0:a* 1:b* ?:c');
    expect(made.news()).toEqual([]);
  });

  it('leaves a worker that is stopped until the platform takes it', () => {
    const made = two();
    made.see({ type: 'stopped', where: 'app.py:1', slot: 1 });
    expect(made.plan().message).toBe('worker 1 in b stopped at app.py:1');
    made.replicas(pod('c'), pod('d'), pod('a', 1), pod('b', 1)).in(pod('c'), SERVER).in(pod('d'), SERVER);
    expect(made.places()).toBe('0:c* 1:b* ?:a ?:d');
    made.replicas(pod('c'), pod('d'), pod('b', 4));
    expect(made.places()).toBe('0:c* 1:d* ?:b');
  });

  it('that an editor comes into gives it as many sessions as there will be', () => {
    const made = world([pod('a', 1), pod('b', 1), pod('c', 2)])
      .editor()
      .opens(1);
    expect(made.places()).toMatch(/^0:a\* 1:[bc]\* \?:[bc]$/);
    made.replicas(pod('c'), pod('d'), pod('b', 4)).in(pod('d'), SERVER).pass(60_000);
    made.replicas(pod('c'), pod('d')).pass(60_000);
    expect(made.places()).toMatch(/^0:[cd]\* 1:[cd]\*$/);
  });

  it('moves the first session alone where the editor has but one', () => {
    const made = world([pod('a'), pod('b')]).see({ type: 'editor', connected: true, client: 'a test' });
    expect(made.places()).toBe('0:a* ?:b');
    made.replicas(pod('c'), pod('a', 1), pod('b', 1)).in(pod('c'), SERVER);
    expect(made.places()).toBe('0:c* ?:a ?:b');
  });
});

describe('scaling', () => {
  it('up adds a session for each new replica', () => {
    const made = two();
    made.replicas(pod('a'), pod('b'), pod('c')).in(pod('c'), { ...SERVER, ageMs: 0 });
    expect(made.news()).toEqual([]);
    expect(made.pass(SETTLED_MS).news()).toEqual(['enter 1', 'up 2:1', 'ask 2']);
    expect(made.opens(2).places()).toBe('0:a* 1:b* 2:c*');
  });

  it('down ends them once their replicas are gone', () => {
    const made = two();
    made.replicas(pod('a'), pod('b', 4)).pass(60_000);
    expect(made.places()).toBe('0:a* 1:b*');
    expect(made.replicas(pod('a')).places()).toBe('0:a* 1:-*');
    expect(made.pass(SCALED_DOWN_MS).places()).toBe('0:a*');
    expect(made.news()).toEqual(['down 1', 'end 1']);
  });

  it('down beside a replica that never has a worker is not hidden by it', () => {
    const made = two();
    made.replicas(pod('a'), pod('cache')).in(pod('cache'), pythonProcess(1, { cmdline: ['redis'], python: null }));
    expect(made.pass(FIRST_WORKER_MS - 1).places()).toBe('0:a* 1:-*');
    expect(made.pass(1).places()).toBe('0:a*');
  });

  it("down to others than the first session's: it gets what is left", () => {
    const made = two();
    made.replicas(pod('b'), pod('a', 4)).replicas(pod('b'));
    expect(made.places()).toBe('0:-* 1:b*');
    expect(made.pass(SCALED_DOWN_MS).places()).toBe('0:b*');
    expect(made.news()).toEqual(['down 0', 'end 1', 'enter 1', 'up 0:1']);
  });

  it('to nothing and back keeps all sessions', () => {
    const made = two();
    made.replicas().pass(600_000);
    expect(made.places()).toBe('0:-* 1:-*');
    made
      .replicas(pod('c'))
      .in(pod('c'), SERVER)
      .replicas(pod('c'), pod('d', 2))
      .pass(SCALED_DOWN_MS * 2);
    expect(made.in(pod('d'), SERVER).places()).toBe('0:c* 1:d*');
  });
});

describe('wand switch', () => {
  const named = (made: World, wanted: { pid: number; replica: string | null } | null): string => {
    const { replica = '' } = switchTo(made.state, 'web', wanted);
    return replica;
  };

  it('goes from replica to replica', () => {
    const made = world([pod('a'), pod('b')], { workers: 'one' });
    const worker = switchTo(made.state, 'web', null);
    expect(worker.replica).toBe(replicaKey(pod('b')));
    made.see({ type: 'switch', worker });
    expect(made.places()).toBe('0:b ?:a');
    expect(named(made, null)).toBe(replicaKey(pod('a')));
    expect(named(made, { pid: 1, replica: 'a' })).toBe(replicaKey(pod('a')));
  });

  it('asks which one, where pids say too little', () => {
    const made = world([pod('a'), pod('b')], { workers: 'one' });
    expect(() => named(made, { pid: 1, replica: null })).toThrow('web has several processes 1: a:1, b:1');
    expect(() => named(made, { pid: 1, replica: 'z' })).toThrow('web has no process z:1');
    expect(() => named(two(), { pid: 1, replica: 'b' })).toThrow('worker b:1 of web has a debug session of its own');
  });
});
