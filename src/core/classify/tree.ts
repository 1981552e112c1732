// Owns the shape of the tree: who is whose child, who is a copy of whom. Pure; knows no tool and no role.
import type { ProcessInfo } from '../types.ts';
import { dutyOf, type Duty } from './tools.ts';

export interface Node {
  readonly process: ProcessInfo;
  readonly duty: Duty;
  readonly parent: Node | null;
  /** By age, oldest first. */
  readonly children: readonly Node[];
}

interface Growing extends Node {
  parent: Growing | null;
  readonly children: Growing[];
}

/** Nodes by pid. A parent that is not in the list counts as none, and so does one that would close a circle. */
export function treeOf(processes: readonly ProcessInfo[]): ReadonlyMap<number, Node> {
  const nodes = new Map<number, Growing>();
  for (const process of [...processes].sort(byAge)) {
    if (!nodes.has(process.pid)) nodes.set(process.pid, { process, duty: dutyOf(process), parent: null, children: [] });
  }
  for (const node of nodes.values()) {
    const parent = nodes.get(node.process.ppid);
    if (parent === undefined || descendsFrom(parent, node)) continue;
    node.parent = parent;
    parent.children.push(node);
  }
  return nodes;
}

function byAge(a: ProcessInfo, b: ProcessInfo): number {
  return a.startTime - b.startTime || a.pid - b.pid;
}

/** True if `node` is `ancestor` or below it. */
export function descendsFrom(node: Node, ancestor: Node): boolean {
  for (let at: Node | null = node; at !== null; at = at.parent) if (at === ancestor) return true;
  return false;
}

/** All below a node, nearest first. */
export function descendants(node: Node): readonly Node[] {
  const found: Node[] = [...node.children];
  for (let index = 0; index < found.length; index += 1) found.push(...(found[index]?.children ?? []));
  return found;
}

function sameWords(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.length > 0 && a.every((word, index) => word === b[index]);
}

export function sameCommand(a: ProcessInfo, b: ProcessInfo): boolean {
  return sameWords(a.cmdline, b.cmdline);
}

/**
 * True if the process runs the program of its parent without an exec of its own. The kernel says so to everybody; where it
 * was not asked, the start of the stack is copied by a fork and drawn at random by an exec; where that cannot be read
 * ("0"), the command line has to do.
 */
export function isFork(node: Node): boolean {
  const { parent, process } = node;
  if (parent === null || process.python === null || parent.process.python === null) return false;
  if (process.forked !== undefined) return process.forked;
  if (process.execId !== '0' && parent.process.execId !== '0') return process.execId === parent.process.execId;
  if (markedAsCopy(process)) return false;
  // The exe of another user's process cannot be read: that proves nothing.
  const exes = [process.exe, parent.process.exe].filter((exe) => exe !== null);
  return sameCommand(process, parent.process) && new Set(exes).size <= 1;
}

/** Reloaders of django and werkzeug mark the copy that they start. */
export function markedAsCopy(process: ProcessInfo): boolean {
  const { RUN_MAIN, WERKZEUG_RUN_MAIN } = process.environ ?? {};
  return RUN_MAIN === 'true' || WERKZEUG_RUN_MAIN === 'true';
}
