/** The worker dies in every moment there is; the editor's session must not notice more than that. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureDocker } from '../support/docker.ts';
import { getOrSkip } from '../support/machine.ts';
import { places } from '../support/places.ts';
import { ATTACHED, lookAt, Rig } from '../support/rig.ts';
import type { ContainerApp, SampleApp } from '../support/sample-app.ts';
import { until } from '../support/until.ts';

const docker = await getOrSkip(() => ensureDocker(['python314']));

/** Not a wait for something: the moment is what is tested. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe.each(places(docker, 'chaos'))('$where: the worker dies', ({ start }) => {
  let app: SampleApp | ContainerApp;
  let rig: Rig;

  beforeAll(async () => {
    app = await start();
    rig = await Rig.attachedTo(app);
    await rig.hit();
  });

  afterAll(async () => {
    await rig.stop();
  });

  /** Kills the worker as it is now; the reloader starts the next one with the next save. */
  async function kill(pid: number): Promise<void> {
    if ('docker' in app)
      await app.docker('exec', app.name, 'python3.14', '-c', `import os; os.kill(${String(pid)}, 9)`);
    else process.kill(pid, 'SIGKILL');
  }

  /** uvicorn starts a killed worker anew only when a file is saved. */
  async function killAndSave(pid: number): Promise<void> {
    await kill(pid);
    await app.edit((text) => `${text}#\n`);
  }

  it('while it runs', async () => {
    const worker = await rig.worker();
    await rig.reattached(() => killAndSave(worker));
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
    const { reattach, worker: next } = await rig.attached();
    expect(next?.pid).not.toBe(worker);
    expect(reattach.count).toBe(1);
  });

  it('while it is stopped', async () => {
    const worker = await rig.worker();
    const after = rig.editor.mark();
    const answer = app.price(5).catch((error: unknown) => error);
    const { threadId, frameId } = await lookAt(rig.editor, await rig.editor.waitFor('stopped', undefined, { after }));
    await rig.status('stopped', ({ phase }) => phase === 'stopped');
    const asked = rig.editor.ask('evaluate', { expression: '__import__("time").sleep(30)', frameId, context: 'repl' });
    await rig.reattached(() => killAndSave(worker));
    // The request in flight was answered; the editor knows that nothing is stopped any more.
    expect(await asked).toMatchObject({ success: false });
    expect(await answer).toBeInstanceOf(Error);
    expect(rig.editor.events('continued', after)).toMatchObject([{ threadId, allThreadsContinued: true }]);
    expect(rig.editor.events('thread', after).at(0)).toMatchObject({ reason: 'exited' });
    expect(await rig.editor.ask('scopes', { frameId })).toMatchObject({ success: false });
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
  });

  it('while it is being attached, whenever that is', async () => {
    for (const delay of [0, 20, 60, 120]) {
      const count = (await rig.attached()).reattach.count;
      await rig.reattached(async () => {
        const before = await rig.worker();
        await app.edit((text) => `${text}#\n`);
        const { worker } = await rig.status(
          'the next worker is seen',
          (target) => target.worker !== null && target.worker.pid !== before,
        );
        await pause(delay);
        await killAndSave(worker?.pid ?? 0);
        await rig.status('attached to the one after', (target) => ATTACHED(target) && target.reattach.count > count);
      });
      await rig.status('attached', ATTACHED);
    }
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
  });

  it('while it imports', async () => {
    const slow = 'import time; time.sleep(1)\n';
    await rig.reattached(async () => {
      await app.edit((text) => slow + text);
      const before = (await rig.attached()).worker?.pid;
      const { worker } = await rig.status(
        'the importing worker',
        (target) => target.worker !== null && target.worker.pid !== before,
      );
      await kill(worker?.pid ?? 0);
      await app.edit((text) => text.replace(slow, ''));
    });
    await rig.status('attached', ATTACHED);
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
  });

  it('five times in a second', async () => {
    for (const factor of [4, 5, 6, 7, 8]) {
      await app.setFactor(factor);
      await pause(200);
    }
    await until(async () => {
      await rig.status('attached', ATTACHED);
      return (await rig.hit(5)).total === 40;
    }, 'the last of five saves');
  });

  it('and stays dead for a while, by a syntax error', async () => {
    const after = rig.editor.mark();
    await app.edit((text) => `${text}\n)\n`);
    const dead = await rig.status('no worker', ({ worker, phase }) => worker === null && phase === 'waiting');
    expect(dead).toMatchObject({ ready: true, error: null });
    expect(dead.message).toMatch(/worker \d+ ended/);
    await rig.editor.waitFor('progressStart', undefined, { after });
    await rig.editor.waitFor('breakpoint', ({ breakpoint }) => !(breakpoint as { verified: boolean }).verified, {
      after,
    });
    // The editor works on meanwhile.
    expect(await rig.editor.request('threads')).toMatchObject({ threads: [] });
    await rig.reattached(() => app.edit((text) => text.replace('\n)\n', '\n')));
    await rig.editor.waitFor('progressEnd', undefined, { after });
    expect(await rig.hit(5)).toMatchObject({ total: 40 });
  });
});
