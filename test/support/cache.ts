/**
 * The cache of what is expensive to make: one folder or file per key, made once, by one process at a time, and visible
 * only when it is whole.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { testbedDir } from './machine.ts';

/** Nothing that the cache holds takes longer to make. */
const LONGEST_WORK_MS = 30 * 60_000;

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Runs `work` while no other process (nor another call here) holds the lock of that name. A dead holder's lock is taken. */
export async function locked<T>(name: string, work: () => Promise<T>): Promise<T> {
  const lock = join(testbedDir, `${name}.lock`);
  const claim = `${lock}.${randomUUID()}`;
  await mkdir(dirname(lock), { recursive: true });
  // Written first and then linked: a lock that can be seen always says whose it is.
  await writeFile(claim, String(process.pid));
  try {
    while (!(await takes(claim, lock))) {
      if (await abandoned(lock)) await rm(lock, { force: true });
      else await sleep(200);
    }
  } finally {
    await rm(claim, { force: true });
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function takes(claim: string, lock: string): Promise<boolean> {
  try {
    await link(claim, lock);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

async function abandoned(lock: string): Promise<boolean> {
  const [holder, age] = await Promise.all([
    readFile(lock, 'utf8').then(Number, () => undefined),
    stat(lock).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    ),
  ]);
  // Its number may belong to another process by now, so age counts as well.
  return holder !== undefined && (!alive(holder) || age > LONGEST_WORK_MS);
}

/**
 * The path of what `key` names, made by `make` if it is not there yet. `make` gets the path to write to, which is renamed
 * when it is done, and the final path, for what must know where it will live.
 */
export async function cached(key: string, make: (building: string, final: string) => Promise<void>): Promise<string> {
  const final = join(testbedDir, key);
  if (await exists(final)) return final;
  return locked(key, async () => {
    if (await exists(final)) return final;
    const parent = dirname(final);
    await removeAbandoned(parent, `${key.split('/').at(-1) ?? key}.building-`);
    const building = `${final}.building-${String(process.pid)}`;
    const started = Date.now();
    process.stderr.write(`testbed: making ${key} (once) …\n`);
    try {
      await make(building, final);
      await rename(building, final);
    } catch (error) {
      await rm(building, { recursive: true, force: true });
      throw error;
    }
    process.stderr.write(`testbed: ${key} made in ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
    return final;
  });
}

async function removeAbandoned(parent: string, prefix: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (name.startsWith(prefix)) await rm(join(parent, name), { recursive: true, force: true });
  }
}
