/** The way to the cluster is cut while a pod's worker is stopped: a cut is not an end. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Proxy } from '../support/engine-proxy.ts';
import { assertGoodSession } from '../support/invariants.ts';
import { kubeconfigFor } from '../support/kubernetes-access.ts';
import type { Namespace } from '../support/kubernetes-cluster.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { freePort, getOrSkip } from '../support/machine.ts';
import { startPodApp, type PodApp } from '../support/pod-app.ts';
import { lookAt, Rig, type Stop } from '../support/rig.ts';
import { BREAKPOINT_LINE } from '../support/sample-app.ts';
import { until } from '../support/until.ts';

const cluster = await getOrSkip(() => ensureKubernetes(['python314']));

const CUT_MS = 30_000;

describe.skipIf(cluster === undefined)('the way to the API server is cut', () => {
  let space: Namespace;
  let app: PodApp;
  let proxy: Proxy;
  let rig: Rig;

  async function start(lease: number): Promise<void> {
    if (cluster === undefined) return;
    space = await cluster.namespace();
    const { path } = await kubeconfigFor(cluster, { namespace: space.name });
    app = await startPodApp(cluster, { namespace: space.name, name: 'web' });
    const port = await freePort();
    const server = new URL(cluster.server);
    proxy = await Proxy.start({ host: server.hostname, port: Number(server.port) }, port);
    const kubeconfig = join(app.folder, 'kubeconfig');
    await writeFile(
      kubeconfig,
      (await readFile(path, 'utf8')).replaceAll(cluster.server, `https://127.0.0.1:${String(port)}`),
    );
    rig = await Rig.start(app, { kubernetes: { service: 'web', namespace: space.name, kubeconfig }, lease });
    await rig.attached();
    await rig.attach();
  }

  afterEach(async () => {
    await rig.stop();
    await proxy.down();
    await space.remove();
  });

  async function stopped(): Promise<{ answer: Promise<{ total: number }>; stop: Stop }> {
    const after = rig.editor.mark();
    const answer = app.price(5);
    answer.catch(() => undefined);
    return { answer, stop: await lookAt(rig.editor, await rig.editor.waitFor('stopped', undefined, { after })) };
  }

  /** Command lines of all that runs in the pod, and the sockets of its network namespace. */
  const inside = (): Promise<string> =>
    app.kubectl(
      'exec',
      'deployment/web',
      '--',
      'sh',
      '-c',
      'for f in /proc/[0-9]*/cmdline; do tr "\\0" " " <$f; echo; done; cat /proc/net/unix; ls -A /tmp /dev/shm',
    );

  it('for 30 s: the stop is still the same stop', { timeout: 180_000 }, async () => {
    await start(60);
    const { answer, stop } = await stopped();
    const mark = rig.editor.mark();
    const cut = performance.now();
    await proxy.down();
    const { phase, message } = await rig.status('cut', (target) => /is cut/.test(target.message));
    expect(phase).toBe('stopped');
    expect(message).toMatch(/^the connection into web-.* is cut; the worker is kept for \d+ s$/);
    await until(() => performance.now() - cut > CUT_MS - 10_000, 'most of it', CUT_MS);
    const asked = rig.editor.request<{ stackFrames: { line: number }[] }>('stackTrace', { threadId: stop.threadId });
    await until(() => performance.now() - cut > CUT_MS, 'all of it', CUT_MS);
    await proxy.up();
    expect((await asked).stackFrames[0]?.line).toBe(BREAKPOINT_LINE);
    const { variables } = await rig.editor.request<{ variables: { name: string; value: string }[] }>('variables', {
      variablesReference: stop.scope,
    });
    expect(Object.fromEntries(variables.map(({ name, value }) => [name, value]))).toEqual(stop.variables);
    const told = rig.editor.received.slice(mark).map(({ event }) => event);
    expect(told).not.toContain('continued');
    await rig.editor.request('continue', { threadId: stop.threadId });
    expect(await answer).toEqual({ total: 15 });
    await assertGoodSession(rig.editor);
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
    expect(await app.restarts()).toBe(0);
  });

  it(
    'for longer than the lease: the app runs on, and nothing of ours is left in the pod',
    { timeout: 180_000 },
    async () => {
      await start(2);
      const { answer } = await stopped();
      await proxy.down();
      expect(await answer).toEqual({ total: 15 });
      await until(async () => !(await inside()).includes('debugwand'), 'nothing of ours is left', 20_000);
      await rig.reattached(() => proxy.up(), 60_000);
      expect(await rig.hit(5)).toMatchObject({ total: 15 });
    },
  );
});
