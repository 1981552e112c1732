/** What a developer gets to see beside the editor: the real daemon on a real uvicorn, and the desktop that it notifies. */
import { rm } from 'node:fs/promises';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { installDesktop, type Shown, TestDesktop } from '../support/desktop.ts';
import { connectEditor } from '../support/invariants.ts';
import { getOrSkip } from '../support/machine.ts';
import { ATTACHED, writeConfig } from '../support/rig.ts';
import { freePort, projectFolder, sampleApp, type SampleApp, serveCommand } from '../support/sample-app.ts';
import { until } from '../support/until.ts';
import { WandDaemon } from '../support/wand.ts';

let installed = false;
beforeAll(async () => {
  installed = (await getOrSkip(async () => installDesktop().then(() => true))) ?? false;
}, 120_000);

/** A daemon that has started the app itself, and the desktop that both know. */
class Stage {
  readonly desktop: TestDesktop;
  readonly daemon: WandDaemon;
  /** Of the editor. */
  readonly port: number;
  readonly folder: string;
  readonly #url: string;

  private constructor(desktop: TestDesktop, daemon: WandDaemon, port: number, folder: string, url: string) {
    this.desktop = desktop;
    this.daemon = daemon;
    this.port = port;
    this.folder = folder;
    this.#url = url;
  }

  static async start(settings: object, env: Readonly<Record<string, string>> = {}): Promise<Stage> {
    const desktop = await TestDesktop.start();
    const folder = await projectFolder();
    const port = await freePort();
    const { app = 0 } = await writeConfig(folder, { app: { command: await serveCommand(port) } }, settings);
    const daemon = new WandDaemon(['watch', '--plain'], { cwd: folder, env: { CI: '', ...desktop.env, ...env } });
    return new Stage(desktop, daemon, app, folder, `http://127.0.0.1:${String(port)}`);
  }

  async app(): Promise<SampleApp> {
    const url = this.#url;
    return sampleApp(
      this.folder,
      () => Promise.resolve(url),
      () => Promise.resolve(),
    );
  }

  /** Pid of the worker that came by the `count`th re-attachment. */
  async reattached(count: number): Promise<number> {
    const target = await this.daemon.target(
      `re-attachment ${String(count)}`,
      (one) => ATTACHED(one) && one.reattach.count === count,
      { timeoutMs: 60_000 },
    );
    return target.worker?.pid ?? 0;
  }

  nth(number: number): Promise<Shown> {
    return this.desktop.nth(number, 30_000);
  }

  async end(): Promise<void> {
    await this.daemon.stop();
    await this.desktop[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

describe('notifications of wand watch', () => {
  let stage: Stage | null = null;

  afterEach(async () => {
    await stage?.end();
    stage = null;
  });

  it('debugger back, with the time; worker crashed, with its exception; five saves are one burst', async ({ skip }) => {
    skip(!installed);
    stage = await Stage.start({ notify: { blocked: false } });
    const { daemon, desktop, port } = stage;
    const app = await stage.app();
    await daemon.target('attached', ATTACHED, { timeoutMs: 60_000 });
    const editor = await connectEditor(port);
    await editor.attach({});

    await app.setFactor(4);
    const second = await stage.reattached(1);
    const back = await stage.nth(1);
    expect(back.summary).toMatch(/^app: debugger back in \d+(\.\d+)? m?s$/);
    expect(back).toMatchObject({
      app: 'debugwand',
      body: `worker ${String(second)} after a reload`,
      transient: true,
      urgency: 1,
    });

    const after = editor.mark();
    await app.edit((text) => `${text}\nraise ValueError("no <such> user")\n`);
    const crashed = await until(
      () => desktop.shown().find(({ summary }) => summary === 'app: worker crashed'),
      'the crash',
      30_000,
    );
    const target = await daemon.target('its end', ({ worker, lastEnd }) => worker === null && lastEnd !== null);
    const { lastEnd } = target;
    expect(lastEnd).toMatchObject({ crashed: true, exception: 'ValueError: no <such> user', signal: null });
    const pid = String(lastEnd?.pid);
    expect(crashed.body).toBe(`ValueError: no &lt;such&gt; user (worker ${pid})`);
    expect(target.message).toContain(`worker ${pid} ended: ValueError: no <such> user, waiting`);
    await editor.waitFor(
      'output',
      (body) => String(body['output']).startsWith(`worker ${pid} crashed: ValueError: no <such> user`),
      { after },
    );
    expect((await daemon.run('logs')).stdout).toContain(`worker ${pid} crashed: ValueError: no <such> user`);

    const before = { shown: desktop.shown().length, count: target.reattach.count };
    for (const factor of [5, 6, 7, 8]) await app.setFactor(factor);
    await app.edit((text) => text.replace(/raise .*\n/, ''));
    await app.answers();
    expect(await app.price(10)).toEqual({ total: 80 });
    const { reattach } = await daemon.target(
      'the last one',
      (one) => ATTACHED(one) && one.reattach.count > before.count,
      { timeoutMs: 60_000 },
    );
    // Each is told, and no more often than somebody can read.
    const told = await until(() => {
      const burst = desktop.shown().slice(before.shown);
      const times = burst.map(({ body }) => Number(/\((\d+) times\)/.exec(body)?.[1] ?? 1));
      return times.reduce((sum, one) => sum + one, 0) >= reattach.count - before.count && burst;
    }, 'the burst');
    expect(told.length).toBeLessThanOrEqual(2);
    editor.destroy();
  });

  it('blocked, with the fix; and nothing of the kinds that are not wanted', async ({ skip }) => {
    skip(!installed);
    stage = await Stage.start({ notify: { reattached: false } }, { PYTHON_DISABLE_REMOTE_DEBUG: '1' });
    const { error } = await stage.daemon.target('blocked', ({ phase }) => phase === 'blocked');
    const shown = await stage.nth(1);
    expect(shown.summary).toBe('app: blocked');
    expect(shown.body).toBe(`${error?.message ?? ''}. Fix: ${error?.fix ?? ''}`);
    expect(stage.desktop.shown()).toHaveLength(1);
  });

  it('a service that hangs holds up nothing, and nothing of it is left', async ({ skip }) => {
    skip(!installed);
    stage = await Stage.start({ notify: true });
    const { daemon, desktop } = stage;
    const app = await stage.app();
    await daemon.target('attached', ATTACHED, { timeoutMs: 60_000 });
    desktop.freeze();
    await app.setFactor(4);
    await until(() => desktop.clients().length > 0, 'who asks the service', 30_000);
    // It is still asked when the daemon is to go; by itself that would last 5 s, and 25 s for notify-send.
    const began = performance.now();
    expect(await daemon.stop()).toBe(0);
    expect(performance.now() - began).toBeLessThan(4_000);
    expect(desktop.clients()).toEqual([]);
  });

  it('a service that refuses is told of once, with the fix, and left alone', async ({ skip }) => {
    skip(!installed);
    stage = await Stage.start({ notify: true });
    const { daemon, desktop } = stage;
    await desktop.order('refuse');
    const app = await stage.app();
    await daemon.target('attached', ATTACHED, { timeoutMs: 60_000 });
    await app.setFactor(4);
    await until(() => daemon.output.includes('no notifications for five minutes'), 'word of it', 30_000);
    expect(daemon.output).toMatch(/said no: too many notifications\n +fix: /);
    await app.setFactor(5);
    await stage.reattached(2);
    expect(desktop.shown()).toHaveLength(1);
  });
});
