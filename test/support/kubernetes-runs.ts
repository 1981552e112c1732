/**
 * When the shared cluster goes: with the last test run that used it, unless it was there before them all or somebody asked
 * for it by `npm run cluster`.
 */
import { mkdir, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { locked } from './cache.ts';
import { removeAbandonedClusters, RUN, sharedCluster, stopSharedCluster } from './kubernetes.ts';
import { isAlive } from './kubernetes-daemon.ts';
import { isRoot } from './machine.ts';

const RUNS = join(RUN, 'runs');
const KEPT = 'kept';

/** The shared cluster outlives the runs that use it. */
export async function keepCluster(): Promise<void> {
  const cluster = await sharedCluster();
  if (cluster !== undefined) await writeFile(join(cluster.state.run, KEPT), '');
}

/** Called when a test run begins. What it gives is called when the run is over. */
export async function clusterForRun(): Promise<() => Promise<void>> {
  if (!isRoot) return () => Promise.resolve();
  const mark = join(RUNS, String(process.pid));
  await locked('kubernetes-runs', async () => {
    if ((await others()) === 0) await keepCluster();
    await mkdir(RUNS, { recursive: true });
    await writeFile(mark, '');
  });
  return () =>
    locked('kubernetes-runs', async () => {
      await rm(mark, { force: true });
      const cluster = await sharedCluster();
      if (cluster !== undefined && (await others()) === 0 && !existsSync(join(cluster.state.run, KEPT))) {
        await stopSharedCluster();
      }
      await removeAbandonedClusters();
      // Only when nobody has anything there.
      for (const folder of [RUNS, RUN]) await rmdir(folder).catch(() => undefined);
    });
}

async function others(): Promise<number> {
  const pids = (await readdir(RUNS).catch(() => [])).map(Number);
  return pids.filter((pid) => pid !== process.pid && isAlive(pid)).length;
}
