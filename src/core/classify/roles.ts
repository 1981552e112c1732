// Owns the rules that give each process its role and the reason for it, from the duty of its tool and its place in the
// tree. Pure; does not choose.
import type { ProcessInfo } from '../types.ts';
import { FORK_SETTLES_MS, fork, forkserver, spawned } from './children.ts';
import { RANK } from './tools.ts';
import { isFork, markedAsCopy, sameCommand, type Node } from './tree.ts';
import { named, placed, verdict, type Verdict, type Verdicts } from './verdict.ts';

/** The last worker that was followed; `ppid` helps to tell a supervisor that waits from a plain program. */
export interface Previous {
  readonly pid: number;
  readonly startTime: number;
  readonly ppid?: number;
}

/** A launcher starts its program at once; a program that starts a job later stays the one to debug. */
const LAUNCH_MS = 3_000;
const LASTING_MS = 10_000;

/** Verdict of every node. Parents are judged before their children. */
export function judge(tree: ReadonlyMap<number, Node>, previous: Previous | null): Verdicts {
  const verdicts: Verdicts = new Map();
  const gone = previous !== null && tree.get(previous.pid)?.process.startTime !== previous.startTime ? previous : null;
  const visit = (node: Node): void => {
    verdicts.set(node.process.pid, verdictOf(node, verdicts, gone));
    for (const child of node.children) visit(child);
  };
  for (const node of tree.values()) if (node.parent === null) visit(node);
  return verdicts;
}

function verdictOf(node: Node, verdicts: Verdicts, gone: Previous | null): Verdict {
  const { duty, process } = node;
  const above = node.parent === null ? undefined : verdicts.get(node.parent.process.pid);
  if (process.python === null) return foreign(node);
  if (duty.is === 'helper' || duty.is === 'tool') return verdict(node, duty.is, duty.name, duty.reason);
  if (duty.is === 'forkserver') return forkserver(node, verdicts);
  if (duty.is === 'spawned') return spawned(node, above);
  if (isFork(node) && node.parent !== null && above !== undefined) {
    const forked = fork(node, node.parent, above);
    if (forked !== null) return forked;
  }
  if (duty.is === 'wrapper') return verdict(node, 'wrapper', duty.name, duty.reason);
  if (duty.is === 'supervisor' && !duty.forks && above?.role === 'supervisor' && isCopy(node)) {
    // Its mark is in its environment, which cannot be read.
    return verdict(node, 'worker', 'worker', `started by ${named(above)}`, placed(above));
  }
  if (duty.is === 'supervisor') {
    return verdict(node, 'supervisor', duty.name, supervisorReason(node, duty.name), {
      crew: duty.crew ?? null,
      rank: duty.rank,
    });
  }
  if (duty.is === 'worker') {
    const own = verdict(node, 'worker', duty.name, duty.reason, { rank: duty.rank });
    return above === undefined ? own : under(own, above);
  }
  return program(node, duty.name, 'rank' in duty ? duty.rank : RANK.plain, above, gone);
}

function foreign(node: Node): Verdict {
  const below = firstPython(node);
  const { name } = node.duty;
  return below === null
    ? verdict(node, 'tool', name, 'not a Python process')
    : verdict(node, 'wrapper', name, `${name} around ${below.duty.name} ${String(below.process.pid)}`);
}

function firstPython(node: Node): Node | null {
  for (const child of node.children) {
    const found = child.process.python !== null ? child : firstPython(child);
    if (found !== null) return found;
  }
  return null;
}

/** A known program that somebody started. */
function under(own: Verdict, above: Verdict): Verdict {
  switch (above.role) {
    case 'supervisor':
      return { ...own, group: above.pid, reason: `started by ${named(above)}` };
    case 'worker':
      return { ...own, rank: RANK.below, reason: `${own.reason} (started by ${named(above)})` };
    case 'wrapper':
      return { ...own, reason: `${own.reason} (under ${above.name} ${String(above.pid)})` };
    default:
      return own;
  }
}

function program(node: Node, name: string, rank: number, above: Verdict | undefined, gone: Previous | null): Verdict {
  if (gone !== null && gone.ppid === node.process.pid && gone.startTime >= node.process.startTime) {
    const reason = `its worker ${String(gone.pid)} is gone, the next one has not been started yet`;
    if (!node.children.some((child) => isOfApp(child))) return verdict(node, 'supervisor', name, reason);
  }
  const copy = above !== undefined && node.parent !== null && isCopy(node);
  if (copy && above.role === 'supervisor') {
    return verdict(node, 'worker', 'worker', `the copy that ${named(above)} restarts`, placed(above));
  }
  const starts = startsWorkers(node);
  if (starts !== null && above?.role !== 'worker') return verdict(node, 'supervisor', name, starts);
  const own = verdict(node, 'worker', name, plainReason(node, name), { rank });
  return above === undefined ? own : under(own, above);
}

function plainReason(node: Node, name: string): string {
  const jobs = node.children.filter(isOfApp).length;
  if (jobs > 0)
    return `${name} runs user code, and started ${String(jobs)} other Python ${jobs === 1 ? 'process' : 'processes'} later`;
  return `${name} runs user code: it has no workers`;
}

function isOfApp(node: Node): boolean {
  return node.process.python !== null && node.duty.is !== 'helper' && node.duty.is !== 'tool';
}

/** The same program started once more by its parent: what a reloader does. */
function isCopy(node: Node): boolean {
  const { parent, process } = node;
  if (parent === null) return false;
  return markedAsCopy(process) || (sameCommand(process, parent.process) && !isFork(node));
}

/** Why an unknown program counts as a supervisor, null if it does not. */
function startsWorkers(node: Node): string | null {
  for (const child of node.children) {
    const { duty, process } = child;
    const pid = String(process.pid);
    if (process.python === null) {
      // The program behind a shell: `python dev.py` → `sh -c "python app.py"`.
      if (launched(node.process, process) && firstPython(child) !== null) return `started ${duty.name} ${pid}`;
      continue;
    }
    if (duty.is === 'spawned') return `spawned the multiprocessing child ${pid}`;
    if (duty.is === 'forkserver' && child.children.some((c) => c.duty.is === 'forkserver')) {
      return `its multiprocessing children are forked by the forkserver ${pid}`;
    }
    if (duty.is === 'helper' || duty.is === 'tool' || duty.is === 'forkserver') continue;
    if (isFork(child)) {
      if (process.ageMs >= FORK_SETTLES_MS || !isKnownFork(process)) return `forked ${pid}`;
    } else if (isCopy(child)) {
      return `restarts a copy of itself, now ${pid}`;
    } else if (launched(node.process, process)) {
      return `started ${duty.name} ${pid}`;
    }
  }
  return null;
}

/** It certainly is a fork, and not only looks like one where little can be read. */
function isKnownFork(process: ProcessInfo): boolean {
  return process.forked === true || process.execId !== '0';
}

function launched(parent: ProcessInfo, child: ProcessInfo): boolean {
  return parent.ageMs - child.ageMs < LAUNCH_MS || child.ageMs > LASTING_MS;
}

function supervisorReason(node: Node, name: string): string {
  const workers = node.children.filter((child) => isOfApp(child) && !/resource/.test(child.duty.name)).length;
  if (workers === 0) return `${name}: has no worker at the moment`;
  return `${name}: starts the ${workers === 1 ? 'worker' : `${String(workers)} workers`}, runs no requests or tasks itself`;
}
