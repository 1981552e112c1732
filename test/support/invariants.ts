/**
 * What must hold in every story, whatever is killed or cut: the editor's socket stays, each request gets one response, each
 * message fits the official schema, and nothing of ours stays behind.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { DapClient } from './dap-client.ts';
import { DapSchema } from './dap-schema.ts';
import { debugpyRequirement } from './debugpy-requirement.ts';
import { venv } from './python.ts';
import { until } from './until.ts';

let loading: Promise<DapSchema> | undefined;

/** The official schema; loaded once. */
export function dapSchema(): Promise<DapSchema> {
  loading ??= venv('3.14', [debugpyRequirement()]).then((folder) => DapSchema.load(folder));
  return loading;
}

/** An editor on a port of ours whose every message is checked. */
export async function connectEditor(port: number, timeoutMs = 20_000): Promise<DapClient> {
  return DapClient.connect(port, { schema: await dapSchema(), timeoutMs });
}

/** @throws Error naming each broken promise; waits a moment for responses under way. */
export async function assertGoodSession(editor: DapClient): Promise<void> {
  const faults = [...editor.violations];
  if (editor.closed) faults.push("the editor's socket was closed");
  await until(() => editor.unanswered.length === 0, 'all requests answered').catch(() => undefined);
  if (editor.unanswered.length > 0) faults.push(`unanswered: ${editor.unanswered.join(', ')}`);
  const ends = editor.received.filter(({ event }) => event === 'terminated' || event === 'exited');
  if (ends.length > 0 && !editor.closed) faults.push('the editor was told of an end');
  if (faults.length > 0) throw new Error(`the session broke its promises:\n${faults.join('\n')}`);
}

/** Number of open descriptors of a process; null when it is gone. */
export async function descriptors(pid: number): Promise<number | null> {
  return (await readdir(`/proc/${String(pid)}/fd`).catch(() => null))?.length ?? null;
}

/** Resident memory of a process in bytes. */
export async function residentBytes(pid: number): Promise<number> {
  const kib = /VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${String(pid)}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}

export interface ProcessOnThisMachine {
  readonly pid: number;
  readonly ppid: number;
  readonly command: string;
}

/** All processes of this machine, those in containers too. */
export async function allProcesses(): Promise<ProcessOnThisMachine[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid): Promise<ProcessOnThisMachine[]> => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim();
      const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return ppid === undefined || state === 'Z' ? [] : [{ pid: Number(pid), ppid: Number(ppid), command }];
    }),
  );
  return found.flat();
}

/** Pids of agents of ours in the PID namespace of a process; not of the child that one has for the moment of an entry. */
export async function agentsBeside(pid: number): Promise<number[]> {
  const space = await readlink(`/proc/${String(pid)}/ns/pid`);
  const ours = (await allProcesses()).filter(({ command }) => command.includes('# debugwand agent'));
  const found = await Promise.all(
    ours.map(async (process) => {
      if (ours.some((other) => other.pid === process.ppid)) return [];
      const its = await readlink(`/proc/${String(process.pid)}/ns/pid`).catch(() => '');
      return its === space ? [process.pid] : [];
    }),
  );
  return found.flat();
}

/** A process and all below it, as pids of this machine. */
export async function treeOf(root: number): Promise<number[]> {
  const all = await allProcesses();
  const tree = new Set([root]);
  for (let before = 0; before !== tree.size;) {
    before = tree.size;
    for (const { pid, ppid } of all) if (tree.has(ppid)) tree.add(pid);
  }
  return [...tree];
}
