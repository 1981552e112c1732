// Owns which workload of which cluster the flags of a command mean: kubectl's words, completed from the cluster, asked for
// on a terminal. Decides nothing about pods.
import { resolve } from 'node:path';
import { KIND_WORDS, parseWorkload, replicaNamed } from '../core/workload-name.ts';
import type { KubernetesSource } from '../core/types.ts';
import { DebugwandError } from '../lib/errors.ts';
import { nearest } from '../lib/nearest.ts';
import { surveyCluster } from '../targets/index.ts';
import type { UnnamedSource } from '../targets/kubernetes-survey.ts';
import { choice, confirmed, type Asker } from './ask.ts';

/** Flags of `debug`, `ps` and `inject`. */
export interface ClusterFlags {
  readonly service?: string;
  readonly selector?: string;
  readonly namespace?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
  /** Of a pod, where something else says Kubernetes; else of Docker. */
  readonly container?: string;
  readonly allowContext?: readonly string[];
  readonly replica?: string;
  readonly ephemeralContainers?: KubernetesSource['ephemeralContainers'];
}

/** What the flags and a positional `kind/name` ask for; null: nothing of Kubernetes. @throws DebugwandError `usage` */
export function wantedOf(flags: ClusterFlags, positional: string | undefined, cwd: string): UnnamedSource | null {
  const { service, selector, namespace, context, kubeconfig, container, allowContext } = flags;
  const named = positional === undefined ? null : parseWorkload(positional);
  if (named !== null && 'unknownKind' in named) {
    const near = nearest(named.unknownKind, KIND_WORDS);
    throw usage(
      `\`${positional ?? ''}\` names no workload that debugwand knows`,
      `${near === null ? '' : `did you mean ${near}/…? `}It is KIND/NAME, with one of ${KIND_WORDS.join(', ')}`,
    );
  }
  const given = [
    ...(named === null ? [] : [named.workload]),
    ...(service === undefined ? [] : [serviceNamed(service)]),
    ...(selector === undefined ? [] : [{ kind: 'selector' as const, name: selector }]),
  ];
  if (given.length > 1) throw usage('several workloads were named', 'name one: KIND/NAME, --service or --selector');
  const isCluster = [namespace, context, kubeconfig].some((flag) => flag !== undefined);
  const workload = given[0] ?? null;
  if (workload === null && !isCluster) return null;
  // Left out it would be another workload, or any: a script would run in the wrong pod.
  if (positional !== undefined && named === null) {
    throw usage(
      `\`${positional}\` beside Kubernetes' options does not say what it is`,
      `a service: \`svc/${positional}\`; another workload: \`deploy/${positional}\`; a target of the config: without those options`,
    );
  }
  return {
    kind: 'kubernetes',
    workload,
    ...(namespace === undefined ? {} : { namespace }),
    ...(context === undefined ? {} : { context }),
    ...(kubeconfig === undefined ? {} : { kubeconfig: resolve(cwd, kubeconfig) }),
    ...(container === undefined ? {} : { container }),
    replica: replicaNamed(flags.replica),
    ephemeralContainers: flags.ephemeralContainers ?? 'ask',
    allowContexts: allowContext ?? [],
  };
}

/** `-s svc/web` is said, too. */
function serviceNamed(name: string): KubernetesSource['workload'] {
  const named = parseWorkload(name);
  return named !== null && 'workload' in named ? named.workload : { kind: 'service', name };
}

/**
 * Looks at the cluster: context and namespace are pinned, the guard is asked about, missing names are completed.
 * @param asker null: nobody can be asked
 * @param say tells what was taken for what was not said
 * @throws DebugwandError `workload-not-found`, `namespace-not-found`, `context-not-allowed`, `kubeconfig-missing`, …
 */
export async function completed(
  wanted: UnnamedSource,
  asker: Asker | null,
  say: (line: string) => void,
  signal: AbortSignal,
  look: typeof surveyCluster = surveyCluster,
): Promise<KubernetesSource> {
  const { place, refused, question, missing, offers } = await look(wanted, signal);
  const { context, namespace } = place;
  const pinned = { ...wanted, context, namespace };
  if (refused !== null) {
    if (asker === null || !(await confirmed(asker, question))) throw refused;
    return completed({ ...pinned, allowContexts: [...wanted.allowContexts, context] }, asker, say, signal, look);
  }
  if (wanted.workload !== null && missing === null) return { ...pinned, workload: wanted.workload };
  const rows = offers.map(({ workload, note }) => ({ workload, text: `${workload.kind}/${workload.name}`, note }));
  if (asker !== null && rows.length > 0) {
    const title = missing === null ? `In \`${namespace}\` (context ${context}):` : `${missing.message}\nThere are:`;
    const chosen = await choice(asker, title, rows);
    if (chosen !== null) return { ...pinned, workload: chosen.workload };
  }
  if (missing !== null) throw missing;
  const newest = rows.find(({ note }) => note !== '');
  if (asker !== null || newest === undefined) throw nothingNamed(namespace, rows);
  say(`no workload was named: ${newest.text} is taken (${newest.note})`);
  return { ...pinned, workload: newest.workload };
}

function nothingNamed(namespace: string, rows: readonly { readonly text: string }[]): DebugwandError {
  const names = rows.map(({ text }) => text);
  const [first] = names;
  return first === undefined
    ? new DebugwandError({
        code: 'workload-not-found',
        message: `nothing runs in the namespace \`${namespace}\``,
        fix: 'check the namespace (-n) and the context (--context)',
      })
    : usage(
        `which workload of \`${namespace}\` is meant?`,
        `name one: ${names.slice(0, 10).join(', ')}${names.length > 10 ? ', …' : ''}`,
      );
}

function usage(message: string, fix: string): DebugwandError {
  return new DebugwandError({ code: 'usage', message, fix });
}
