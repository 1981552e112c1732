// Owns the answer to "who has this port?", for the error that a taken port makes. Linux only; elsewhere nobody is named.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { attempt } from '../lib/attempt.ts';

export interface PortOwner {
  /** Null: the process belongs to another user, or to another PID namespace. */
  readonly pid: number | null;
  readonly command: string | null;
  /** Command of the process that started it. */
  readonly parent: string | null;
  /** Absolute: the folder that it runs in. */
  readonly folder: string | null;
}

/** Of a port that is taken by nobody who can be named. */
export const NOBODY: PortOwner = { pid: null, command: null, parent: null, folder: null };

const MAX_COMMAND = 120;

/** Who listens on a TCP port of this machine; null when nobody does or it cannot be seen. Never throws. */
export function portOwner(port: number): PortOwner | null {
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => attempt(() => readFileSync(file, 'utf8'), ''));
  const sockets = new Set(tables.flatMap((table) => listenersOn(table, port)).map((inode) => `socket:[${inode}]`));
  if (sockets.size === 0) return null;
  const pids = attempt(() => readdirSync('/proc'), []).filter((name) => /^\d+$/.test(name));
  const pid = pids.find((candidate) => holdsOneOf(candidate, sockets));
  if (pid === undefined) return NOBODY;
  const folder = attempt(() => readlinkSync(`/proc/${pid}/cwd`), null);
  return { pid: Number(pid), command: commandOf(pid), parent: commandOf(parentOf(pid)), folder };
}

/** "process 123 (python app.py)"; null when nobody can be named. */
export function describePortOwner(port: number): string | null {
  const owner = portOwner(port);
  if (owner === null || owner.pid === null) return null;
  return `process ${String(owner.pid)}${owner.command === null ? '' : ` (${owner.command})`}`;
}

/**
 * What to do about a port that a process with that command has. Tools that forward ports for the same app are not to be
 * ended: they are told to leave ours alone. Tilt forwards by itself, Skaffold by a kubectl that it starts anew if it ends.
 * The wand of another project is stopped as wand is.
 */
export function portFix({ pid, command, parent, folder }: PortOwner, port: number): string {
  const programs = [command, parent].map(programOf);
  if (programs.includes('tilt'))
    return `take port_forwards=[${String(port)}] out of the Tiltfile: nothing needs it beside wand`;
  if (programs.includes('skaffold')) {
    return `take ${String(port)} out of \`portForward\` in skaffold.yaml, or leave out --port-forward: nothing needs it beside wand`;
  }
  if (folder !== null && isWand(command)) return `\`wand stop\` in ${folder}`;
  return pid === null ? 'end that process' : `end it (kill ${String(pid)})`;
}

/** Of `node …/bin/wand watch …`, and of the sources: `node src/bin.ts watch …`. */
function isWand(command: string | null): boolean {
  return /(^|[\s/])(wand|debugwand|bin\.[jt]s) (watch|debug|init)(\s|$)/.test(command ?? '');
}

function programOf(command: string | null): string | undefined {
  return /^\S*?([^/\s]+)(?=\s|$)/.exec(command ?? '')?.[1];
}

/** Inodes of the listening sockets on `port` in the text of /proc/net/tcp or tcp6 (proc_pid_net(5): state 0A listens). */
export function listenersOn(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return table.split('\n').flatMap((line) => {
    const columns = line.trim().split(/\s+/);
    const [, address, , state] = columns;
    const inode = columns[9];
    return state === '0A' && address?.endsWith(`:${wanted}`) === true && inode !== undefined ? [inode] : [];
  });
}

function holdsOneOf(pid: string, sockets: ReadonlySet<string>): boolean {
  const folder = `/proc/${pid}/fd`;
  return attempt(() => readdirSync(folder), []).some((fd) =>
    sockets.has(attempt(() => readlinkSync(`${folder}/${fd}`), '')),
  );
}

/** The fourth field of proc_pid_stat(5); the second is a name that may hold anything. */
function parentOf(pid: string): string {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'), '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? '';
}

function commandOf(pid: string): string | null {
  const bytes = attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'), '');
  const command = bytes.split('\0').filter(Boolean).join(' ');
  if (command === '') return null;
  return command.length > MAX_COMMAND ? `${command.slice(0, MAX_COMMAND - 1)}…` : command;
}
