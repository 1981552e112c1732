/**
 * The cache of what is expensive to make: one folder or file per key, made once, by one process at a time, and visible
 * only when it is whole.
 */
import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { testbedDir } from './machine.ts';

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
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Runs `work` while no other process (nor another call here) holds the lock of that name. A dead holder's lock is taken. */
export async function locked<T>(name: string, work: () => Promise<T>): Promise<T> {
  const lock = join(testbedDir, `${name}.lock`);
  await mkdir(dirname(lock), { recursive: true });
  for (;;) {
    try {
      const handle = await open(lock, 'wx');
      await handle.writeFile(String(process.pid));
      await handle.close();
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const holder = Number(await readFile(lock, 'utf8').catch(() => '0'));
      if (holder > 0 && !alive(holder)) await rm(lock, { force: true });
      else await sleep(200);
    }
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
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
