/** What carries the debugger is cut or frozen: the agent, the container, the worker itself. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureDocker } from '../support/docker.ts';
import { IMAGES } from '../support/images.ts';
import { agentsBeside, allProcesses } from '../support/invariants.ts';
import { getOrSkip } from '../support/machine.ts';
import { ATTACHED, lookAt, Rig, type Stop } from '../support/rig.ts';
import { startContainerApp, startLocalApp, type ContainerApp, type SampleApp } from '../support/sample-app.ts';
import { uniqueName } from '../support/target-stage.ts';
import { until } from '../support/until.ts';

const docker = await getOrSkip(() => ensureDocker(['python314']));

/** A request that is stopped at the breakpoint, and its answer to come. */
async function stopped(rig: Rig): Promise<{ answer: Promise<{ total: number }>; stop: Stop }> {
  const after = rig.editor.mark();
  const answer = rig.app.price(5);
  answer.catch(() => undefined);
  return { answer, stop: await lookAt(rig.editor, await rig.editor.waitFor('stopped', undefined, { after })) };
}

describe('what carries the debugger in a process of this machine', () => {
  let app: SampleApp;
  let rig: Rig;

  beforeAll(async () => {
    app = await startLocalApp();
    rig = await Rig.attachedTo(app);
  });

  afterAll(async () => {
    await rig.stop();
  });

  /** Pid of the agent: the daemon's child. */
  async function agent(): Promise<number> {
    const daemon = rig.daemon.child.pid ?? 0;
    const found = (await allProcesses()).find(
      ({ ppid, command }) => ppid === daemon && command.includes('# debugwand agent'),
    );
    return found?.pid ?? 0;
  }

  it('is killed while the app runs: the same worker is entered again', async () => {
    const worker = await rig.worker();
    const before = await agent();
    await rig.reattached(async () => {
      process.kill(before, 'SIGKILL');
      await until(async () => ![0, before].includes(await agent()), 'another agent');
    });
    expect(await rig.worker()).toBe(worker);
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
  });

  it('is killed while the app is stopped: the app runs on or is stopped for the same editor', async () => {
    const { answer } = await stopped(rig);
    const before = rig.editor.mark();
    await rig.reattached(async () => {
      process.kill(await agent(), 'SIGKILL');
      await Promise.resolve();
    });
    // Whatever state it is in, the editor was told, and the app answers when nobody holds it.
    const again = rig.editor.events('stopped', before).at(-1);
    if (again !== undefined) await rig.editor.request('continue', { threadId: again['threadId'] });
    expect(await answer).toEqual({ total: 15 });
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
  });

  it('waits for a frozen worker, and goes on when it is thawed', async () => {
    const worker = await rig.worker();
    process.kill(worker, 'SIGSTOP');
    await app.edit((text) => `${text}#\n`);
    // The reloader waits for it to end; the editor's requests are answered all the same.
    const threads = rig.editor.ask('threads');
    process.kill(worker, 'SIGCONT');
    expect(await threads).toMatchObject({ success: true });
    await rig.status('another worker', (target) => ATTACHED(target) && target.worker?.pid !== worker);
    await app.answers();
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
  });

  it('enters a worker that was frozen before it could be entered', async () => {
    const before = await rig.worker();
    await rig.reattached(async () => {
      await app.edit((text) => `${text}#\n`);
      const { worker } = await rig.status('the next', (t) => t.worker !== null && t.worker.pid !== before);
      process.kill(worker?.pid ?? 0, 'SIGSTOP');
      await rig.status('frozen or entered', (t) => ATTACHED(t) || /frozen/.test(t.message), 20_000);
      process.kill(worker?.pid ?? 0, 'SIGCONT');
    });
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
  });
});

describe.skipIf(docker === undefined)('what carries the debugger in a container', () => {
  const name = uniqueName('cut');
  let app: ContainerApp;
  let rig: Rig;

  beforeAll(async () => {
    if (docker === undefined) return;
    app = await startContainerApp(docker, { image: IMAGES.python314, name });
    rig = await Rig.start(app, { docker: { container: name } });
    await rig.attached();
    await rig.attach();
  });

  afterAll(async () => {
    await rig.stop();
  });

  /** Pids of the agents in the container, as this machine sees them. */
  async function agents(): Promise<number[]> {
    return agentsBeside(Number(await app.docker('inspect', '-f', '{{.State.Pid}}', name)));
  }

  it('the exec is killed while the app runs', async () => {
    const before = await agents();
    expect(before).toHaveLength(1);
    await rig.reattached(() => {
      process.kill(before[0] ?? 0, 'SIGKILL');
      return Promise.resolve();
    });
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
    expect(await agents()).toHaveLength(1);
  });

  it('the exec is killed while the app is stopped', async () => {
    const { answer } = await stopped(rig);
    const before = rig.editor.mark();
    const [agent = 0] = await agents();
    await rig.reattached(() => {
      process.kill(agent, 'SIGKILL');
      return Promise.resolve();
    });
    const again = rig.editor.events('stopped', before).at(-1);
    if (again !== undefined) await rig.editor.request('continue', { threadId: again['threadId'] });
    expect(await answer).toEqual({ total: 15 });
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
  });

  it('the container is killed while the app is stopped', async () => {
    const { answer } = await stopped(rig);
    const before = rig.editor.mark();
    await app.docker('kill', name);
    await expect(answer).rejects.toThrow();
    await rig.editor.waitFor('continued', undefined, { after: before });
    await rig.status('waiting', ({ phase }) => phase === 'waiting');
    await rig.reattached(() => app.docker('start', name));
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
  });

  it('the container is paused while the app is stopped', async () => {
    const { answer, stop } = await stopped(rig);
    await app.docker('pause', name);
    await rig.status('paused', ({ message }) => /paused/.test(message));
    const asked = rig.editor.ask('threads');
    await app.docker('unpause', name);
    expect(await asked).toMatchObject({ command: 'threads' });
    await rig.status('stopped again', ({ phase }) => phase === 'stopped');
    await rig.editor.request('continue', { threadId: stop.threadId });
    expect(await answer).toEqual({ total: 15 });
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
  });
});
