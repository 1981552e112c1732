// Owns which contexts `wand watch` may enter besides those of its config: by flag, or because the user says so now.
import type { ProjectConfig } from '../core/types.ts';
import { clusterAdmission } from '../targets/index.ts';
import { confirmed, type Asker } from './ask.ts';

/**
 * Contexts that the user allows for this run: `flagged`, and those that are asked about. A kubeconfig that cannot be used
 * is the daemon's to tell and to wait for.
 * @param asker null: nobody can be asked
 */
export async function allowedContexts(
  project: ProjectConfig,
  flagged: readonly string[],
  asker: Asker | null,
  signal: AbortSignal,
  look: typeof clusterAdmission = clusterAdmission,
): Promise<readonly string[]> {
  const allowed = [...flagged];
  if (asker === null) return allowed;
  const asked = new Set<string>();
  for (const { source } of project.targets) {
    if (source.kind !== 'kubernetes') continue;
    const wanted = { ...source, allowContexts: [...source.allowContexts, ...allowed] };
    const found = await look(wanted, signal).catch(() => null);
    if (found === null || found.refused === null || asked.has(found.context)) continue;
    asked.add(found.context);
    if (await confirmed(asker, found.question)) allowed.push(found.context);
  }
  return allowed;
}

/** The project with these contexts allowed for all of its targets. */
export function allowing(project: ProjectConfig, contexts: readonly string[]): ProjectConfig {
  if (contexts.length === 0) return project;
  const targets = project.targets.map((target) => {
    const { source } = target;
    if (source.kind !== 'kubernetes') return target;
    return { ...target, source: { ...source, allowContexts: [...source.allowContexts, ...contexts] } };
  });
  return { ...project, targets };
}
