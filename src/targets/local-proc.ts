// Owns the little that local targets read from /proc themselves: is a process there, since when, where. The process tree
// is the agent's matter.
import { readFileSync, readlinkSync, readdirSync } from 'node:fs';
import { DebugwandError } from '../lib/errors.ts';

/** Field 22 of /proc/PID/stat: clock ticks after boot, as text. Null when there is no such process (or no /proc). */
export function startTimeOf(pid: number): string | null {
  return statFields(pid)?.[19] ?? null;
}

/** False also for a zombie: it will not run again. */
export function isAlive(pid: number): boolean {
  const state = statFields(pid)?.[0];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** Null when a process has that pid, or nobody can tell; else the error `no-such-process`. */
export function missingProcess(pid: number): DebugwandError | null {
  if (process.platform !== 'linux' || isAlive(pid)) return null;
  return new DebugwandError({
    code: 'no-such-process',
    message: `there is no process ${String(pid)} on this machine`,
    fix: 'take a pid that `pgrep -af python` shows; a container has pids of its own: name it with --container NAME; to wait for an app by its command line set `process: { match }` in a config',
  });
}

/** The fields after the command, from the third (state) on; the command may hold spaces and brackets. */
function statFields(pid: number): readonly string[] | null {
  try {
    const text = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

/** Null when there is no such process, or no right to know. */
export function cwdOf(pid: number): string | null {
  return readLink(`/proc/${String(pid)}/cwd`);
}

export function exeOf(pid: number): string | null {
  return readLink(`/proc/${String(pid)}/exe`);
}

export function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8')
      .replaceAll('\0', ' ')
      .trim();
  } catch {
    return '';
  }
}

function readLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

export function allPids(): readonly number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

/** `root` and everything below it, parents first. */
export function descendantsOf(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const pid of allPids()) {
    const parent = Number(statFields(pid)?.[1] ?? -1);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}
