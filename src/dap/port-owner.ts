// Owns the answer to "who has this port?", for the error that a taken port makes. Linux only; elsewhere nobody is named.
import { readdir, readFile, readlink } from 'node:fs/promises';

export interface PortOwner {
  /** Null: the process belongs to another user, or to another PID namespace. */
  readonly pid: number | null;
  readonly command: string | null;
}

const MAX_COMMAND = 120;

/** Who listens on a TCP port of this machine; null when that cannot be seen. Never throws. */
export async function portOwner(port: number): Promise<PortOwner | null> {
  const inodes = new Set<string>();
  for (const file of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const table = await readFile(file, 'utf8').catch(() => '');
    for (const inode of listenersOn(table, port)) inodes.add(`socket:[${inode}]`);
  }
  if (inodes.size === 0) return null;
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    if (await holds(pid, inodes)) return { pid: Number(pid), command: await commandOf(pid) };
  }
  return { pid: null, command: null };
}

/** Inodes of the listening sockets on `port` in the text of /proc/net/tcp or tcp6 (proc_pid_net(5): state 0A listens). */
export function listenersOn(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return table.split('\n').flatMap((line) => {
    const columns = line.trim().split(/\s+/);
    const [, local, , state] = columns;
    const inode = columns[9];
    return state === '0A' && local?.endsWith(`:${wanted}`) === true && inode !== undefined ? [inode] : [];
  });
}

async function holds(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const fd of descriptors) {
    const link = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
    if (inodes.has(link)) return true;
  }
  return false;
}

async function commandOf(pid: string): Promise<string | null> {
  const bytes = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const command = bytes.split('\0').filter(Boolean).join(' ');
  if (command === '') return null;
  return command.length > MAX_COMMAND ? `${command.slice(0, MAX_COMMAND - 1)}…` : command;
}
