/** Those who hold the debugger vanish: the daemon by -9, the editor without a word. The app must not notice for long. */
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { socketPath } from '../../src/lib/paths.ts';
import { ensureDocker } from '../support/docker.ts';
import { agentsBeside, allProcesses, connectEditor } from '../support/invariants.ts';
import { getOrSkip } from '../support/machine.ts';
import { places } from '../support/places.ts';
import { ATTACHED, lookAt, Rig } from '../support/rig.ts';
import { BREAKPOINT_LINE, type ContainerApp, type SampleApp } from '../support/sample-app.ts';
import { until } from '../support/until.ts';
import { WandDaemon } from '../support/wand.ts';

const docker = await getOrSkip(() => ensureDocker(['python314']));

/** A stopped app must answer within this time after the daemon was killed, ms; in a container once the lease is over. */
const FREE_WITHIN_MS = 5_000;
const LEASE_MS = 3_000;

describe.each(places(docker, 'daemon'))('$where', ({ start }) => {
  let app: SampleApp | ContainerApp;
  let rig: Rig;

  beforeEach(async () => {
    app = await start();
    rig = await Rig.attachedTo(app, { lease: LEASE_MS / 1000 });
  });

  afterEach(async () => {
    await rig.stop();
  });

  /** A request that stops at the breakpoint. */
  async function stop(): Promise<{ answer: Promise<{ total: number }>; threadId: number }> {
    const after = rig.editor.mark();
    const answer = app.price(5);
    answer.catch(() => undefined);
    const { threadId } = await lookAt(rig.editor, await rig.editor.waitFor('stopped', undefined, { after }));
    return { answer, threadId };
  }

  /** Pids of our agents that are inside the target. */
  async function agents(): Promise<number[]> {
    if ('docker' in app) return agentsBeside(Number(await app.docker('inspect', '-f', '{{.State.Pid}}', app.name)));
    const daemon = rig.daemon.child.pid ?? 0;
    return (await allProcesses())
      .filter(({ ppid, command }) => ppid === daemon && command.includes('# debugwand agent'))
      .map(({ pid }) => pid);
  }

  it('the daemon is killed while the worker is stopped: the app runs on, and the next daemon takes over', async () => {
    const { answer } = await stop();
    const before = await agents();
    expect(before).toHaveLength(1);
    const killed = performance.now();
    await rig.daemon.stop('SIGKILL');
    expect(await answer).toEqual({ total: 15 });
    expect(performance.now() - killed).toBeLessThan(FREE_WITHIN_MS + ('docker' in app ? LEASE_MS : 0));
    // Its socket and lock are stale now; its agents leave by themselves.
    expect(existsSync(socketPath(app.folder))).toBe(true);
    await until(async () => {
      const alive = new Set((await allProcesses()).map(({ pid }) => pid));
      return before.every((pid) => !alive.has(pid));
    }, 'the agents are gone');
    expect(await app.price(5)).toEqual({ total: 15 });

    const next = new WandDaemon(['watch', '--plain'], { cwd: app.folder });
    try {
      await next.target('attached', ATTACHED);
      const editor = await connectEditor(rig.port);
      await editor.attach({ [rig.file]: [{ line: BREAKPOINT_LINE }] });
      const seen = editor.mark();
      const again = app.price(6);
      const { threadId } = await lookAt(editor, await editor.waitFor('stopped', undefined, { after: seen }));
      await editor.request('continue', { threadId });
      expect(await again).toEqual({ total: 18 });
      await editor.disconnect();
    } finally {
      expect(await next.stop()).toBe(0);
    }
    if ('docker' in app) {
      const files = await app.docker('exec', app.name, 'sh', '-c', 'ls -A /tmp /dev/shm /var/tmp');
      expect(files).not.toMatch(/debugwand/);
    }
  });

  it('the next daemon is there before the app noticed: its session is taken over', async () => {
    const { answer } = await stop();
    const before = await agents();
    await rig.daemon.stop('SIGKILL');
    const next = new WandDaemon(['watch', '--plain'], { cwd: app.folder });
    try {
      await next.target('attached', ATTACHED);
      expect(await answer).toEqual({ total: 15 });
      await until(async () => {
        const alive = new Set((await allProcesses()).map(({ pid }) => pid));
        return before.every((pid) => !alive.has(pid));
      }, 'the agent of before has left');
    } finally {
      expect(await next.stop()).toBe(0);
    }
  });

  it('the editor vanishes while the worker is stopped: the app runs on', async () => {
    const { answer } = await stop();
    const gone = performance.now();
    rig.editor.destroy();
    expect(await answer).toEqual({ total: 15 });
    expect(performance.now() - gone).toBeLessThan(FREE_WITHIN_MS);
    await rig.status('nobody there', ({ editor, phase }) => !editor.connected && phase === 'attached');
    expect(await app.price(5)).toEqual({ total: 15 });
    await rig.attach();
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
  });

  it('the daemon is asked to leave while the worker is stopped: all is released within 2 s', async () => {
    const { answer } = await stop();
    const before = await agents();
    const asked = performance.now();
    rig.daemon.child.kill('SIGTERM');
    expect(await rig.daemon.exited).toBe(0);
    expect(performance.now() - asked).toBeLessThan(2_000);
    expect(await answer).toEqual({ total: 15 });
    await until(() => rig.editor.closed, 'the editor is told');
    expect(rig.editor.events('terminated')).toHaveLength(1);
    expect(existsSync(socketPath(app.folder))).toBe(false);
    const alive = new Set((await allProcesses()).map(({ pid }) => pid));
    expect(before.filter((pid) => alive.has(pid))).toEqual([]);
  });
});
