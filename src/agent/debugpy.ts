// Owns where the debugpy for a worker comes from: the installed package's vendor/, else the cache, which is filled once.
// Must not know targets; the choice and the contents are in wheels.ts.
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PythonInfo } from '../core/types.ts';
import { cacheDir } from '../lib/paths.ts';
import { DebugwandError } from '../lib/errors.ts';
import { fetchWheel, findPip, hasHash } from './fetch-wheel.ts';
import { cacheTag, chooseWheel, DEBUGPY_VERSION, needed, type Wheel, WHEELS } from './wheels.ts';
import { readZip, writeZip } from './zip.ts';

/** Beside src/ in a checkout and beside dist/ in the package. */
const VENDOR = fileURLToPath(new URL('../../vendor/', import.meta.url));
const SLOW_MS = 1000;

/** What the agent unpacks on the target. */
export interface PreparedDebugpy {
  /** Names the contents: equal keys, equal files. */
  readonly key: string;
  readonly zip: Buffer;
}

const prepared = new Map<string, Promise<PreparedDebugpy>>();

/**
 * The debugpy that fits that interpreter. Fetched at most once per machine; `onProgress` hears of it when it takes longer
 * than a second, and again when it is done.
 * @throws DebugwandError `debugpy-unavailable`; AbortError
 */
export async function prepareDebugpy(
  python: PythonInfo,
  signal: AbortSignal,
  onProgress: (text: string) => void,
): Promise<PreparedDebugpy> {
  const wheel = chooseWheel(python);
  const tag = cacheTag(python.version);
  const key = `debugpy-${DEBUGPY_VERSION}-${wheel.name}-${tag ?? 'any'}`;
  const known = prepared.get(key);
  if (known !== undefined) {
    // Another target's fetch, which ends with that target; then it is our turn.
    const result = await known.catch(() => null);
    if (result !== null) return result;
    signal.throwIfAborted();
    return prepareDebugpy(python, signal, onProgress);
  }
  const preparing = findZip(wheel, signal, onProgress).then((zip) => ({ key, zip: withTag(zip, tag) }));
  prepared.set(key, preparing);
  preparing.catch(() => prepared.delete(key));
  return preparing;
}

/** In words for `wand doctor`: where debugpy will come from; and whether it is here. @throws DebugwandError `debugpy-unavailable` */
export async function debugpyState(): Promise<{ readonly text: string; readonly isHere: boolean }> {
  const packed = await Promise.all(WHEELS.map(async (wheel) => (await read(vendored(VENDOR, wheel))) !== null));
  if (packed.every(Boolean)) return { text: `${DEBUGPY_VERSION}, came with debugwand`, isHere: true };
  const cached = await Promise.all(
    WHEELS.map(async (wheel) => ((await fromCache(wheel)) === null ? null : wheel.name)),
  );
  const names = cached.filter((name) => name !== null);
  if (names.length > 0) return { text: `${DEBUGPY_VERSION}, in the cache for ${names.join(', ')}`, isHere: true };
  const pip = await findPip(AbortSignal.timeout(10_000));
  if (pip !== null) return { text: `${DEBUGPY_VERSION}, will be fetched with ${pip} when it is needed`, isHere: false };
  throw new DebugwandError({
    code: 'debugpy-unavailable',
    message: `debugpy ${DEBUGPY_VERSION} is not on this machine, and neither pip nor uv works here to fetch it`,
    fix: 'install pip (`python3 -m ensurepip`) or uv, or install debugwand from npm: the package has debugpy inside',
  });
}

/** All wheels into the cache, before somebody waits for one. @throws as prepareDebugpy */
export async function fetchDebugpy(signal: AbortSignal): Promise<void> {
  for (const wheel of WHEELS) await wheelBytes(wheel, signal);
}

/** Writes the trimmed zip of each wheel into a folder: what an installed package carries. @throws as prepareDebugpy */
export async function writeVendor(folder: string, signal: AbortSignal): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const wheel of WHEELS) await replace(vendored(folder, wheel), trim(await wheelBytes(wheel, signal)));
}

async function findZip(wheel: Wheel, signal: AbortSignal, onProgress: (text: string) => void): Promise<Buffer> {
  const packed = await read(vendored(VENDOR, wheel));
  if (packed !== null) return packed;
  const what = `debugpy ${DEBUGPY_VERSION} (${wheel.name})`;
  let told = false;
  const timer = setTimeout(() => {
    told = true;
    onProgress(`fetching ${what}, once for this machine`);
  }, SLOW_MS);
  try {
    return trim(await wheelBytes(wheel, signal));
  } finally {
    clearTimeout(timer);
    if (told) onProgress(`${what} is here`);
  }
}

/** Out of the cache, or into it. Several daemons may do so at once: each writes a file of its own and renames it. */
async function wheelBytes(wheel: Wheel, signal: AbortSignal): Promise<Buffer> {
  const cached = await fromCache(wheel);
  if (cached !== null) return cached;
  const bytes = await fetchWheel(wheel, signal);
  try {
    await mkdir(wheelFolder(), { recursive: true });
    await replace(join(wheelFolder(), wheel.file), bytes);
  } catch {
    // A home that cannot be written to costs a download per start, no more.
  }
  return bytes;
}

/** Null when it is not there, or not what was pinned. */
async function fromCache(wheel: Wheel): Promise<Buffer | null> {
  const bytes = await read(join(wheelFolder(), wheel.file));
  return bytes !== null && hasHash(bytes, wheel) ? bytes : null;
}

function wheelFolder(): string {
  return join(cacheDir(), 'debugpy');
}

function vendored(folder: string, wheel: Wheel): string {
  return join(folder, `debugpy-${DEBUGPY_VERSION}-${wheel.name}.zip`);
}

function trim(wheel: Buffer): Buffer {
  return writeZip(readZip(wheel).filter(({ name }) => needed(name)));
}

/** The comment tells the agent which interpreter will read the files, so that it compiles them where it can. */
function withTag(zip: Buffer, tag: string | null): Buffer {
  return writeZip(readZip(zip), tag ?? '');
}

async function replace(path: string, bytes: Buffer): Promise<void> {
  const partial = `${path}.${String(process.pid)}.partial`;
  try {
    await writeFile(partial, bytes);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function read(path: string): Promise<Buffer | null> {
  return readFile(path).catch(() => null);
}
