/** What is around the daemon changes under it: its config, its port. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectEditor } from '../support/invariants.ts';
import { freePort } from '../support/machine.ts';
import { ATTACHED, Rig } from '../support/rig.ts';
import { startLocalApp, type SampleApp } from '../support/sample-app.ts';
import { until } from '../support/until.ts';
import { WandDaemon } from '../support/wand.ts';

function hold(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      resolve(server);
    });
  });
}

describe('the project changes under the daemon', () => {
  let app: SampleApp;
  let rig: Rig;
  const config = (): string => join(app.folder, 'debugwand.config.json');
  const problem = async (): Promise<string | null> => (await rig.daemon.status())?.daemon.configError?.message ?? null;

  beforeEach(async () => {
    app = await startLocalApp();
  });

  it('the config is deleted: the last good one stays; it comes back: nothing is lost', async () => {
    rig = await Rig.start(app, Rig.processOf(app));
    await rig.attached();
    await rig.attach();
    await rename(config(), `${config()}.away`);
    expect(await until(problem, 'the daemon says that it is gone')).toMatch(/debugwand\.config\.json/);
    await rig.reattached(() => app.setFactor(4));
    expect(await rig.hit(5)).toMatchObject({ total: 20 });
    await rename(`${config()}.away`, config());
    await until(async () => (await problem()) === null, 'the error is gone');
    expect(await rig.hit(5)).toMatchObject({ total: 20 });
  });

  it('a config is broken, mended and extended: the session goes on', async () => {
    rig = await Rig.start(app, Rig.processOf(app));
    await rig.attached();
    await rig.attach();
    await writeFile(config(), '{ "targets": { "app": ');
    expect(await until(problem, 'broken')).toMatch(/debugwand\.config\.json/);
    expect(rig.daemon.output).toMatch(/debugwand\.config\.json/);
    const target = { ...Rig.processOf(app), port: rig.port };
    await writeFile(config(), JSON.stringify({ targets: { app: { ...target, pathMapping: [] } } }));
    expect(await until(async () => /pathMapping/.exec((await problem()) ?? ''), 'misspelt')).not.toBeNull();
    const other = await freePort();
    await writeFile(
      config(),
      JSON.stringify({
        notify: false,
        targets: { app: target, more: { process: { match: 'nobody-is-called-so' }, port: other } },
      }),
    );
    const more = await rig.daemon.target('the new target', ({ ready }) => ready, { name: 'more' });
    expect(more).toMatchObject({ phase: 'waiting', port: other });
    expect(await problem()).toBeNull();
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
    await writeFile(config(), JSON.stringify({ notify: false, targets: { app: target } }));
    await until(async () => (await rig.daemon.status())?.targets.length === 1, 'it is gone');
    await expect(connectEditor(other)).rejects.toThrow(/ECONNREFUSED/);
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
    // Another port is another target: the old one is closed.
    await rig.leave();
  });

  it('the port is taken: it says by whom, and has it once it is free', async () => {
    const port = await freePort();
    const holder = await hold(port);
    rig = await Rig.start(app, { ...Rig.processOf(app), port });
    const taken = await rig.status('blocked', ({ phase }) => phase === 'blocked');
    expect(taken).toMatchObject({ ready: false, error: { code: 'port-taken' } });
    expect(taken.error?.message).toMatch(new RegExp(`port ${String(port)} is taken by .*${String(process.pid)}`));
    expect(taken.error?.fix).toMatch(/another port/);
    holder.close();
    await rig.status('attached', ATTACHED);
    const editor = await connectEditor(port);
    await editor.attach();
    await editor.disconnect();
  });

  it('another daemon for the same project is refused, one for another is not', async () => {
    rig = await Rig.start(app, Rig.processOf(app));
    await rig.attached();
    const second = new WandDaemon(['watch', '--plain'], { cwd: app.folder });
    expect(await second.exited).toBe(3);
    expect(second.output).toMatch(new RegExp(`pid ${String(rig.daemon.child.pid)}`));
    expect(second.output).toMatch(/wand stop/);
    expect((await rig.daemon.run('status', '--ready')).code).toBe(0);
  });

  afterEach(async () => {
    await rig.stop();
    await rm(app.folder, { recursive: true, force: true });
  });
});
