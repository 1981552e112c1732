/** The test cluster itself: it runs what tests need, gives no more rights than asked for, and leaves nothing when it ends. */
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { describe, expect, test } from 'vitest';
import { ensureKubernetes, startPrivateCluster } from '../support/kubernetes.ts';
import { kubeconfigFor } from '../support/kubernetes-access.ts';
import { getOrSkip } from '../support/machine.ts';
import { APP_PORT, startPodApp } from '../support/pod-app.ts';
import { run } from '../support/run.ts';
import { until } from '../support/until.ts';

const cluster = await getOrSkip(() => ensureKubernetes(['python314']));

describe.skipIf(cluster === undefined)('the test cluster', () => {
  test('a deployment serves, follows its folder, and is replaced by a rollout', async () => {
    if (cluster === undefined) return;
    const namespace = await cluster.namespace();
    const app = await startPodApp(cluster, { namespace: namespace.name, name: 'api' });
    expect(await app.price(14)).toEqual({ total: 42 });
    await app.setFactor(5);
    const cheaper = async (): Promise<boolean> => (await app.price(14).catch(() => undefined))?.total === 70;
    await until(cheaper, 'the save reloaded the app', 30_000);
    const [before] = await app.pods();
    await app.rollout();
    const after = await app.pods();
    expect(after).toHaveLength(1);
    expect(after[0]?.metadata.uid).not.toBe(before?.metadata.uid);
    await app.answers();
    expect(await app.price(14)).toEqual({ total: 70 });
    await app.stop();
    await namespace.remove();
  });

  test('an account has the documented rights in its namespace, and none elsewhere', async () => {
    if (cluster === undefined) return;
    const namespace = await cluster.namespace();
    const app = await startPodApp(cluster, { namespace: namespace.name, name: 'api' });
    const { path } = await kubeconfigFor(cluster, { namespace: namespace.name, execPlugin: true });
    const kubectl = (...args: readonly string[]): Promise<string> =>
      run(cluster.kubectlProgram, ['--kubeconfig', path, ...args]);
    const code = 'import os; print(os.getuid())';
    expect((await kubectl('exec', 'deployment/api', '--', 'python3.14', '-c', code)).trim()).toBe('0');
    await expect(kubectl('get', 'secrets')).rejects.toThrow(/Forbidden/);
    await expect(kubectl('get', 'pods', '-n', 'default')).rejects.toThrow(/Forbidden/);
    await expect(kubectl('delete', 'deployment', 'api')).rejects.toThrow(/Forbidden/);
    await app.stop();
    await namespace.remove();
  });

  test('one of a test’s own runs beside it, survives the kill of its API server, and leaves nothing', async () => {
    if (cluster === undefined) return;
    const own = await startPrivateCluster({ images: ['python314'] });
    const ids: string[] = [];
    try {
      const namespace = await own.namespace();
      const app = await startPodApp(own, { namespace: namespace.name, name: 'api' });
      await own.apiServer.kill();
      expect(await own.ready()).toBe(false);
      await own.apiServer.start();
      await until(() => own.ready(), 'the API server is back', 60_000);
      const [pod] = await app.pods();
      expect(app.url).toBe(`http://${pod?.status.podIP ?? ''}:${String(APP_PORT)}`);
      for (const { containerID = '' } of pod?.status.containerStatuses ?? [])
        ids.push(containerID.split('//')[1] ?? '');
    } finally {
      await own.remove();
    }
    const { name, bridge, run, data } = own.state;
    expect(ids).toHaveLength(1);
    expect(ids.flatMap((id) => globSync(`/sys/fs/cgroup/{,*/}k8s.io/${id}`))).toEqual([]);
    expect([run, data].filter((folder) => existsSync(folder))).toEqual([]);
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(name);
    expect(Object.keys(networkInterfaces())).not.toContain(bridge);
    expect(readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandOf(pid).includes(name))).toEqual([]);
    expect(globSync(`/var/lib/cni/results/*${name}*`)).toEqual([]);
    expect(globSync(`/var/log/containers/*${ids[0] ?? ''}*`)).toEqual([]);
    // The shared one did not notice.
    expect(await cluster.healthy()).toBe(true);
  });
});

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
