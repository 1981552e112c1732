// Owns the answer to "which process is the worker?": roles with reasons, and the choice. Pure. The parts: classify/
// command.ts (command lines), tools.ts (what is known of tools), tree.ts (shape), roles.ts and children.ts
// (rules), verdict.ts (their outcome), choose.ts (choice).
import { choose } from './classify/choose.ts';
import { judge, type Previous } from './classify/roles.ts';
import { treeOf } from './classify/tree.ts';
import type { Classification, ClassifiedProcess, KeptCrew, ProcessChoice, ProcessInfo } from './types.ts';

/**
 * Classifies one snapshot of a target's processes. `previous`: the worker followed so far, also when it is gone: while it
 * lives it is kept as long as the server keeps it, and after its end its parent is known to be waiting for the next one.
 * `kept`: of the classification before.
 */
export function classify(
  processes: readonly ProcessInfo[],
  choice: ProcessChoice,
  previous: Previous | null = null,
  kept: KeptCrew | null = null,
): Classification {
  const tree = treeOf(processes);
  const verdicts = judge(tree, previous);
  const outcome = choose(tree, verdicts, choice, previous, kept);
  const { pid, why, crew, below } = outcome;
  const classified = [...tree.values()].map(({ process }): ClassifiedProcess => {
    const verdict = verdicts.get(process.pid);
    return {
      ...process,
      role: verdict?.role ?? 'tool',
      reason: verdict?.reason ?? '',
      chosen: process.pid === pid,
    };
  });
  return {
    processes: classified,
    chosen: classified.find((process) => process.chosen) ?? null,
    why,
    crew,
    below,
    kept: outcome.kept ?? kept,
  };
}

/** The same with another worker as the chosen one. `reason`: in words. */
export function chosenInstead(classification: Classification, pid: number, reason: string): Classification {
  const processes = classification.processes.map((process) =>
    process.pid === pid ? { ...process, reason, chosen: true } : { ...process, chosen: false },
  );
  const chosen = processes.find((process) => process.chosen) ?? null;
  return { ...classification, processes, chosen, why: `worker ${String(pid)}: ${reason}` };
}
