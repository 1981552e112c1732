// Owns finding the daemon of the project that the user stands in. Loads no config: a daemon's socket is named by the
// project's folder, so a look at each folder upward is enough, and `wand status` stays quick.
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { askDaemon, notRunning } from '../daemon/control-client.ts';
import { socketPath } from '../lib/paths.ts';

/** The folder of the nearest project upward that a daemon runs for; null without one. */
export function findRoot(from: string, config: string | undefined): string | null {
  if (config !== undefined) {
    const root = dirname(resolve(from, config));
    return existsSync(socketPath(root)) ? root : null;
  }
  let folder = resolve(from);
  for (;;) {
    if (existsSync(socketPath(folder))) return folder;
    const parent = dirname(folder);
    if (parent === folder) return null;
    folder = parent;
  }
}

/** @throws DebugwandError `not-running` */
export async function ask(
  config: string | undefined,
  request: { command: string; [name: string]: unknown },
): Promise<unknown> {
  const root = findRoot(process.cwd(), config);
  if (root === null) throw notRunning();
  return askDaemon(socketPath(root), request);
}
