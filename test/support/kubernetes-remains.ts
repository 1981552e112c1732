/**
 * What a cluster's programs leave on the machine when they end, or are killed: pods whose shims hold them, mounts, network
 * namespaces, cgroups, the bridge, sockets. Here it all goes, however the cluster came to its end.
 */
import { readdir, readFile, realpath, rm, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { removeBridge } from './kubernetes-network.ts';
import { pathsOf, type ClusterState } from './kubernetes-settings.ts';
import { attempt } from './run.ts';
import { until } from './until.ts';

const CGROUPS = '/sys/fs/cgroup';
/** Where programs put things whatever they are told. */
const CNI_RESULTS = '/var/lib/cni/results';
const POD_LOG_LINKS = '/var/log/containers';
const KUBELET_HOME = '/var/lib/kubelet';

/** Called when the programs have ended. */
export async function removeRemains(state: ClusterState): Promise<void> {
  const paths = pathsOf(state);
  const bundles = join(paths.containerdState, 'io.containerd.runtime.v2.task/k8s.io');
  const ids = await list(bundles);
  const sockets = await Promise.all(ids.map((id) => readFile(join(bundles, id, 'address'), 'utf8').catch(() => '')));
  await endPods(paths.containerdSocket, ids);
  await unmountBelow(state.run);
  await unmountBelow(state.data);
  for (const socket of sockets)
    if (socket.startsWith('unix:///')) await rm(socket.slice('unix://'.length), { force: true });
  await removeCgroups(ids);
  await removeBridge(state.bridge);
  await removeStrays(state, ids);
}

/** Ends the shims, which would report to a containerd that is gone, and all that is in the containers' cgroups. */
async function endPods(socket: string, ids: readonly string[]): Promise<void> {
  await until(
    async () => {
      const left = [...(await shimsOf(socket)), ...(await membersOf(ids))];
      for (const pid of left) tryKill(pid);
      return left.length === 0;
    },
    'the pods of the cluster end',
    30_000,
  );
}

async function shimsOf(socket: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await list('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const words = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (words[0]?.endsWith('containerd-shim-runc-v2') === true && words.includes(socket)) found.push(Number(name));
  }
  return found;
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was quicker.
  }
}

/** Every process in the cgroups of these containers, in any hierarchy. */
async function membersOf(ids: readonly string[]): Promise<number[]> {
  const pids = new Set<number>();
  for (const folder of await cgroupsOf(ids)) {
    const text = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '');
    for (const line of text.split('\n')) if (line !== '') pids.add(Number(line));
  }
  const alive: number[] = [];
  for (const pid of pids) {
    const status = await readFile(`/proc/${String(pid)}/status`, 'utf8').catch(() => 'State:\tX');
    if (!/^State:\s+[XZ]/m.test(status)) alive.push(pid);
  }
  return alive;
}

/** The folders of these containers' cgroups and of those below, in all hierarchies, the inner ones first. */
async function cgroupsOf(ids: readonly string[]): Promise<string[]> {
  const folders: string[] = [];
  const descend = async (folder: string): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
    if (entries === undefined) return;
    for (const entry of entries) if (entry.isDirectory()) await descend(join(folder, entry.name));
    folders.push(folder);
  };
  for (const hierarchy of await hierarchies()) for (const id of ids) await descend(join(hierarchy, id));
  return folders;
}

/** Where containerd puts the cgroups of pods: with version 2 one folder, before one for each controller. */
async function hierarchies(): Promise<string[]> {
  return [CGROUPS, ...(await list(CGROUPS)).map((name) => join(CGROUPS, name))].map((root) => join(root, 'k8s.io'));
}

async function removeCgroups(ids: readonly string[]): Promise<void> {
  // The kernel lets go of a dead process a moment after it died.
  await until(
    async () => {
      const folders = await cgroupsOf(ids);
      for (const folder of folders) await rmdir(folder).catch(() => undefined);
      return folders.length === 0;
    },
    'the cgroups of the cluster are empty',
    10_000,
  );
  // Another cluster may have pods in it.
  for (const hierarchy of await hierarchies()) await rmdir(hierarchy).catch(() => undefined);
}

/** Volumes, root file systems and network namespaces: nothing may be removed across a mount. */
async function unmountBelow(folder: string): Promise<void> {
  // /var/run is a link, and mounts are listed by their real paths.
  const real = await realpath(folder).catch(() => folder);
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
  for (const mount of mounts.filter((path) => path.startsWith(`${real}/`)).toReversed()) {
    await attempt('umount', ['--lazy', mount]);
  }
}

async function removeStrays(state: ClusterState, ids: readonly string[]): Promise<void> {
  for (const name of await list(CNI_RESULTS)) {
    if (ids.some((id) => name.includes(id)) || name.startsWith(`debugwand-${state.name}-`)) {
      await rm(join(CNI_RESULTS, name), { force: true });
    }
  }
  for (const name of await list(POD_LOG_LINKS)) {
    if (ids.some((id) => name.includes(id))) await unlink(join(POD_LOG_LINKS, name)).catch(() => undefined);
  }
  // Only if nobody else has anything there.
  const plugins = join(KUBELET_HOME, 'device-plugins');
  const others = (await list(plugins)).some((name) => name !== 'DEPRECATION');
  if (!others) await rm(join(plugins, 'DEPRECATION'), { force: true });
  for (const folder of [plugins, KUBELET_HOME, CNI_RESULTS, POD_LOG_LINKS]) await rmdir(folder).catch(() => undefined);
}

async function list(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
