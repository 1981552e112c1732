/** The port of an app in pods, over rollouts and deleted pods, on a real cluster and with the documented rights. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, dial, load, type Load } from '../support/forward-app.ts';
import { kubeconfigFor } from '../support/kubernetes-access.ts';
import type { Namespace } from '../support/kubernetes-cluster.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { freePort, getOrSkip } from '../support/machine.ts';
import { APP_PORT, startPodApp, type PodApp } from '../support/pod-app.ts';
import { Rig } from '../support/rig.ts';
import { until } from '../support/until.ts';

const cluster = await getOrSkip(() => ensureKubernetes(['python314']));

describe.skipIf(cluster === undefined)('the forwarded ports of a deployment', () => {
  let space: Namespace;
  let app: PodApp;
  let rig: Rig;
  let byName: number;
  let byNumber: number;

  beforeAll(async () => {
    if (cluster === undefined) return;
    space = await cluster.namespace();
    const { path: kubeconfig } = await kubeconfigFor(cluster, { namespace: space.name });
    app = await startPodApp(cluster, {
      namespace: space.name,
      name: 'web',
      container: { ports: [{ name: 'http', containerPort: APP_PORT }] },
    });
    [byName, byNumber] = [await freePort(), await freePort()];
    rig = await Rig.start(app, {
      kubernetes: { deployment: 'web', namespace: space.name, kubeconfig },
      forward: [`${String(byName)}:http`, `${String(byNumber)}:${String(APP_PORT)}`],
    });
    await rig.attached();
  }, 120_000);

  afterAll(async () => {
    await rig.stop();
    await space.remove();
  });

  const price = (n: number): { path: string; right: (body: string) => boolean } => ({
    path: `/price/${String(n)}`,
    right: (body) => body === `{"total":${String(n * 3)}}`,
  });
  /** What clients of the port by name see while something happens, and until the app answers after it. */
  const during = async (happens: () => Promise<unknown>): Promise<Load> => {
    const stop = load(byName, 4, price);
    await happens();
    const answers = async (): Promise<boolean> =>
      (await call({ port: byNumber, path: '/price/2' }).catch(() => null))?.status === 200;
    await until(answers, 'the app answers', 60_000);
    return stop();
  };

  it('lead to the app, by name and by number', async () => {
    for (const port of [byName, byNumber])
      expect(await call({ port, path: '/price/14' })).toMatchObject({ status: 200, body: '{"total":42}' });
    const { forwards } = await rig.status('ready', (t) => t.forwards.every(({ state }) => state === 'ready'));
    const [pod] = await app.pods();
    const message = `to ${pod?.metadata.name ?? ''}/app`;
    expect(forwards).toMatchObject([
      { localPort: byName, remotePort: 'http', message },
      { localPort: byNumber, remotePort: APP_PORT, message },
    ]);
  });

  it('answer every request over a rollout; only what was under way in the old pod is cut', async () => {
    const { right, wrong, cut, longest } = await during(() => app.rollout());
    expect(wrong).toEqual([]);
    expect(right).toBeGreaterThan(4);
    // Of each client the one that the app had, and the one that waited to be taken.
    expect(cut.length).toBeLessThanOrEqual(8);
    expect(longest).toBeLessThan(11_000);
    const [pod] = await app.pods();
    const { forwards } = await rig.status('ready', (t) => t.forwards.every(({ state }) => state === 'ready'));
    expect(forwards[0]?.message).toBe(`to ${pod?.metadata.name ?? ''}/app`);
  });

  it('answer every request over a deleted pod', async () => {
    const { right, wrong, cut } = await during(() => app.deletePod());
    expect(wrong).toEqual([]);
    expect(right).toBeGreaterThan(4);
    expect(cut.length).toBeLessThanOrEqual(8);
  });

  it('have a clear 503 for whoever asks while no pod is there', { timeout: 60_000 }, async () => {
    await app.kubectl('scale', 'deployment/web', '--replicas=0');
    await rig.status('gone', (t) => t.forwards[0]?.state === 'waiting', 30_000);
    const { status, body } = await call({ port: byName, path: '/price/2' });
    expect(status).toBe(503);
    expect(body).toMatch(/^debugwand: port \d+ leads nowhere yet: .*web/);
    await app.kubectl('scale', 'deployment/web', '--replicas=1');
    const answers = async (): Promise<boolean> => (await call({ port: byName, path: '/price/2' })).status === 200;
    await until(answers, 'the app answers', 60_000);
  });

  it('carry 200 connections at once, none lost', async () => {
    const all = Array.from({ length: 200 }, (_, n) => call({ port: byName, path: `/price/${String(n)}` }));
    expect((await Promise.all(all)).map(({ body }) => body)).toEqual(all.map((_, n) => `{"total":${String(n * 3)}}`));
  });

  it('are free when the daemon is gone', async () => {
    const sockets = await Promise.all(Array.from({ length: 50 }, () => dial(byName)));
    const left = rig.leave();
    await until(() => sockets.every((socket) => socket.destroyed || socket.readableEnded), 'every client knows');
    await expect(dial(byName)).rejects.toThrow('ECONNREFUSED');
    expect(await left).toBe(0);
    const [pod] = await app.pods();
    const seen = await app.kubectl(
      'exec',
      pod?.metadata.name ?? '',
      '--',
      'sh',
      '-c',
      'cat /proc/*/cmdline | tr "\\0" " "',
    );
    expect(seen).not.toContain('debugwand');
  });
});
