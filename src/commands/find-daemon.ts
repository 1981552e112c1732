// Owns finding the daemon of the project that the user stands in. Loads no config: a daemon's lock and socket are named
// by the project's folder, so a look at each folder upward is enough, and `wand status` stays quick.
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { askDaemon, notRunning } from '../daemon/control-client.ts';
import { lockHolder } from '../daemon/lock.ts';
import { lockPath, socketPath } from '../lib/paths.ts';

/** Folders upward from here that a daemon's lock is named after, nearest first. One that was killed leaves its lock. */
function candidates(from: string, config: string | undefined): string[] {
  const found: string[] = [];
  let folder = config === undefined ? resolve(from) : dirname(resolve(from, config));
  for (;;) {
    if (existsSync(lockPath(folder))) found.push(folder);
    const parent = dirname(folder);
    if (config !== undefined || parent === folder) return found;
    folder = parent;
  }
}

/** The folder of the nearest project upward that a daemon runs for; null without one. */
export async function findRoot(config: string | undefined): Promise<string | null> {
  for (const root of candidates(process.cwd(), config)) if ((await lockHolder(lockPath(root))) !== null) return root;
  return null;
}

/** @throws DebugwandError `not-running` */
export async function ask(
  config: string | undefined,
  request: { command: string; [name: string]: unknown },
): Promise<unknown> {
  const root = await findRoot(config);
  if (root === null) throw notRunning();
  return askDaemon(socketPath(root), request);
}
