// Owns looking over a namespace once, for commands: whether it may be entered, whether the workload exists, what else there
// is. Reads only.
import type { ClusterPlace, KubernetesSource } from '../core/types.ts';
import type { DebugwandError } from '../lib/errors.ts';
import type { ClusterApi } from './kubernetes-api.ts';
import { KubernetesConnection } from './kubernetes-connection.ts';
import { explainKubernetes } from './kubernetes-errors.ts';
import { fields, list } from '../lib/fields.ts';
import { guardQuestion, notAllowed } from './kubernetes-guard.ts';
import { missingWorkload, workloadExists, workloadNames } from './kubernetes-names.ts';
import { parsePod, type Pod } from './kubernetes-pod.ts';

/** A source whose workload may not have been named yet. */
export type UnnamedSource = Omit<KubernetesSource, 'workload'> & {
  readonly workload: KubernetesSource['workload'] | null;
};

export interface Admission {
  readonly context: string;
  /** Why it may not be entered; null: it may. */
  readonly refused: DebugwandError | null;
  /** What to ask a user then. */
  readonly question: string;
}

export interface Survey {
  readonly place: ClusterPlace;
  /** Why it may not be entered, and then nothing else was looked at; null: it may. */
  readonly refused: DebugwandError | null;
  /** What to ask a user then. */
  readonly question: string;
  /** `workload-not-found`, `namespace-not-found`; null: it exists, or none was named. */
  readonly missing: DebugwandError | null;
  /** Only where the workload is missing or was not named. */
  readonly offers: readonly Offer[];
}

/** A workload that could be meant. */
export interface Offer {
  readonly workload: KubernetesSource['workload'];
  /** "newest pod web-659796fd9f-74gdv, ready". */
  readonly note: string;
}

const OFFERED = ['service', 'deployment', 'statefulset', 'daemonset'] as const;

/** @throws DebugwandError `kubeconfig-missing`, `context-not-found`, `kubernetes-unreachable`, … */
export async function survey(source: UnnamedSource, signal: AbortSignal): Promise<Survey> {
  const { workload } = source;
  return connected(source, signal, async (api) => {
    const { place } = api;
    const { refused, question } = admissionOf(place);
    // Not even asked whether it is there: it may be behind a VPN that is down.
    if (refused !== null) return { place, refused, question, missing: null, offers: [] };
    const isThere = workload !== null && (await workloadExists(api, workload, signal));
    const missing = workload === null || isThere ? null : await missingWorkload(api, workload, signal);
    return {
      place,
      refused,
      question,
      missing,
      offers: isThere || missing?.code === 'namespace-not-found' ? [] : await offersIn(api, signal),
    };
  });
}

/** Whether the context may be entered; nothing is asked of the cluster. @throws as `survey` does */
export async function admission(source: UnnamedSource, signal: AbortSignal): Promise<Admission> {
  return connected(source, signal, ({ place }) => Promise.resolve(admissionOf(place)));
}

function admissionOf(place: ClusterPlace): Admission {
  return {
    context: place.context,
    refused: place.guard.allowed ? null : notAllowed(place),
    question: guardQuestion(place),
  };
}

async function connected<T>(
  source: UnnamedSource,
  signal: AbortSignal,
  work: (api: ClusterApi) => Promise<T>,
): Promise<T> {
  const connection = new KubernetesConnection(source);
  try {
    return await work(await connection.api(signal));
  } catch (error) {
    signal.throwIfAborted();
    throw explainKubernetes(error, { place: connection.place });
  } finally {
    connection.close();
  }
}

/** The workload of the newest pod first, then services and what makes pods, then pods that nothing made. */
async function offersIn(api: ClusterApi, signal: AbortSignal): Promise<readonly Offer[]> {
  const namespace = encodeURIComponent(api.place.namespace);
  const answer = await api.request('GET', `/api/v1/namespaces/${namespace}/pods`, { query: { limit: 500 } }, signal);
  const pods = list(fields(answer)['items'])
    .flatMap((item) => parsePod(item) ?? [])
    .filter((pod) => !pod.isDeleting && /^(Running|Pending)$/.test(pod.phase))
    .toSorted((a, b) => Number(b.ready) - Number(a.ready) || b.createdAt - a.createdAt);
  const named = await Promise.all(
    OFFERED.map(async (kind): Promise<Offer[]> => {
      // What may not be listed is not offered.
      const names = await workloadNames(api, { kind, name: '' }, signal).catch(() => []);
      return names.map((name) => ({ workload: { kind, name }, note: '' }));
    }),
  );
  const bare = pods.filter((pod) => pod.owner === null);
  const all: readonly Offer[] = [
    ...pods.slice(0, 1).map((pod) => ({ workload: workloadOf(pod), note: `newest pod ${pod.name}` })),
    ...named.flat(),
    ...bare.map((pod): Offer => ({ workload: { kind: 'pod', name: pod.name }, note: '' })),
  ];
  const seen = new Set<string>();
  return all.filter(({ workload: { kind, name } }) => {
    // The API server's own: nobody's app.
    if (kind === 'service' && name === 'kubernetes') return false;
    return seen.has(`${kind}/${name}`) ? false : (seen.add(`${kind}/${name}`), true);
  });
}

/** What keeps a pod's successors in view: the workload that made it. */
function workloadOf(pod: Pod): KubernetesSource['workload'] {
  const { owner, labels } = pod;
  const hash = labels['pod-template-hash'];
  const knative = labels['serving.knative.dev/service'];
  if (knative !== undefined) return { kind: 'knative', name: knative };
  if (owner?.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`)) {
    return { kind: 'deployment', name: owner.name.slice(0, -hash.length - 1) };
  }
  if (owner?.kind === 'StatefulSet') return { kind: 'statefulset', name: owner.name };
  if (owner?.kind === 'DaemonSet') return { kind: 'daemonset', name: owner.name };
  if (owner?.kind === 'Job') return { kind: 'job', name: owner.name };
  return { kind: 'pod', name: pod.name };
}
