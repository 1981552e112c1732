import { describe, expect, it } from 'vitest';
import { targetReport } from '../../../src/core/report.ts';
import { SCALED_DOWN_MS } from '../../../src/core/slots.ts';
import type { TargetState } from '../../../src/core/state.ts';
import { switchTo } from '../../../src/core/switch.ts';
import type { TargetConfig } from '../../../src/core/types.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { REPLICA } from './facts.ts';
import { ARBITER, NOW, worker, World } from './world.ts';

describe('further workers', () => {
  it('are left alone until an editor comes that can have them', () => {
    const world = new World().workers(worker(11), worker(12), worker(13));
    expect(world.news()).toEqual(['enter 11', 'up 0:11']);
    world.see({ type: 'editor', connected: true, client: 'a test' });
    expect(world.news()).toEqual([]);
    expect(world.seats()).toBe('0:11* ?:12 ?:13');
    world.see({ type: 'children' });
    expect(world.news()).toEqual(['enter 12', 'enter 13', 'up 1:12', 'up 2:13', 'ask 1']);
    // One is asked for after the other.
    expect(world.opens(1).news()).toEqual(['ask 2']);
    expect(world.opens(2).seats()).toBe('0:11* 1:12* 2:13*');
  });

  it.each<[string, Partial<TargetConfig>]>([
    ["workers: 'one'", { workers: 'one' }],
    ['maxWorkers: 1', { maxWorkers: 1 }],
  ])('are left alone by %s', (_name, config) => {
    const world = new World(config).workers(worker(11), worker(12)).editor();
    expect(world.news().filter((line) => !line.startsWith('tell'))).toEqual(['enter 11', 'up 0:11']);
  });

  it('are told of where they have no session, once', () => {
    const world = new World({ maxWorkers: 2 }).workers(worker(11), worker(12), worker(13)).editor();
    world.opens(1).workers(worker(11), worker(12), worker(13), worker(14));
    expect(world.news().filter((line) => line.startsWith('tell'))).toEqual([
      'tell 2 of 3 workers have a debug session: maxWorkers is 2. The others run without the debugger',
    ]);
    expect(world.state.leftOut).toBe(2);
    // While nothing runs nobody is left out; those that come back are no news.
    const leftOut = (): number => targetReport(world.config, world.state, world.plan(), [], 0).workersLeftOut;
    world.news();
    expect(leftOut()).toBe(2);
    world.replicas();
    expect(leftOut()).toBe(0);
    world.replicas(REPLICA).workers(worker(11), worker(12), worker(13), worker(14));
    expect(leftOut()).toBe(2);
    expect(world.news().filter((line) => line.startsWith('tell'))).toEqual([]);
  });

  it.each<[string, (world: World) => World]>([
    ['its editor leaves', (world) => world.see({ type: 'editor', connected: false, client: null })],
    ["workers: 'one'", (world) => world.changes({ workers: 'one' })],
  ])('are left out by nothing any more, and the next one is told anew, after %s', (_name, end) => {
    const world = new World({ maxWorkers: 1 }).workers(worker(11), worker(12)).editor();
    expect(world.state.leftOut).toBe(1);
    world.news();
    expect(end(world).state.leftOut).toBe(0);
    world.changes({ workers: 'all' }).editor();
    expect(world.news().filter((line) => line.startsWith('tell'))).toHaveLength(1);
  });

  it('have their own sessions again when the agent is, and that is no re-attach', () => {
    const world = new World({ maxWorkers: 3 }).workers(worker(11), worker(12), worker(13)).editor().opens(1, 2);
    // They come back in another order than they went.
    world.workers(worker(11), worker(12)).pass(10).workers(worker(11)).pass(10);
    world.workers(worker(11), worker(21, 10), worker(22, 10));
    for (const slot of [1, 2]) world.verifies(slot);
    expect(world.seats()).toBe('0:11* 1:22* 2:21*');
    const before = world.reattaches();
    const error = new DebugwandError({ code: 'agent-lost', message: 'cut', fix: 'none' });
    world.see({ type: 'agent-lost', error });
    expect(world.seats()).toBe('0:-* 1:-* 2:-*');
    world.pass(1_000).workers(worker(11), worker(21, 1_010), worker(22, 1_010));
    for (const slot of [0, 1, 2]) world.verifies(slot);
    expect(world.seats()).toBe('0:11* 1:22* 2:21*');
    expect(world.reattaches()).toBe(before);
  });

  it("end at once by workers: 'one', run on alone, and come back by 'all'", () => {
    const world = new World().workers(worker(11), worker(12), worker(13)).editor().opens(1, 2);
    world.news();
    expect(world.changes({ workers: 'one' }).news()).toEqual(['end 1', 'end 2']);
    expect(world.seats()).toBe('0:11* ?:12 ?:13');
    expect(world.state.leftOut).toBe(0);
    expect(world.workers(worker(11), worker(12), worker(13)).pass(60_000).news()).toEqual([]);
    expect(world.changes({ workers: 'all' }).opens(3, 4).seats()).toBe('0:11* 3:12* 4:13*');
  });

  it('are ended and added by a new maxWorkers, and who has none is told of', () => {
    const world = new World().workers(worker(11), worker(12), worker(13)).editor().opens(1, 2);
    world.news();
    expect(world.changes({ maxWorkers: 2 }).seats()).toBe('0:11* 1:12* ?:13');
    expect(world.news()).toEqual([
      'end 2',
      'tell 2 of 3 workers have a debug session: maxWorkers is 2. The others run without the debugger',
    ]);
    expect(world.changes({ maxWorkers: 3 }).news()).toEqual(['enter 13', 'up 3:13', 'ask 3']);
    expect(world.opens(3).changes({ maxWorkers: 1 }).seats()).toBe('0:11* ?:12 ?:13');
  });

  it('end the first session never, wherever it is, and whoever is stopped', () => {
    const world = new World().workers(worker(11), worker(12)).editor().opens(1);
    world.see({ type: 'exited', exit: { pid: 11, startTime: 1100 } }).workers(worker(12), worker(21, 10));
    world.see({ type: 'stopped', where: 'app.py:12 (breakpoint)', slot: 1 });
    world.changes({ workers: 'one' }).workers(worker(12), worker(21, 10));
    expect(world.seats()).toBe('0:21* ?:12');
    expect(world.plan().phase).toBe('attached');
  });

  it('of an editor that opens no more stay where it has them', () => {
    const world = new World().workers(worker(11), worker(12), worker(13)).editor().opens(1);
    world.see({ type: 'child-refused', slot: 2, why: 'no' }).changes({ maxWorkers: 5 });
    expect(world.seats()).toBe('0:11* 1:12* ?:13');
    expect(world.changes({ workers: 'one' }).seats()).toBe('0:11* ?:12 ?:13');
  });

  it('keep their session through the death of their worker, however long', () => {
    const world = new World().workers(worker(11), worker(12)).editor().opens(1);
    world.news();
    world.see({ type: 'exited', exit: { pid: 12, startTime: 1200 } });
    expect(world.news()).toEqual(['down 1']);
    world.workers(worker(11), worker(21, 10));
    expect(world.news()).toEqual(['enter 21', 'up 1:21']);
    expect(world.seats()).toBe('0:11* 1:21*');
  });

  it('keep it while the whole app is away', () => {
    const world = new World().workers(worker(11), worker(12)).editor().opens(1);
    world.see({ type: 'processes', processes: [ARBITER], changed: true }).pass(60_000);
    expect(world.seats()).toBe('0:-* 1:-*');
    expect(world.workers(worker(21, 10), worker(22, 10)).seats()).toBe('0:21* 1:22*');
    expect(world.news()).not.toContain('end 1');
  });

  it("keep their worker when the first session's dies, which waits for its replacement", () => {
    const world = new World().workers(worker(11), worker(12)).editor().opens(1);
    world.see({ type: 'exited', exit: { pid: 11, startTime: 1100 } }).workers(worker(12));
    expect(world.seats()).toBe('0:-* 1:12*');
    expect(world.plan().phase).toBe('waiting');
    expect(world.workers(worker(12), worker(21, 10)).seats()).toBe('0:21* 1:12*');
  });

  it('give their worker to the first session when that was scaled down', () => {
    const world = new World().workers(worker(11), worker(12)).editor().opens(1);
    world.workers(worker(12)).pass(SCALED_DOWN_MS - 1);
    expect(world.seats()).toBe('0:-* 1:12*');
    expect(world.plan().wakeAt).toBe(NOW + SCALED_DOWN_MS);
    expect(world.pass(1).seats()).toBe('0:12*');
    expect(world.news()).toContain('end 1');
  });

  it('end when they were scaled down', () => {
    const world = new World().workers(worker(11), worker(12), worker(13)).editor().opens(1, 2);
    world.workers(worker(11), worker(13));
    expect(world.plan().wakeAt).toBe(NOW + SCALED_DOWN_MS);
    expect(world.pass(SCALED_DOWN_MS).seats()).toBe('0:11* 2:13*');
    expect(world.news()).toContain('end 1');
  });

  it('count the re-attachments of their sessions, each by itself', () => {
    const world = new World().workers(worker(11), worker(12), worker(13)).editor().opens(1);
    world.verifies(0).verifies(1);
    expect(world.reattaches()).toBe('0, 0, 0');
    world.see({ type: 'exited', exit: { pid: 12, startTime: 1200, signal: 9 } });
    world.workers(worker(11), worker(21, 10), worker(13)).pass(20).verifies(1).pass(5).verifies(1);
    expect(world.reattaches()).toBe('0, 1 crash 30 ms, 0');
    world.workers(worker(11), worker(22, 10), worker(13)).verifies(1);
    expect(world.reattaches()).toBe('0, 2 reload 10 ms, 0');
    // The editor has not opened that one: its figure ends with the entry.
    world.workers(worker(11), worker(22, 10), worker(23, 40));
    expect(world.reattaches()).toBe('0, 2 reload 10 ms, 1 reload 40 ms');
    world.workers(worker(31, 10), worker(22, 10), worker(23, 40)).verifies(0);
    expect(world.reattaches()).toBe('1 reload 10 ms, 2 reload 10 ms, 1 reload 40 ms');
    expect(world.state.reattach.history).toHaveLength(1);
  });

  it('count none while the user has left their session, nor its coming back', () => {
    const world = new World().workers(worker(11), worker(12)).editor().opens(1).verifies(1);
    world.see({ type: 'editor', connected: false, client: null, slot: 1 });
    world.workers(worker(11), worker(21, 10)).pass(60_000).opens(1).verifies(1);
    expect(world.reattaches()).toBe('0, 0');
    world.workers(worker(11), worker(22, 10)).verifies(1);
    expect(world.reattaches()).toBe('0, 1 reload 10 ms');
  });

  it('count none that is entered again on request', () => {
    const world = new World().workers(worker(11), worker(12)).editor().opens(1).verifies(1);
    world.see({ type: 'reenter', slot: 1 }).verifies(1);
    expect(world.reattaches()).toBe('0, 0');
  });

  it('are added when they have settled', () => {
    const world = new World().workers(worker(11)).editor();
    world.news();
    world.workers(worker(11), worker(12, 10));
    expect(world.news()).toEqual([]);
    expect(world.plan().wakeAt).toBe(NOW + 990);
    expect(world.pass(990).news()).toEqual(['enter 12', 'up 1:12', 'ask 1']);
  });

  it('that the user has left stay alone, also the next one in their place; and may come again', () => {
    const world = new World().workers(worker(11), worker(12)).editor().opens(1);
    world.news();
    world.see({ type: 'editor', connected: false, client: null, slot: 1 });
    expect(world.news()).toEqual(['down 1']);
    world.workers(worker(11), worker(21, 10)).pass(60_000);
    expect(world.seats()).toBe('0:11* 1:21');
    expect(world.news()).toEqual([]);
    world.opens(1);
    expect(world.news()).toEqual(['enter 21', 'up 1:21']);
  });

  it.each<[string, (world: World) => World]>([
    ['says no', (world) => world.see({ type: 'child-refused', slot: 1, why: 'no' })],
    ['never comes', (world) => world.pass(15_000)],
  ])('of an editor that %s run without the debugger, and it is told once', (_name, refuse) => {
    const world = new World().workers(worker(11), worker(12), worker(13)).editor();
    world.news();
    refuse(world);
    const did = world.news();
    expect(did.filter((line) => line.startsWith('tell'))).toHaveLength(1);
    expect(did.filter((line) => !line.startsWith('tell'))).toEqual(['end 1', 'end 2']);
    expect(world.pass(60_000).workers(worker(11), worker(12), worker(13), worker(14)).news()).toEqual([]);
    expect(world.seats()).toBe('0:11* ?:12 ?:13 ?:14');
    // Another editor is another chance.
    world.see({ type: 'editor', connected: false, client: null });
    expect(world.editor().news()).toContain('ask 3');
  });

  it('end with the first session', () => {
    const world = new World().workers(worker(11), worker(12)).editor().opens(1);
    world.news();
    world.see({ type: 'editor', connected: false, client: null });
    expect(world.news()).toEqual(['end 1']);
    expect(world.seats()).toBe('0:11 ?:12');
  });

  it('are where the target is stopped, when they are', () => {
    const world = new World().workers(worker(11), worker(12)).editor().opens(1);
    world.see({ type: 'stopped', where: 'app.py:12 (breakpoint)', slot: 1 });
    expect(world.plan()).toMatchObject({ phase: 'stopped', message: 'worker 12 stopped at app.py:12 (breakpoint)' });
    const report = targetReport(world.config, world.state, world.plan(), [], 0);
    expect(report.stoppedAt).toBe('app.py:12 (breakpoint)');
    expect(report.workers.map(({ phase }) => phase)).toEqual(['attached', 'stopped']);
  });

  it.each([
    ['first', 0, 1, 'worker 11 stopped at app.py:12 (breakpoint)'],
    ['further', 1, 0, 'worker 12 stopped at app.py:12 (breakpoint)'],
  ])('that stopped along do not hide the one that stopped by itself: the %s one', (_name, cause, other, message) => {
    const world = new World().workers(worker(11), worker(12)).editor().opens(1);
    world.see({ type: 'stopped', where: 'app.py:12 (breakpoint)', slot: cause });
    world.see({ type: 'stopped', where: 'a pause', slot: other, along: true });
    world.see({ type: 'stopped', where: 'base.py:80 (pause)', slot: other, along: true });
    expect(world.plan()).toMatchObject({ phase: 'stopped', message });
    const { stoppedAt, workers } = targetReport(world.config, world.state, world.plan(), [], 0);
    expect(stoppedAt).toBe('app.py:12 (breakpoint)');
    const row = { phase: 'stopped', message: 'stopped at app.py:12 (breakpoint)' };
    expect(workers[cause]).toMatchObject(row);
    expect(workers[cause]?.stoppedAlong).toBeUndefined();
    expect(workers[other]).toMatchObject({ phase: 'stopped', message: 'stopped with the others', stoppedAlong: true });
    // A breakpoint of its own, the next time.
    world.see({ type: 'stopped', where: null, slot: cause }).see({ type: 'stopped', where: null, slot: other });
    world.see({ type: 'stopped', where: 'app.py:20 (breakpoint)', slot: other });
    expect(world.plan().message).toContain('stopped at app.py:20 (breakpoint)');
  });

  it('that cannot be entered say so in their row, and the target is well', () => {
    const world = new World().workers(worker(11)).editor();
    world.enters = false;
    world.workers(worker(11), worker(12));
    const generation = world.state.slots[0]?.worker?.generation ?? 0;
    world.see({ type: 'enter-failed', generation, rung: 'exec', error: { code: 'too-old', message: 'it is too old' } });
    const report = targetReport(world.config, world.state, world.plan(), [], 0);
    expect(report).toMatchObject({ phase: 'attached', error: null });
    expect(report.workers[1]).toMatchObject({ pid: 12, phase: 'blocked' });
  });
});

describe('wand switch', () => {
  const pids = (state: TargetState, pid: number | null): number =>
    switchTo(state, 'api', pid === null ? null : { pid, replica: null }).pid;

  it('moves the one session there is, which stays with its worker', () => {
    const world = new World().workers(worker(11), worker(12), worker(13));
    expect(pids(world.state, null)).toBe(12);
    world.see({ type: 'switch', worker: { pid: 13, startTime: 1300 } });
    expect(world.news()).toEqual(['enter 11', 'up 0:11', 'down 0', 'enter 13', 'up 0:13']);
    expect(world.plan().message).toBe('worker 13: forked by the gunicorn arbiter 10, chosen by `wand switch`');
    expect(world.workers(worker(11), worker(12), worker(13)).seats()).toBe('0:13 ?:11 ?:12');
    expect(world.plan().message).toMatch(/chosen by `wand switch`$/);
    expect(pids(world.state, null)).toBe(11);
    // Its end is that of the choice.
    expect(world.workers(worker(11), worker(12)).seats()).toBe('0:11 ?:12');
  });

  it('is no re-attachment; another program in that worker is', () => {
    const world = new World()
      .workers(worker(11), worker(12))
      .see({ type: 'editor', connected: true, client: 'a test' });
    world.see({ type: 'switch', worker: { pid: 12, startTime: 1200 } }).verifies(0);
    expect(world.reattaches()).toBe('0, –');
    world.workers(worker(11), { ...worker(12), execId: 'another' }).verifies(0);
    expect(world.seats()).toBe('0:12* ?:11');
    expect(world.reattaches()).toBe('1 reload 60000 ms, –');
  });

  it('moves the first session to a worker that has none', () => {
    const world = new World({ maxWorkers: 2 }).workers(worker(11), worker(12), worker(13)).editor().opens(1);
    expect(pids(world.state, 13)).toBe(13);
    world.see({ type: 'switch', worker: { pid: 13, startTime: 1300 } });
    expect(world.seats()).toBe('0:13* 1:12* ?:11');
    expect(() => pids(world.state, 12)).toThrow('worker 12 of api has a debug session of its own');
  });

  it('says why it moves nowhere where each worker has a session', () => {
    const world = new World().workers(worker(11), worker(12)).editor().opens(1);
    expect(() => pids(world.state, null)).toThrow('every other worker of api has a debug session of its own');
  });

  it('is no re-attachment', () => {
    const world = new World().workers(worker(11), worker(12));
    const before = world.reattaches();
    world.see({ type: 'switch', worker: { pid: 12, startTime: 1200 } });
    expect(world.seats()).toBe('0:12 ?:11');
    expect(world.reattaches()).toBe(before);
    // The next one is.
    world.workers(worker(11)).verifies(0);
    expect(world.reattaches()).toMatch(/^1 reload/);
  });

  it.each([
    [99, 'api has no process 99'],
    [10, 'process 10 of api is no worker: gunicorn'],
  ])('refuses what is no worker: %i', (pid, message) => {
    const world = new World().workers(worker(11), worker(12));
    expect(() => pids(world.state, pid)).toThrow(message);
  });

  it('has nowhere to go where there is one worker', () => {
    expect(() => pids(new World().workers(worker(11)).state, null)).toThrow('no other worker');
  });
});
