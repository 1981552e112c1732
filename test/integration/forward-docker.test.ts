/** The port of an app in a container that publishes none, over everything that happens to the container. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureDocker } from '../support/docker.ts';
import { call, dial, load } from '../support/forward-app.ts';
import { IMAGES } from '../support/images.ts';
import { getOrSkip } from '../support/machine.ts';
import { Rig } from '../support/rig.ts';
import { freePort, startContainerApp, type ContainerApp } from '../support/sample-app.ts';
import { uniqueName } from '../support/target-stage.ts';
import { until } from '../support/until.ts';

const docker = await getOrSkip(() => ensureDocker(['python314']));

describe.skipIf(docker === undefined)('the forwarded port of a container', () => {
  const name = uniqueName('forward');
  let app: ContainerApp;
  let rig: Rig;
  let port: number;

  const price = (n: number): { path: string; right: (body: string) => boolean } => ({
    path: `/price/${String(n)}`,
    // The factor changes with a reload: three or four times.
    right: (body) => body === `{"total":${String(n * 3)}}` || body === `{"total":${String(n * 4)}}`,
  });
  const answers = (): Promise<unknown> =>
    until(
      async () => (await call({ port, path: '/price/2' }).catch(() => null))?.status === 200,
      'the app answers',
      60_000,
    );

  beforeAll(async () => {
    if (docker === undefined) return;
    app = await startContainerApp(docker, { image: IMAGES.python314, name });
    port = await freePort();
    rig = await Rig.start(app, { docker: { container: name }, forward: [`${String(port)}:8000`] });
    await rig.attached();
  });
  afterAll(async () => {
    await rig.stop();
  });

  it('leads to the app', async () => {
    expect(await call({ port, path: '/price/14' })).toMatchObject({ status: 200, body: '{"total":42}' });
    const { forwards } = await rig.status('ready', (target) => target.forwards[0]?.state === 'ready');
    expect(forwards).toMatchObject([{ localPort: port, remotePort: 8000, state: 'ready', message: `to ${name}` }]);
  });

  it('answers over reloads; a worker on its way out may close what it took and did not read', async () => {
    const [clients, factors] = [4, [4, 3, 4]];
    const stop = load(port, clients, price);
    for (const factor of factors) {
      const { reattach } = await rig.attached();
      await app.setFactor(factor);
      await rig.status('reattached', (target) => target.reattach.count > reattach.count, 30_000);
    }
    const { right, unavailable, wrong, cut } = await stop();
    expect(right).toBeGreaterThan(4);
    expect({ unavailable, wrong }).toEqual({ unavailable: 0, wrong: [] });
    expect(cut.length).toBeLessThanOrEqual(clients * factors.length);
  });

  it('answers over a restart and a new container; only what was under way is cut', async () => {
    const clients = 4;
    const stop = load(port, clients, price);
    const happenings = [
      (): Promise<unknown> => app.docker('restart', '-t', '1', name),
      (): Promise<void> => app.recreate(),
    ];
    for (const happen of happenings) {
      await happen();
      await answers();
    }
    // An app that takes longer than 10 s to come back has its clients told so.
    const { right, wrong, cut, longest } = await stop();
    expect(wrong).toEqual([]);
    expect(right).toBeGreaterThan(4);
    // Each client may have lost the one that a worker had, and the one that waited to be taken when the app was killed.
    expect(cut.length).toBeLessThanOrEqual(2 * clients * happenings.length);
    expect(longest).toBeLessThan(11_000);
  });

  it('is free with `wand stop`, at once, whatever is open', async () => {
    const sockets = await Promise.all(Array.from({ length: 200 }, () => dial(port)));
    const left = rig.leave();
    const gone = (): boolean => sockets.every((socket) => socket.destroyed || socket.readableEnded);
    await until(gone, 'every client knows', 2_000);
    await expect(dial(port)).rejects.toThrow('ECONNREFUSED');
    expect(await left).toBe(0);
    expect(await app.docker('exec', name, 'sh', '-c', 'cat /proc/*/cmdline | tr "\\0" " "')).not.toContain('debugwand');
  });
});
