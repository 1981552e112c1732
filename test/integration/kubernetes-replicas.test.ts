/** Every pod of a Deployment at once, on a real cluster: sessions that go on through rollouts and scalings. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WorkerSlotReport } from '../../src/core/status.ts';
import { kubeconfigFor } from '../support/kubernetes-access.ts';
import type { Namespace } from '../support/kubernetes-cluster.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { getOrSkip } from '../support/machine.ts';
import { APP_PORT, startPodApp, type PodApp } from '../support/pod-app.ts';
import { ReplicasStage, type Place } from '../support/replicas-stage.ts';
import { suiteDeveloper } from '../support/suite-namespace.ts';
import { wand } from '../support/wand.ts';

const cluster = await getOrSkip(() => ensureKubernetes(['python314']));

/** No reloader: the worker is process 1 of each pod. */
const SERVE = ['uvicorn', 'app:app', '--host', '0.0.0.0', '--port', String(APP_PORT)];

async function placesOf(app: PodApp): Promise<Place[]> {
  const pods = await app.pods();
  return pods.map(({ metadata, status }) => {
    return { host: metadata.name, url: `http://${status.podIP ?? ''}:${String(APP_PORT)}` };
  });
}

describe.skipIf(cluster === undefined)('all pods of a deployment', () => {
  let space: Namespace;
  let app: PodApp;
  let stage: ReplicasStage;

  beforeAll(async () => {
    if (cluster === undefined) return;
    space = await cluster.namespace();
    const { path: kubeconfig } = await kubeconfigFor(cluster, { namespace: space.name });
    app = await startPodApp(cluster, { namespace: space.name, name: 'web', replicas: 2, command: SERVE });
    await app.scale(2);
    const kubernetes = { deployment: 'web', namespace: space.name, kubeconfig, replica: 'all' };
    stage = await ReplicasStage.start(app, { kubernetes }, () => placesOf(app));
  }, 180_000);

  afterAll(async () => {
    await stage.stop();
    await app.stop();
    await space.remove();
  });

  it('have a session each, named after its pod, and stop in it', async () => {
    const { replicas, workers, worker } = await stage.everywhere(2);
    expect(replicas.map(({ followed }) => followed)).toEqual([true, true]);
    expect(workers.map(({ pid, slot }) => [pid, slot])).toEqual([
      [1, 0],
      [1, 1],
    ]);
    const other = workers[1]?.replica.split('/')[0] ?? '';
    expect(worker?.replica).toBe(workers[0]?.replica);
    expect(stage.editor.asked.map(({ name }) => name)).toEqual([`${other}: worker 2`]);
    const { stdout } = await wand(['status'], { cwd: app.folder });
    for (const { replica } of workers) expect(stdout).toContain(`worker 1 in ${replica}: `);
    const sessions = await stage.hits();
    expect(new Set(sessions.values()).size).toBe(2);
    expect(sessions.get(other)).toBe(stage.editor.children.get(1));
  });

  it('keep both through a rollout, and stop in the new ones', async () => {
    const before = await stage.everywhere(2);
    await app.rollout();
    await stage.everywhere(2);
    // One move each. They count once the breakpoints are set.
    const isOnce = ({ reattach }: WorkerSlotReport, slot: number): boolean =>
      reattach.last?.reason === 'rollout' && reattach.count === (before.workers[slot]?.reattach.count ?? 0) + 1;
    await stage.daemon.target('both moved once', ({ workers }) => workers.every(isOnce));
    expect(new Set((await stage.hits()).values()).size).toBe(2);
    expect(stage.editor.asked).toHaveLength(1);
    await stage.editor.assertGood();
  });

  it('get one more when scaled up, and lose those that are scaled down', async () => {
    await app.scale(3);
    await stage.everywhere(3);
    expect(new Set((await stage.hits()).values()).size).toBe(3);
    expect(stage.editor.asked).toHaveLength(2);
    await app.scale(1);
    const { workers } = await stage.everywhere(1);
    expect(workers.map(({ slot }) => slot)).toEqual([0]);
    expect([...(await stage.hits()).values()]).toEqual([stage.editor.root]);
    await stage.editor.assertGood();
  });

  it('are switched between by name', async () => {
    await app.scale(2);
    const { workers } = await stage.everywhere(2);
    const [first = '', second = ''] = workers.map(({ replica }) => replica.split('/')[0]);
    const switched = (to: string): ReturnType<typeof wand> => wand(['switch', 'app', to], { cwd: app.folder });
    expect((await switched('1')).stderr).toContain(`app has several processes 1: ${first}:1`);
    expect((await switched(`${second}:1`)).stderr).toContain('has a debug session of its own');
    await stage.configure({ workers: 'one' });
    await stage.daemon.target('one session', (target) => target.workers.filter(({ session }) => session).length === 1);
    expect(await switched(`${second}:1`)).toMatchObject({ code: 0 });
    await stage.daemon.target(
      'switched',
      ({ phase, worker }) => phase === 'attached' && worker?.replica === `${second}/app`,
    );
    await stage.editor.attached(1);
    expect([...(await stage.hits(second)).values()]).toEqual([stage.editor.root]);
    await stage.editor.assertGood();
  });
});

describe.skipIf(cluster === undefined)('all pods', () => {
  const space = suiteDeveloper(cluster);

  it.each([
    ['of a StatefulSet, each made anew after the one before', 'StatefulSet', 1],
    ['of two workers each', 'Deployment', 2],
  ] as const)(
    '%s, keep their sessions through a rollout',
    async (_name, kind, each) => {
      if (cluster === undefined) return;
      const name = kind.toLowerCase();
      const command = [...SERVE, ...(each === 1 ? [] : ['--workers', String(each)])];
      const app = await startPodApp(cluster, { namespace: space.name, name, kind, replicas: 2, command });
      await app.scale(2);
      const target = { [name]: name, namespace: space.name, kubeconfig: space.kubeconfig, replica: 'all' };
      const stage = await ReplicasStage.start(app, { kubernetes: target }, () => placesOf(app));
      try {
        await stage.everywhere(2, each);
        await stage.hits();
        await app.rollout();
        await stage.daemon.target('all moved', ({ workers }) => workers.every(({ reattach }) => reattach.count > 0), {
          timeoutMs: 60_000,
        });
        await stage.everywhere(2, each);
        await stage.hits();
        expect(stage.editor.asked).toHaveLength(2 * each - 1);
        await stage.editor.assertGood();
      } finally {
        await stage.stop();
        await app.stop();
      }
    },
    240_000,
  );
});
