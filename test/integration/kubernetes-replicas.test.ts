/** Every pod of a Deployment at once, on a real cluster: sessions that go on through rollouts and scalings. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubeconfigFor } from '../support/kubernetes-access.ts';
import type { Namespace } from '../support/kubernetes-cluster.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { getOrSkip } from '../support/machine.ts';
import { APP_PORT, startPodApp, type PodApp } from '../support/pod-app.ts';
import { ReplicasStage, type Place } from '../support/replicas-stage.ts';
import { wand } from '../support/wand.ts';

const cluster = await getOrSkip(() => ensureKubernetes(['python314']));

/** No reloader: the worker is process 1 of each pod. */
const SERVE = ['uvicorn', 'app:app', '--host', '0.0.0.0', '--port', String(APP_PORT)];

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
    const places = async (): Promise<Place[]> =>
      (await app.pods()).map(({ metadata, status }) => ({
        host: metadata.name,
        url: `http://${status.podIP ?? ''}:${String(APP_PORT)}`,
      }));
    const kubernetes = { deployment: 'web', namespace: space.name, kubeconfig, replica: 'all' };
    stage = await ReplicasStage.start(app, { kubernetes }, places);
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
    const sessions = await stage.hits();
    expect(new Set(sessions.values()).size).toBe(2);
    expect(sessions.get(other)).toBe(stage.editor.children.get(1));
  });

  it('keep both through a rollout, and stop in the new ones', async () => {
    const before = await stage.everywhere(2);
    await app.rollout();
    const after = await stage.everywhere(2);
    for (const [slot, { reattach }] of after.workers.entries()) {
      expect(reattach.last?.reason).toBe('rollout');
      expect(reattach.count).toBe((before.workers[slot]?.reattach.count ?? 0) + 1);
    }
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

  it('are switched between by name, where there is one session for all', async () => {
    await app.scale(2);
    const { workers } = await stage.everywhere(2);
    const [first = '', second = ''] = workers.map(({ replica }) => replica.split('/')[0]);
    const options = { cwd: app.folder };
    expect((await wand(['switch', 'app', '1'], options)).stderr).toContain(`app has several processes 1: ${first}:1`);
    const taken = await wand(['switch', 'app', `${second}:1`], options);
    expect(taken.stderr).toContain(`worker ${second}:1 of app has a debug session of its own`);
  });
});
