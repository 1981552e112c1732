// Owns the end of what is below a command of ours: known while the command lives, ended when it has left them behind.
import { pause } from '../lib/time.ts';
import { descendantsOf, isAlive, startTimeOf } from './local-proc.ts';

/** A process that cannot be mistaken for a later one of the same number. */
export interface Known {
  readonly pid: number;
  readonly startTime: string | null;
}

/** How often the end of what is no child of ours is looked for, ms. */
const LOOK_MS = 20;

/** Without `root` itself. */
export function treeBelow(root: number): readonly Known[] {
  return descendantsOf(root)
    .filter((pid) => pid !== root)
    .map((pid) => ({ pid, startTime: startTimeOf(pid) }));
}

/** Asks those who are still there to end, and kills who has not by the deadline (ms since the epoch). */
export async function endAll(processes: readonly Known[], deadline: number): Promise<void> {
  const left = (): readonly Known[] =>
    processes.filter(({ pid, startTime }) => isAlive(pid) && startTimeOf(pid) === startTime);
  for (const { pid } of left()) {
    kill(pid, 'SIGTERM');
    // Who is stopped takes no signal but this one.
    kill(pid, 'SIGCONT');
  }
  while (left().length > 0 && Date.now() < deadline) await pause(LOOK_MS);
  for (const { pid } of left()) kill(pid, 'SIGKILL');
}

/** @param pid negative: the process group */
export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone, or somebody else's.
  }
}
