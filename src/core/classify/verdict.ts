// Owns the shape of a judgement about one process, and how others speak of that process. Pure; holds no rule.
import type { Role } from '../types.ts';
import { RANK, type Crew } from './tools.ts';
import type { Node } from './tree.ts';

export interface Verdict {
  readonly pid: number;
  readonly role: Role;
  readonly reason: string;
  /** What it is: "uvicorn reloader", "main.py". */
  readonly name: string;
  /** Of workers, and of what a supervisor starts: lower is chosen first. */
  readonly rank: number;
  /** Of workers: pid of the supervisor whose equal workers they are; their own pid when nobody's. */
  readonly group: number;
  /** Of supervisors. */
  readonly crew: Crew | null;
}

export type Verdicts = Map<number, Verdict>;

export function verdict(
  node: Node,
  role: Role,
  name: string,
  reason: string,
  more: Partial<Pick<Verdict, 'rank' | 'group' | 'crew'>> = {},
): Verdict {
  const { pid } = node.process;
  return { pid, role, reason, name, rank: RANK.plain, group: pid, crew: null, ...more };
}

/** "the uvicorn reloader 17", but "watchfiles 17", "main.py 17", "worker 17". */
export function named({ name, pid }: Verdict): string {
  return `${name.includes(' ') ? 'the ' : ''}${name} ${String(pid)}`;
}

/** Rank and group of what a process starts; what a worker starts for itself comes after all else. */
export function placed(above: Verdict): Pick<Verdict, 'rank' | 'group'> {
  return { rank: above.role === 'worker' ? RANK.below : above.rank, group: above.pid };
}
