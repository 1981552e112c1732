// Owns the rule "one daemon per project": a lock file that names pid and start time, so that a pid used again by
// another process is never mistaken for a daemon. Must not talk to the daemon.
import { execFile } from 'node:child_process';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { DebugwandError } from '../lib/errors.ts';

export interface LockHolder {
  readonly pid: number;
  /** Opaque; equal for the same process only. */
  readonly startTime: string;
}

/** What identifies a process beyond its pid: field 22 of /proc/pid/stat, elsewhere what `ps` says. Null: no such process. */
export async function processStartTime(pid: number): Promise<string | null> {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' ? null : (fields[19] ?? null);
    } catch {
      return null;
    }
  }
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]);
    return stdout.trim() === '' ? null : stdout.trim();
  } catch {
    return null;
  }
}

/** Who holds the lock now; null when nobody alive does. */
export async function lockHolder(path: string): Promise<LockHolder | null> {
  const holder = readHolder(path);
  if (holder === null) return null;
  return (await processStartTime(holder.pid)) === holder.startTime ? holder : null;
}

/**
 * Takes the lock. @returns a function that gives it back.
 * @throws DebugwandError `already-running` when a living daemon holds it.
 */
export async function takeLock(path: string, root: string): Promise<() => void> {
  const mine: LockHolder = { pid: process.pid, startTime: (await processStartTime(process.pid)) ?? '' };
  const own = `${path}.${String(process.pid)}`;
  writeFileSync(own, JSON.stringify(mine), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      // A link is made whole or not at all: nobody ever sees a lock without its holder's name.
      if (linked(own, path)) {
        return () => {
          if (readHolder(path)?.pid === process.pid) rmSync(path, { force: true });
        };
      }
      const holder = await lockHolder(path);
      if (holder !== null) throw alreadyRunning(root, ` (pid ${String(holder.pid)})`);
      await removeStale(path, `${own}.stale`);
    }
  } finally {
    rmSync(own, { force: true });
  }
  throw alreadyRunning(root, ': another one is just starting');
}

/** Takes a lock that nobody holds out of the way. Somebody who was faster may have taken it: then it is put back. */
async function removeStale(path: string, aside: string): Promise<void> {
  try {
    renameSync(path, aside);
  } catch {
    return; // Somebody else did.
  }
  if ((await lockHolder(aside)) !== null) linked(aside, path);
  rmSync(aside, { force: true });
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

function alreadyRunning(root: string, who: string): DebugwandError {
  return new DebugwandError({
    code: 'already-running',
    message: `wand is already running for ${root}${who}`,
    fix: 'use it as it is (`wand status`), or stop it first: `wand stop`',
  });
}

function readHolder(path: string): LockHolder | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('startTime' in value)) return null;
    const { pid, startTime } = value;
    return typeof pid === 'number' && typeof startTime === 'string' ? { pid, startTime } : null;
  } catch {
    return null;
  }
}
