/** Workloads other than Deployments behind a Service, on a real cluster: which pod is meant, and that it is followed. */
import { describe, expect, it } from 'vitest';
import { IMAGES } from '../support/images.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { getOrSkip } from '../support/machine.ts';
import { APP_PORT, startPodApp } from '../support/pod-app.ts';
import { Rig } from '../support/rig.ts';
import { suiteNamespace } from '../support/suite-namespace.ts';
import { until } from '../support/until.ts';
import { wand } from '../support/wand.ts';

const cluster = await getOrSkip(() => ensureKubernetes(['python314']));

const SLEEPER = {
  name: 'app',
  image: IMAGES.python314,
  imagePullPolicy: 'Never',
  command: ['python', '-c', 'import time; time.sleep(1e6)'],
};
const template = (app: string, restartPolicy = 'Always'): object => ({
  metadata: { labels: { app } },
  spec: { dnsPolicy: 'Default', terminationGracePeriodSeconds: 1, restartPolicy, containers: [SLEEPER] },
});

describe.skipIf(cluster === undefined)('workloads', () => {
  const space = suiteNamespace(cluster);

  const kubectl = (...args: readonly string[]): Promise<string> =>
    cluster?.kubectl('-n', space.name, ...args) ?? Promise.reject(new Error('no cluster'));

  /** Replicas whose worker `wand ps` shows. */
  async function replicasOf(...args: readonly string[]): Promise<string[]> {
    const place = ['-n', space.name, '--kubeconfig', cluster?.kubeconfig ?? ''];
    return until(
      async () => {
        const { code, stdout } = await wand(['ps', ...args, '--json', ...place], { cwd: '/' });
        if (code !== 0) return null;
        const rows = JSON.parse(stdout) as { role: string; replica: string }[];
        return rows.filter(({ role }) => role === 'worker').map(({ replica }) => replica);
      },
      `\`wand ps ${args.join(' ')}\` shows a worker`,
      60_000,
    );
  }

  it('the pods of a DaemonSet', async () => {
    const spec = { selector: { matchLabels: { app: 'each' } }, template: template('each') };
    const metadata = { name: 'each', namespace: space.name };
    await cluster?.apply({ apiVersion: 'apps/v1', kind: 'DaemonSet', metadata, spec });
    expect(await replicasOf('ds/each')).toEqual([expect.stringMatching(/^each-\w+\/app$/)]);
  });

  it('the pod of the last run of a CronJob', async () => {
    const spec = { schedule: '0 0 1 1 *', jobTemplate: { spec: { template: template('night', 'Never') } } };
    const metadata = { name: 'night', namespace: space.name };
    await cluster?.apply({ apiVersion: 'batch/v1', kind: 'CronJob', metadata, spec });
    // Another job's pods are not its.
    await kubectl('create', 'job', 'alien', `--image=${IMAGES.python314}`, '--', ...SLEEPER.command);
    await kubectl('create', 'job', 'first', '--from=cronjob/night');
    expect(await replicasOf('cj/night')).toEqual([expect.stringMatching(/^first-\w+\/app$/)]);
  });

  it('a StatefulSet: its pod comes again under the same name, and the session goes on', async () => {
    if (cluster === undefined) return;
    const app = await startPodApp(cluster, { namespace: space.name, name: 'db', kind: 'StatefulSet' });
    const rig = await Rig.attachedToPod(app, { statefulset: 'db', kubeconfig: cluster.kubeconfig });
    try {
      expect(await rig.hit(10)).toMatchObject({ total: 30 });
      const { reattach } = await rig.attached();
      await rig.reattached(() => app.rollout(), 60_000);
      expect(await rig.hit(10)).toMatchObject({ total: 30 });
      const after = await rig.attached();
      expect(after.worker?.replica).toBe('db-0/app');
      expect(after.reattach.count).toBe(reattach.count + 1);
    } finally {
      await rig.stop();
    }
  });

  it('a Service of EndpointSlices alone leads to the pods that they name, and follows them', async () => {
    if (cluster === undefined) return;
    const app = await startPodApp(cluster, { namespace: space.name, name: 'web' });
    const slice = async (): Promise<object> => {
      const [pod] = await app.pods();
      const { name = '', uid = '' } = pod?.metadata ?? {};
      return {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: 'by-hand', namespace: space.name, labels: { 'kubernetes.io/service-name': 'by-hand' } },
        addressType: 'IPv4',
        ports: [{ name: 'http', port: APP_PORT }],
        endpoints: [
          {
            addresses: [pod?.status.podIP ?? ''],
            conditions: { ready: true },
            targetRef: { kind: 'Pod', name, uid, namespace: space.name },
          },
        ],
      };
    };
    const metadata = { name: 'by-hand', namespace: space.name };
    const spec = { ports: [{ name: 'http', port: 80, targetPort: APP_PORT }] };
    await cluster.apply({ apiVersion: 'v1', kind: 'Service', metadata, spec }, await slice());
    const rig = await Rig.attachedToPod(app, { service: 'by-hand', kubeconfig: cluster.kubeconfig });
    try {
      expect(await rig.hit(10)).toMatchObject({ total: 30 });
      await rig.reattached(async () => {
        await app.rollout();
        await cluster.apply(await slice());
      }, 60_000);
      expect(await rig.hit(10)).toMatchObject({ total: 30 });
    } finally {
      await rig.stop();
    }
  });
});
