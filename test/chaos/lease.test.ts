/** The connection to the container engine is cut while the worker is stopped: a cut is not an end. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ensureDocker } from '../support/docker.ts';
import { Proxy } from '../support/engine-proxy.ts';
import { IMAGES } from '../support/images.ts';
import { agentsBeside, assertGoodSession } from '../support/invariants.ts';
import { getOrSkip } from '../support/machine.ts';
import { ATTACHED, lookAt, Rig, type Stop } from '../support/rig.ts';
import { BREAKPOINT_LINE, startContainerApp, type ContainerApp } from '../support/sample-app.ts';
import { uniqueName } from '../support/target-stage.ts';
import { until } from '../support/until.ts';

const docker = await getOrSkip(() => ensureDocker(['python314']));

const SERVE = ['app:app', '--host', '0.0.0.0', '--port', '8000'];
const UNICORN = ['gunicorn', '-b', '0.0.0.0:8000', '-k', 'uvicorn_worker.UvicornWorker', 'app:app', '--timeout', '0'];
const AS_ANOTHER = ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups'];

describe.skipIf(docker === undefined)('the connection to the engine is cut', () => {
  let app: ContainerApp;
  let proxy: Proxy;
  let rig: Rig;

  async function start(lease: number, command?: readonly string[]): Promise<void> {
    if (docker === undefined) return;
    const served = command === undefined ? {} : { command };
    app = await startContainerApp(docker, { image: IMAGES.python314, name: uniqueName('lease'), ...served });
    const path = join(app.folder, 'engine.sock');
    proxy = await Proxy.start({ path: docker.socketPath }, path);
    rig = await Rig.start(app, { docker: { container: app.name, host: `unix://${path}` }, lease });
    await rig.attached();
    await rig.attach();
  }

  afterEach(async () => {
    await rig.stop();
    await proxy.down();
    await rm(join(app.folder, 'engine.sock'), { force: true });
  });

  async function stopped(): Promise<{ answer: Promise<{ total: number }>; stop: Stop }> {
    const after = rig.editor.mark();
    const answer = rig.app.price(5);
    answer.catch(() => undefined);
    return { answer, stop: await lookAt(rig.editor, await rig.editor.waitFor('stopped', undefined, { after })) };
  }

  async function agents(): Promise<number[]> {
    return agentsBeside(Number(await app.docker('inspect', '-f', '{{.State.Pid}}', app.name)));
  }

  it.each([
    { what: '', rung: 'exec', command: undefined },
    { what: ' (of another user)', rung: 'exec-as-worker', command: [...AS_ANOTHER, 'uvicorn', ...SERVE] },
    {
      what: ' (in a helper container)',
      rung: 'helper-container',
      command: [...UNICORN, '--user', '1000', '--group', '1000'],
    },
  ])('for a while$what: the stop is still the same stop', { timeout: 120_000 }, async ({ rung, command }) => {
    await start(60, command);
    const { answer, stop } = await stopped();
    expect((await rig.attached()).entry?.rung).toBe(rung);
    const before = await agents();
    const mark = rig.editor.mark();
    await proxy.down();
    const { message, phase } = await rig.status('cut', (target) => /is cut/.test(target.message));
    expect(phase).toBe('stopped');
    expect(message).toMatch(/the connection into .* is cut; the worker is kept for \d+ s/);
    const asked = rig.editor.request<{ stackFrames: { line: number }[] }>('stackTrace', { threadId: stop.threadId });
    await rig.status('the engine is missed', ({ error }) => error?.code === 'docker-unreachable', 30_000);
    await proxy.up();
    expect((await asked).stackFrames[0]?.line).toBe(BREAKPOINT_LINE);
    const { variables } = await rig.editor.request<{ variables: { name: string; value: string }[] }>('variables', {
      variablesReference: stop.scope,
    });
    expect(Object.fromEntries(variables.map(({ name, value }) => [name, value]))).toEqual(stop.variables);
    await rig.status('whole again', (target) => target.phase === 'stopped' && !/is cut/.test(target.message));
    const told = rig.editor.received.slice(mark).map(({ event }) => event);
    expect(told).not.toContain('continued');
    expect(told).not.toContain('thread');
    expect(await agents()).toEqual(before);
    await rig.editor.request('continue', { threadId: stop.threadId });
    expect(await answer).toEqual({ total: 15 });
    await assertGoodSession(rig.editor);
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
  });

  it('and nobody is told: silence is enough to notice', { timeout: 120_000 }, async () => {
    await start(60);
    const { answer, stop } = await stopped();
    const before = await agents();
    proxy.freeze();
    await rig.status('cut', (target) => /is cut/.test(target.message), 40_000);
    await rig.status('back', (target) => target.phase === 'stopped' && !/is cut/.test(target.message), 20_000);
    await rig.editor.request('continue', { threadId: stop.threadId });
    expect(await answer).toEqual({ total: 15 });
    await assertGoodSession(rig.editor);
    expect(await agents()).toEqual(before);
  });

  it('again and again, while the app runs: nobody notices', { timeout: 120_000 }, async () => {
    await start(60);
    for (let turn = 0; turn < 5; turn += 1) {
      proxy.cut();
      expect(await rig.hit(5)).toMatchObject({ total: 15 });
    }
    await assertGoodSession(rig.editor);
    expect(await agents()).toHaveLength(1);
  });

  it(
    'for longer than the lease: the app runs on, the agent leaves, and comes again',
    { timeout: 120_000 },
    async () => {
      await start(2);
      const { answer } = await stopped();
      const [agent] = await agents();
      const mark = rig.editor.mark();
      const cut = performance.now();
      await proxy.down();
      expect(await answer).toEqual({ total: 15 });
      expect(performance.now() - cut).toBeGreaterThan(1_500);
      expect(performance.now() - cut).toBeLessThan(8_000);
      await until(async () => !(await agents()).includes(agent ?? 0), 'the agent has left');
      const left = await app.docker('exec', app.name, 'sh', '-c', 'ls -A /tmp /dev/shm /var/tmp; cat /proc/net/unix');
      expect(left).not.toMatch(/debugwand/);
      await rig.editor.waitFor('continued', undefined, { after: mark });
      await rig.reattached(() => proxy.up());
      await rig.status('attached', ATTACHED);
      expect(await rig.hit(5)).toMatchObject({ total: 15 });
    },
  );
});
