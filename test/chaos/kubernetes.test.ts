/** What carries a cluster goes, one part after the other, and comes back: the editor's session goes on through all of it. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startPrivateCluster } from '../support/kubernetes.ts';
import type { Cluster } from '../support/kubernetes-cluster.ts';
import { getOrSkip } from '../support/machine.ts';
import { startPodApp, type PodApp } from '../support/pod-app.ts';
import { lookAt, Rig, type Stop } from '../support/rig.ts';
import { until } from '../support/until.ts';

const cluster: Cluster | undefined = await getOrSkip(() => startPrivateCluster({ images: ['python314'] }));

describe.skipIf(cluster === undefined)('a cluster', () => {
  let app: PodApp;
  let rig: Rig;

  const its = (): Cluster => {
    if (cluster === undefined) throw new Error('no cluster');
    return cluster;
  };
  const begin = async (settings: object): Promise<void> => {
    const { kubeconfig } = its();
    rig = await Rig.start(app, { kubernetes: { service: 'web', namespace: 'default', kubeconfig } }, settings);
    await rig.attached();
    await rig.attach();
  };

  beforeAll(async () => {
    app = await startPodApp(its(), { namespace: 'default', name: 'web' });
  }, 300_000);
  afterAll(async () => {
    await cluster?.remove();
  }, 120_000);
  // Fails when the editor's session ended, or a request got no answer or two.
  afterEach(() => rig.leave());

  /** Sends a request that stops at the breakpoint. */
  const stopped = async (): Promise<{ stop: Stop; answer: Promise<{ total: number }> }> => {
    await app.answers();
    const after = rig.editor.mark();
    const answer = app.price(7);
    const event = await rig.editor.waitFor('stopped', undefined, { after, timeoutMs: 20_000 });
    return { stop: await lookAt(rig.editor, event), answer };
  };
  /** The same stop is there: nothing ran meanwhile. */
  const goOn = async ({ stop, answer }: Awaited<ReturnType<typeof stopped>>): Promise<void> => {
    const { variables } = await rig.editor.request<{ variables: { name: string; value: string }[] }>('variables', {
      variablesReference: stop.scope,
    });
    expect(Object.fromEntries(variables.map(({ name, value }) => [name, value]))).toEqual(stop.variables);
    await rig.editor.request('continue', { threadId: stop.threadId });
    expect(await answer).toEqual({ total: 21 });
    expect((await rig.attached()).reattach.count).toBe(0);
  };
  const cut = (): Promise<unknown> =>
    rig.status('the daemon noticed', ({ message }) => /cut|connection|reach|answer/.test(message), 60_000);

  test('the API server is killed while the worker is stopped: the stop is the same afterwards', async () => {
    await begin({});
    const stop = await stopped();
    await its().apiServer.kill();
    await cut();
    // Asked while there is no way: answered when there is one.
    const asked = rig.editor.request<{ stackFrames: { line: number }[] }>('stackTrace', {
      threadId: stop.stop.threadId,
    });
    await its().apiServer.start();
    const { stackFrames } = await asked;
    expect(stackFrames[0]?.line).toBe(stop.stop.line);
    await goOn(stop);
    expect((await rig.hit()).total).toBe(42);
  });

  test('the API server freezes while the worker is stopped', async () => {
    await begin({});
    const stop = await stopped();
    await its().apiServer.freeze();
    try {
      await cut();
    } finally {
      await its().apiServer.thaw();
    }
    await goOn(stop);
  });

  test('the kubelet is killed while the worker is stopped', async () => {
    await begin({});
    const stop = await stopped();
    await its().kubelet.kill();
    await its().kubelet.start();
    await until(() => its().nodeReady(), 'the node is ready', 60_000);
    await goOn(stop);
  });

  test('a lease ends: the app runs on without a daemon, and is attached again when there is a way', async () => {
    await begin({ lease: 3 });
    const { answer } = await stopped();
    await its().apiServer.kill();
    expect(await answer).toEqual({ total: 21 });
    await rig.reattached(() => its().apiServer.start(), 60_000);
    expect((await rig.hit()).total).toBe(42);
  });

  test('a rollout while nobody could look, and a history that etcd forgot', async () => {
    await begin({});
    await its().apiServer.kill();
    await cut();
    await its().apiServer.start();
    await until(() => its().ready(), 'the API server is ready', 60_000);
    await its().compact();
    await rig.reattached(() => app.rollout(), 60_000);
    expect((await rig.attached()).reattach.last?.reason).toBe('rollout');
    expect((await rig.hit()).total).toBe(42);
  });

  test('the node is drained: waited for, and attached when it is back', async () => {
    await begin({});
    await its().kubectl('drain', 'localhost', '--force', '--ignore-daemonsets', '--delete-emptydir-data');
    await rig.status('no pod can run', ({ phase, message }) => phase === 'waiting' && /schedul/i.test(message), 60_000);
    await rig.reattached(() => its().kubectl('uncordon', 'localhost'), 60_000);
    expect((await rig.hit()).total).toBe(42);
  });
});
