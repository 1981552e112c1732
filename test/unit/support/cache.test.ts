import { mkdtemp, readFile, readdir, rm, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

let home = '';
let cache: typeof import('../../support/cache.ts');

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'debugwand-cache-'));
  vi.stubEnv('XDG_CACHE_HOME', home);
  vi.resetModules();
  cache = await import('../../support/cache.ts');
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

test('what several ask for at once is made once, and seen only when it is whole', async () => {
  let made = 0;
  const make = async (building: string, final: string): Promise<void> => {
    made += 1;
    await expect(readFile(final)).rejects.toThrow('ENOENT');
    await writeFile(building, 'whole');
  };
  const paths = await Promise.all([
    cache.cached('a/one', make),
    cache.cached('a/one', make),
    cache.cached('a/one', make),
  ]);
  expect(made).toBe(1);
  expect(new Set(paths).size).toBe(1);
  expect(await readFile(paths[0], 'utf8')).toBe('whole');
});

test('what fails leaves nothing, and is made the next time', async () => {
  const failing = cache.cached('b/two', async (building) => {
    await writeFile(building, 'half');
    throw new Error('no space');
  });
  await expect(failing).rejects.toThrow('no space');
  const path = await cache.cached('b/two', (building) => writeFile(building, 'whole'));
  expect(await readFile(path, 'utf8')).toBe('whole');
  expect(await readdir(join(path, '..'))).toEqual(['two']);
});

test('a lock whose holder is dead is taken, and what it left half made is removed', async () => {
  const folder = join(home, 'debugwand/testbed/c');
  await mkdir(folder, { recursive: true });
  // No process has the highest number that Linux gives.
  await writeFile(join(folder, 'three.lock'), '4194304');
  await writeFile(join(folder, 'three.building-4194304'), 'half');
  await cache.cached('c/three', (building) => writeFile(building, 'whole'));
  expect(await readdir(folder)).toEqual(['three']);
});
