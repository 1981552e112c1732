// Owns the making of a target from its config. Providers are loaded when first needed: `wand status` pays for none of them.
import { stripVTControlCharacters } from 'node:util';
import type { DebugwandError } from '../lib/errors.ts';
import type { TargetConfig } from '../core/types.ts';
import type { FoundContainer } from './docker-list.ts';
import type { Admission, UnnamedSource, Survey } from './kubernetes-survey.ts';
import type { Confirm, Target } from './target.ts';

export interface TargetContext {
  readonly log: { info(text: string): void };
  readonly projectRoot: string;
  /** The command of a local target gets our own stdin, stdout and stderr (`wand watch -- COMMAND`). */
  readonly inheritStdio: boolean;
  /** Null: nobody can be asked. */
  readonly confirm?: Confirm | null;
  /** Lines that the command of a local target prints; default: into the log. */
  readonly onLine?: (stream: 'stdout' | 'stderr', line: string) => void;
}

/** Makes the target, and starts its command where it has one. Does not wait for its platform. */
export async function createTarget(config: TargetConfig, context: TargetContext): Promise<Target> {
  const { source } = config;
  if (source.kind === 'docker') {
    const { DockerTarget } = await import('./docker.ts');
    return new DockerTarget(source);
  }
  if (source.kind === 'kubernetes') {
    const { KubernetesTarget } = await import('./kubernetes.ts');
    return new KubernetesTarget(source, context.confirm ?? null);
  }
  const { LocalTarget } = await import('./local.ts');
  const target = new LocalTarget(source, {
    name: config.name,
    inheritStdio: context.inheritStdio,
    onLine:
      context.onLine ??
      ((_stream, line) => {
        // Colours are for a terminal; in a log they are only noise.
        context.log.info(`${config.name} | ${stripVTControlCharacters(line)}`);
      }),
  });
  await target.start();
  return target;
}

/** Running containers, for `wand init`. @throws DebugwandError when no engine can be used */
export async function listContainers(
  signal: AbortSignal,
  host: string | null = null,
): Promise<readonly FoundContainer[]> {
  const { listRunning } = await import('./docker-list.ts');
  return listRunning(host, signal);
}

/** Whether its context may be entered, by the kubeconfig alone. @throws DebugwandError `kubeconfig-missing`, … */
export async function clusterAdmission(source: UnnamedSource, signal: AbortSignal): Promise<Admission> {
  const { admission } = await import('./kubernetes-survey.ts');
  return admission(source, signal);
}

/**
 * A look over the namespace of a Kubernetes target.
 * @throws DebugwandError `kubeconfig-missing`, `context-not-found`, `kubernetes-unreachable`, …
 */
export async function surveyCluster(source: UnnamedSource, signal: AbortSignal): Promise<Survey> {
  const { survey } = await import('./kubernetes-survey.ts');
  return survey(source, signal);
}

/**
 * Null when the target's container, workload or pid exists (or it has none); else why not: `container-not-found`,
 * `workload-not-found` with near names, `no-such-process`, or what is wrong with the engine.
 */
export async function missingSource(
  { source }: Pick<TargetConfig, 'source'>,
  signal: AbortSignal,
): Promise<DebugwandError | null> {
  if (source.kind === 'kubernetes') return (await surveyCluster(source, signal)).missing;
  if (source.kind === 'local') {
    const { missingProcess } = await import('./local-proc.ts');
    return 'pid' in source ? missingProcess(source.pid) : null;
  }
  const { checkContainer } = await import('./docker-list.ts');
  const { asDebugwandError } = await import('../lib/errors.ts');
  const selector = 'compose' in source ? { compose: source.compose } : { container: source.container };
  try {
    await checkContainer(selector, source.host ?? null, signal);
    return null;
  } catch (error) {
    signal.throwIfAborted();
    return asDebugwandError(error);
  }
}
