// Owns noticing that the config file changed: the only importer of chokidar. It tells the new config or what is wrong
// with it; who keeps the last good one is the daemon.
import { basename, dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { watch } from 'chokidar';
import type { ProjectConfig } from '../core/types.ts';
import { asDebugwandError, type DebugwandError } from '../lib/errors.ts';
import { pause } from '../lib/time.ts';
import { loadConfigFile } from './load.ts';

export type ConfigChange = { readonly config: ProjectConfig } | { readonly error: DebugwandError };

/** An editor that saves in two steps is waited for: this long after the last event, ms. */
const QUIET_MS = 40;
/** A file that is half written, or gone for a moment (saved by rename), gets this long to become whole, ms. */
const MERCY_MS = 250;

/**
 * Calls `onChange` when what the file says has changed: once per save, never twice with the same. A deleted file is an
 * error, its return a config. `loaded`: what the caller has, so that a save before the watch stands is not missed;
 * without it, what the file says when the watch stands is where it starts. Resolves, once the watch stands, to the way to end it (which waits for a load under way).
 */
export async function watchConfig(
  file: string,
  onChange: (change: ConfigChange) => void,
  loaded: ProjectConfig | null = null,
): Promise<() => Promise<void>> {
  const abort = new AbortController();
  const { signal } = abort;
  let last: unknown = loaded;
  let wanted = 0;
  let running: Promise<void> = Promise.resolve();
  let isRunning = false;

  const read = async (): Promise<ConfigChange> => {
    try {
      return { config: await loadConfigFile(file, signal) };
    } catch (error) {
      return { error: asDebugwandError(error) };
    }
  };
  const settle = async (): Promise<void> => {
    for (let done = -1; done !== wanted && !signal.aborted;) {
      done = wanted;
      await pause(QUIET_MS, signal);
      if (done !== wanted) continue;
      let change = await read();
      if ('error' in change && done === wanted) {
        await pause(MERCY_MS, signal);
        if (done === wanted) change = await read();
      }
      if (done !== wanted || signal.aborted) continue;
      const said = 'config' in change ? change.config : { message: change.error.message };
      if (isDeepStrictEqual(said, last)) continue;
      const isFirst = last === null;
      last = said;
      if (!isFirst) onChange(change);
    }
  };
  const wake = (): void => {
    wanted += 1;
    if (isRunning) return;
    isRunning = true;
    running = settle().finally(() => {
      isRunning = false;
    });
  };

  // The folder, not the file: a file that another one was renamed onto is another inode.
  const folder = dirname(file);
  const watcher = watch(folder, {
    depth: 0,
    ignoreInitial: true,
    ignored: (path) => path !== folder && basename(path) !== basename(file),
  });
  watcher.on('all', wake);
  watcher.on('error', () => undefined); // a folder that went away: its return is an event again
  await new Promise<void>((resolve) => {
    watcher.once('ready', () => {
      resolve();
    });
  });
  wake();
  await running;
  return async () => {
    abort.abort();
    await watcher.close();
    await running;
  };
}
