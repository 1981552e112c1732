/**
 * Kubernetes for the tests: a real one (API server, controllers, scheduler, kubelet, etcd, containerd) of one node on this
 * machine. One cluster is shared by all ordinary tests and stays up between them; a test that breaks things gets its own.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { locked } from './cache.ts';
import type { ImageName } from './images.ts';
import { Cluster, installRuntime } from './kubernetes-cluster.ts';
import { isAlive } from './kubernetes-daemon.ts';
import { freeSubnet } from './kubernetes-network.ts';
import { kubernetesPrograms } from './kubernetes-programs.ts';
import type { ClusterState } from './kubernetes-settings.ts';
import { run } from './run.ts';
import { freePort, isRoot, Lacking, testbedDir } from './machine.ts';

/** Of all clusters: their sockets, logs and states. */
export const RUN = '/run/debugwand-testbed/kubernetes';
const SHARED = join(RUN, 'shared');

/** Makes sure that a cluster can be started here; the first time it builds the programs, which takes minutes. */
export async function prepareKubernetes(): Promise<string> {
  if (!isRoot || process.platform !== 'linux')
    throw new Lacking('a Kubernetes cluster', 'Run the tests as root on Linux (in a container of its own is enough).');
  return kubernetesPrograms();
}

/** The cluster for all ordinary tests, with these images; started unless it runs, started again if it is half dead. */
export async function ensureKubernetes(images: readonly ImageName[] = []): Promise<Cluster> {
  const programs = await prepareKubernetes();
  return locked('kubernetes', async () => {
    const there = await Cluster.at(SHARED);
    if (there !== undefined && there.state.programs === programs && (await there.healthy())) {
      await there.ensureImages(images);
      return there;
    }
    await there?.remove();
    return startCluster('shared', { programs }, images);
  });
}

/** The shared cluster if one is there, in whatever state; it is neither started nor changed. */
export async function sharedCluster(): Promise<Cluster | undefined> {
  return Cluster.at(SHARED);
}

/** Ends the shared cluster and all that it had; false when there was none. */
export async function stopSharedCluster(): Promise<boolean> {
  return locked('kubernetes', async () => {
    const there = await Cluster.at(SHARED);
    await there?.remove();
    return there !== undefined;
  });
}

export interface PrivateOptions {
  readonly images?: readonly ImageName[];
  /** Seconds after which the API server may end a watch; half an hour is its own default. */
  readonly minRequestTimeout?: number;
}

/** A second cluster, beside the shared one, that belongs to one test: it may kill, freeze and restart its programs. */
export async function startPrivateCluster({ images = [], minRequestTimeout }: PrivateOptions = {}): Promise<Cluster> {
  const programs = await prepareKubernetes();
  await removeAbandonedClusters();
  const name = `private-${String(process.pid)}-${Math.random().toString(36).slice(2, 6)}`;
  const settings = { programs, owner: process.pid, ...(minRequestTimeout === undefined ? {} : { minRequestTimeout }) };
  return startCluster(name, settings, images);
}

/** Ends the private clusters whose tests died. */
export async function removeAbandonedClusters(): Promise<void> {
  for (const name of await readdir(RUN).catch(() => [])) {
    const cluster = name === 'shared' ? undefined : await Cluster.at(join(RUN, name));
    if (cluster?.state.owner === undefined || isAlive(cluster.state.owner)) continue;
    await locked(`kubernetes-${name}`, () => cluster.remove());
  }
}

async function startCluster(
  name: string,
  settings: Pick<ClusterState, 'programs' | 'owner' | 'minRequestTimeout'>,
  images: readonly ImageName[],
): Promise<Cluster> {
  const ports = await Promise.all([freePort(), freePort(), freePort(), freePort(), freePort()]);
  const [api, etcd, etcdPeer, kubelet, kubeletHealth] = ports;
  const folders = { run: join(RUN, name), data: join(testbedDir, 'kubernetes', name) };
  await installRuntime();
  const cluster = await locked('kubernetes-network', async () => {
    const subnet = await freeSubnet();
    const bridge = `wand-${subnet.split('.')[1] ?? ''}`;
    const all = { api, etcd, etcdPeer, kubelet, kubeletHealth };
    // After a crash of the whole machine there may be data of a cluster that nobody knows.
    await run('rm', ['-rf', '--one-file-system', folders.data]);
    const starting = new Cluster({ name, ...folders, subnet, bridge, ports: all, ...settings });
    await starting.claim();
    return starting;
  });
  await cluster.start(images);
  return cluster;
}
