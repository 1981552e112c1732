// Owns finding what daemons left behind that could not tidy up (files, agents, daemons that nobody reaches any more), and
// putting an end to it.
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { lockHolder, type LockHolder, processStartTime } from '../daemon/lock.ts';
import { attempt } from '../lib/attempt.ts';
import { DebugwandError } from '../lib/errors.ts';
import { lockPath, runtimeDir } from '../lib/paths.ts';
import { pause } from '../lib/time.ts';
import { kill } from '../targets/local-tree.ts';

/** A daemon leaves within 2 s, an agent within 5 s. */
const POLITE_MS = 7_000;

/** Locks and sockets of daemons that live no more. */
export async function leftFiles(): Promise<readonly string[]> {
  const folder = runtimeDir();
  const names = readdirSync(folder).filter((name) => /^[0-9a-f]{16}\.(lock|sock)$/.test(name));
  const left = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      if ((await lockHolder(path.replace(/\.sock$/, '.lock'))) !== null) return [];
      return path.endsWith('.lock') || !(await isListenedTo(path)) ? [path] : [];
    }),
  );
  return left.flat();
}

export async function removeLeftFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    // Somebody may have started a daemon since they were looked for.
    if ((await lockHolder(path.replace(/\.sock$/, '.lock'))) === null) await rm(path, { force: true });
  }
}

function isListenedTo(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      // One that is too busy to answer listens, too.
      resolve(!('code' in error && error.code === 'ECONNREFUSED'));
    });
  });
}

/** Agents of this machine, not of a container, whose daemon is gone: somebody else has become their parent. */
export async function leftAgents(): Promise<readonly LockHolder[]> {
  if (process.platform !== 'linux') return [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const isAgent = (pid: string): boolean => wordsOf(pid).some((word) => word.startsWith('# debugwand agent'));
  const space = attempt(() => readlinkSync('/proc/self/ns/pid'), '');
  const agents = new Set(pids.filter(isAgent));
  const left = [...agents].filter((pid) => {
    const parent = attempt(() => /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1], undefined);
    if (parent === undefined || agents.has(parent)) return false;
    if (attempt(() => readlinkSync(`/proc/${pid}/ns/pid`), '') !== space) return false;
    return !wordsOf(parent).some((word) => /^(node|bin\.(ts|js)|wand|debugwand)$/.test(basename(word)));
  });
  const known = await Promise.all(left.map((pid) => identityOf(Number(pid))));
  return known.filter((one) => one !== null);
}

/** What is ended is what was looked at: whoever is asked takes a while, and a pid may be another process by then. */
async function identityOf(pid: number): Promise<LockHolder | null> {
  const startTime = await processStartTime(pid);
  return startTime === null ? null : { pid, startTime };
}

/** A daemon of wand. */
export interface ForeignDaemon extends LockHolder {
  /** Where it was started. */
  readonly folder: string;
  /** That folder is not there any more. */
  readonly isGone: boolean;
  /** `wand` reaches it from there. */
  readonly isReached: boolean;
}

/** What the process is, if it is a daemon of wand; null: it is something else. */
export async function daemonAt(pid: number): Promise<ForeignDaemon | null> {
  const identity = await identityOf(pid);
  const words = wordsOf(String(pid)).map((word) => basename(word));
  const at = words.findIndex((word) => /^(bin\.(ts|js)|wand|debugwand)$/.test(word));
  if (at < 0 || !/^(watch|debug|init)$/.test(words[at + 1] ?? '')) return null;
  const folder = attempt(() => readlinkSync(`/proc/${String(pid)}/cwd`), '');
  if (folder === '' || identity === null) return null;
  return { ...identity, folder, isGone: !existsSync(folder), isReached: await isReached(folder, pid) };
}

/** It holds the lock of its project, which lies there or above. */
async function isReached(folder: string, pid: number): Promise<boolean> {
  if ((await lockHolder(lockPath(folder)))?.pid === pid) return true;
  const above = dirname(folder);
  return above !== folder && (await isReached(above, pid));
}

/**
 * Asks a process to end, and kills it if it does not: what a daemon or an agent entered runs on by itself then.
 * @throws DebugwandError `process-stays`
 */
export async function endProcess({ pid, startTime }: LockHolder, signal: AbortSignal): Promise<void> {
  const isGone = async (): Promise<boolean> => (await processStartTime(pid)) !== startTime;
  if (await isGone()) return;
  for (const [name, patience] of [['SIGTERM', POLITE_MS] as const, ['SIGKILL', 1_000] as const]) {
    kill(pid, name);
    // A frozen one hears nothing.
    kill(pid, 'SIGCONT');
    const deadline = Date.now() + patience;
    while (Date.now() < deadline) {
      if (await isGone()) return;
      await pause(30, signal);
    }
  }
  throw new DebugwandError({
    code: 'process-stays',
    message: `process ${String(pid)} does not end`,
    fix: `see whose it is: \`ps -o user,args -p ${String(pid)}\``,
  });
}

function wordsOf(pid: string): readonly string[] {
  return attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'), '').split('\0');
}
