/** A pod of a test cluster as the stage of the target contract, entered with no more than the documented rights. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTarget } from '../../src/targets/index.ts';
import type { Ability, Deed, Stage } from '../contract/target.contract.ts';
import { IMAGES } from './images.ts';
import { kubeconfigFor } from './kubernetes-access.ts';
import type { Cluster } from './kubernetes-cluster.ts';
import { ctr } from './kubernetes-images.ts';
import type { Pod } from './pod-app.ts';
import { run } from './run.ts';
import { targetConfig } from './target-config.ts';
import { until } from './until.ts';

/** A pod is neither paused nor renamed, and an exec into it is its own user's. */
export const POD_ABILITIES: readonly Ability[] = ['helper', 'end', 'remove'];

const NAME = 'contract';
/** Ends at once while the gate is shut, so that a killed one stays dead although the kubelet starts it again. */
const GATED = 'import os, sys, time; os.path.exists("/gate/open") or sys.exit(1); time.sleep(1e6)';

export async function podStage(cluster: Cluster): Promise<Stage> {
  const { name: namespace, remove } = await cluster.namespace();
  const gate = await mkdtemp(join(tmpdir(), 'debugwand-gate-'));
  await chmod(gate, 0o755);
  const open = (): Promise<void> => writeFile(join(gate, 'open'), '');
  const start = (): Promise<void> => cluster.apply(manifest(namespace, gate));
  const status = async (): Promise<NonNullable<Pod['status']['containerStatuses']>[number] | undefined> => {
    const pod = await cluster.get<Pod>(`/api/v1/namespaces/${namespace}/pods/${NAME}`);
    return pod.status.containerStatuses?.[0];
  };
  await open();
  await start();
  const deeds: Partial<Record<Deed, () => Promise<unknown>>> = {
    kill: async () => {
      await rm(join(gate, 'open'));
      const before = await status();
      const id = before?.containerID?.replace('containerd://', '') ?? '';
      await run('ctr', [...ctr(cluster.state), 'tasks', 'kill', '--signal', 'SIGKILL', id]);
      // The kubelet starts it once more at once: until that one has met the gate, it runs for a moment.
      const down = async (): Promise<boolean> => {
        const now = await status();
        return now !== undefined && now.restartCount > (before?.restartCount ?? 0) && now.state?.running === undefined;
      };
      await until(down, 'the killed container stays down', 30_000);
    },
    startAgain: open,
    remove: () => cluster.kubectl('delete', 'pod', NAME, '-n', namespace),
    recreate: start,
  };
  const { path } = await kubeconfigFor(cluster, { namespace });
  const target = await createTarget(
    targetConfig({
      kind: 'kubernetes',
      workload: { kind: 'pod', name: NAME },
      namespace,
      kubeconfig: path,
      replica: 'newest',
      ephemeralContainers: 'allow',
      allowContexts: [],
    }),
    { log: { info: () => undefined }, projectRoot: '/', inheritStdio: false },
  );
  const running = async (): Promise<boolean> => (await status())?.ready === true;
  await until(running, 'the pod of the contract runs', 60_000);
  return {
    target,
    python: 'python3.14',
    whoAmI: ['python3.14', '-c', 'import os; print(os.getuid())'],
    execEndsWithIt: true,
    act: async (deed) => {
      const act = deeds[deed];
      if (act === undefined) throw new Error(`${deed} is nothing that is done to a pod`);
      await act();
    },
    strike: async () => {
      await remove();
      await rm(gate, { recursive: true, force: true });
    },
  };
}

function manifest(namespace: string, gate: string): object {
  const container = {
    name: 'app',
    image: IMAGES.python314,
    imagePullPolicy: 'Never',
    command: ['python3.14', '-c', GATED],
    volumeMounts: [{ name: 'gate', mountPath: '/gate' }],
  };
  const spec = {
    dnsPolicy: 'Default',
    terminationGracePeriodSeconds: 1,
    volumes: [{ name: 'gate', hostPath: { path: gate } }],
    containers: [container],
  };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: NAME, namespace }, spec };
}
