/**
 * What this machine is and has: who runs, on which system, where the cache lies, and the one policy for what is missing.
 * It installs nothing itself.
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** True where nothing may be skipped. */
export const isCI = process.env['CI'] !== undefined && process.env['CI'] !== '' && process.env['CI'] !== 'false';

/** True when packages may be installed and daemons started. */
export const isRoot = process.getuid?.() === 0;

/** True on Debian and what calls itself like it: apt and debootstrap are to be had. */
export const isDebian = ((): boolean => {
  try {
    return /^ID(_LIKE)?=.*debian/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
})();

/** Everything that is built or downloaded for the tests lies here, outside the clone, keyed by version. */
export const testbedDir = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'debugwand', 'testbed');

/** The path of a command, looked for in PATH and then in the places where daemons live. */
export function which(command: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    if (folder === '') continue;
    const path = join(folder, command);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** What a test cannot have here, with the way to get it. */
export class Lacking extends Error {
  readonly what: string;
  readonly fix: string;
  constructor(what: string, fix: string, cause?: unknown) {
    super(`${what} is not to be had here. ${fix}`, { cause });
    this.name = 'Lacking';
    this.what = what;
    this.fix = fix;
  }
}

/**
 * Tries to get something a suite needs. In CI a failure is a failure; elsewhere it is named loudly with its fix, and the
 * caller gets `undefined`, on which it skips: `describe.skipIf(docker === undefined)`.
 */
export async function getOrSkip<T>(get: () => Promise<T>): Promise<T | undefined> {
  try {
    return await get();
  } catch (error) {
    if (isCI || !(error instanceof Lacking)) throw error;
    process.stderr.write(`\n!!! SKIPPED, for lack of ${error.what}. ${error.fix}\n\n`);
    return undefined;
  }
}

/** A TCP port of 127.0.0.1 that nobody had a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}
