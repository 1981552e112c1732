// Owns the choice: from the objects of a namespace to the replicas of a target, best first, and the words for waiting.
// Pure. Which container: kubernetes-container.ts; which revision: kubernetes-revision.ts; words: kubernetes-words.ts.
import type { KubernetesSource, Replica } from '../core/types.ts';
import { DebugwandError } from '../lib/errors.ts';
import { nearest } from '../lib/nearest.ts';
import { chooseContainer, missingContainerText } from './kubernetes-container.ts';
import type { Container, Pod } from './kubernetes-pod.ts';
import { revisions, type Revision } from './kubernetes-revision.ts';
import type { EndpointSlice, Job, Named, ReplicaSet } from './kubernetes-wire.ts';
import { describeWorkload, noPodsText, podTrouble } from './kubernetes-words.ts';

export interface ClusterView {
  readonly source: Pick<KubernetesSource, 'workload' | 'container' | 'replica'>;
  /** What the target is named by; null: it does not exist, or it is a pod or a selector. */
  readonly named: Named | null;
  readonly pods: readonly Pod[];
  readonly replicaSets: readonly ReplicaSet[];
  /** Of a service without a selector. */
  readonly slices: readonly EndpointSlice[];
  /** Of a CronJob. */
  readonly jobs: readonly Job[];
}

export interface Selection {
  readonly replicas: readonly Replica[];
  readonly waitingFor: string | null;
  readonly error: DebugwandError | null;
}

/** Lower is better. Readiness before revision: a rollout that never gets ready leaves the debugger where it is. */
const RANK = { readyNow: 0, readyOld: 1, startingNow: 2, startingOld: 3, ending: 4, notRunning: 5 } as const;

interface Candidate {
  readonly pod: Pod;
  readonly container: Container;
  readonly rank: number;
  readonly revision: Revision;
}

export function select(view: ClusterView): Selection {
  const { source, named } = view;
  const error = unusable(view);
  if (error !== null) return { replicas: [], waitingFor: null, error };
  const all = podsOf(view);
  const name = pinned(source);
  const pods = name === null ? all : all.filter((pod) => pod.name === name);
  const revisionOf = revisions(all, view.replicaSets, named);
  const candidates = pods
    .flatMap((pod): Candidate[] => {
      const container = chooseContainer(pod, source.container);
      if (container === null) return [];
      const revision = revisionOf(pod);
      return [{ pod, container, revision, rank: rankOf(pod, container, revision) }];
    })
    .toSorted(inOrder);
  const replicas = candidates.map((candidate) => toReplica(candidate, view));
  const runs = replicas.some((replica) => replica.state === 'running');
  return { replicas, waitingFor: runs ? null : waitingText(view, all, pods, candidates), error: null };
}

/** The pods that the workload means, of those that its label selector found. */
export function podsOf({ source, named, pods, slices, jobs }: ClusterView): readonly Pod[] {
  const { workload } = source;
  if (workload.kind === 'pod') return pods.filter((pod) => pod.name === workload.name);
  if (workload.kind === 'selector') return pods;
  if (named === null) return [];
  if (named.kind === 'service' && named.selector === '') {
    const names = new Set(slices.filter((s) => s.service === named.name).flatMap((slice) => slice.pods));
    return pods.filter((pod) => names.has(pod.name));
  }
  if (named.kind === 'cronjob') {
    const uids = new Set(jobs.filter((job) => job.owner?.uid === named.uid).map((job) => job.uid));
    return pods.filter((pod) => pod.owner !== null && uids.has(pod.owner.uid));
  }
  return pods;
}

/** Services that no pod is behind. */
function unusable({ source, named, slices }: ClusterView): DebugwandError | null {
  if (named?.kind !== 'service') return null;
  const what = describeWorkload(source.workload);
  if (named.type === 'ExternalName') {
    return new DebugwandError({
      code: 'service-external',
      message: `${what} is an ExternalName for ${named.externalName}: no pod is behind it`,
      fix: 'name a service with pods, or the workload itself: `deployment`, `statefulset`, `pod` …',
    });
  }
  const own = slices.filter((slice) => slice.service === named.name);
  const strangers = own.flatMap((slice) => slice.strangers);
  if (named.selector !== '' || strangers.length === 0 || own.some((slice) => slice.pods.length > 0)) return null;
  return new DebugwandError({
    code: 'service-external',
    message: `${what} has no selector, and its EndpointSlices lead to ${strangers.slice(0, 3).join(', ')}: no pod is behind it`,
    fix: 'name the workload itself: `deployment`, `statefulset`, `pod` …',
  });
}

function rankOf(pod: Pod, container: Container, { isCurrent }: Revision): number {
  if (container.status?.state.is !== 'running') return RANK.notRunning;
  if (pod.isDeleting) return RANK.ending;
  if (pod.ready) return isCurrent ? RANK.readyNow : RANK.readyOld;
  return isCurrent ? RANK.startingNow : RANK.startingOld;
}

/** Of those that do not run, what is current tells more than what is over. */
function inOrder(a: Candidate, b: Candidate): number {
  return (
    a.rank - b.rank ||
    Number(a.pod.isDeleting) - Number(b.pod.isDeleting) ||
    Number(b.revision.isCurrent) - Number(a.revision.isCurrent) ||
    b.pod.createdAt - a.pod.createdAt ||
    startOf(b).localeCompare(startOf(a)) ||
    a.pod.name.localeCompare(b.pod.name, 'en', { numeric: true })
  );
}

function startOf({ container }: Candidate): string {
  const state = container.status?.state;
  return state?.is === 'running' ? state.startedAt : '';
}

function toReplica(candidate: Candidate, view: ClusterView): Replica {
  const { pod, container, rank } = candidate;
  const isEnding = rank === RANK.ending;
  return {
    id: `${pod.uid}/${container.name}`,
    name: `${pod.name}/${container.name}`,
    state: stateOf(container),
    // Seconds are too coarse for a container that dies at once: its id tells one start from the next.
    startedAt: `${startOf(candidate)} ${container.status?.id ?? ''}`.trim(),
    ...(container.workingDir === '' ? {} : { workingDir: container.workingDir }),
    mounts: container.hostPaths,
    image: container.image,
    scope: { kind: 'namespace' },
    rank,
    ...(isEnding ? { ending: true } : {}),
    ...(rank === RANK.readyOld || rank === RANK.startingOld ? { superseded: true } : {}),
    ...(rank === RANK.notRunning && !pod.isDeleting && !isOver(pod) ? { coming: true } : {}),
    note: noteOf(candidate),
    ports: portsOf(container, view.named),
    // One that succeeded never comes again.
    probes: container.probes.filter(({ kind }) => kind !== 'startup' || container.status?.started !== true),
    timeLimits: timeLimitsOf(pod),
  };
}

/** Pods of jobs that ended stay to be looked at. */
function isOver({ phase }: Pod): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

function stateOf(container: Container): Replica['state'] {
  const status = container.status;
  if (status === null) return 'stopped';
  if (status.state.is === 'running') return 'running';
  return status.state.is === 'waiting' && status.last !== null ? 'restarting' : 'stopped';
}

function noteOf({ pod, container, rank, revision }: Candidate): string {
  const age = revision.isCurrent || revision.words === '' ? revision.words : `old ${revision.words}`;
  const state = [
    ...(rank === RANK.notRunning ? [podTrouble(pod, container)] : []),
    ...(rank === RANK.ending ? ['being deleted'] : []),
    ...(rank < RANK.ending ? [pod.ready ? 'ready' : 'not ready'] : []),
  ];
  const restarts = container.status?.restarts ?? 0;
  const again = rank < RANK.ending && restarts > 0 ? [`restarts: ${String(restarts)}`] : [];
  return [...state, ...(age === '' ? [] : [age]), ...again].join(', ');
}

/** The container's ports, and the service's names for them where the container has no such name. */
function portsOf(container: Container, named: Named | null): NonNullable<Replica['ports']> {
  if (named?.kind !== 'service') return container.ports;
  const known = new Set(container.ports.map((port) => port.name));
  const more = named.ports.flatMap(({ name, port, targetPort }) => {
    if (name === '' || known.has(name)) return [];
    const target = targetPort ?? port;
    const number = typeof target === 'number' ? target : container.ports.find((p) => p.name === target)?.port;
    return number === undefined ? [] : [{ name, port: number }];
  });
  return [...container.ports, ...more];
}

/** Knative's queue-proxy ends a request, and with it the pause of its worker, after a time of its own. */
const KNATIVE_LIMITS = {
  REVISION_TIMEOUT_SECONDS: "Knative's timeout of a request",
  REVISION_RESPONSE_START_TIMEOUT_SECONDS: "Knative's timeout of a response's start",
  REVISION_IDLE_TIMEOUT_SECONDS: "Knative's timeout of an idle request",
} as const;

function timeLimitsOf(pod: Pod): NonNullable<Replica['timeLimits']> {
  const proxy = pod.containers.find((container) => container.name === 'queue-proxy');
  if (proxy === undefined) return [];
  return Object.entries(KNATIVE_LIMITS).flatMap(([variable, what]) => {
    const seconds = Number(proxy.env[variable] ?? '');
    return Number.isFinite(seconds) && seconds > 0 ? [{ what, seconds }] : [];
  });
}

/** The only pod that is meant; null: any. */
function pinned({ replica }: ClusterView['source']): string | null {
  return typeof replica === 'string' ? null : replica.pod;
}

function waitingText(
  { source, named, replicaSets }: ClusterView,
  all: readonly Pod[],
  pods: readonly Pod[],
  candidates: readonly Candidate[],
): string {
  // One that is on its way out, and runs no more, says nothing of what comes; Knative's linger for minutes.
  const coming = candidates.find(({ pod, rank }) => !(pod.isDeleting && rank === RANK.notRunning));
  const best = coming ?? (named === null ? candidates[0] : undefined);
  const isJob = named?.kind === 'cronjob' || (named?.kind === 'job' && named.state !== 'active');
  if (best !== undefined && !(isOver(best.pod) && isJob)) {
    return `pod \`${best.pod.name}\`: ${podTrouble(best.pod, best.container)}`;
  }
  const [first] = pods;
  if (first !== undefined && candidates.length === 0 && source.container !== undefined) {
    return missingContainerText(first, source.container);
  }
  if (all.length > 0 && pods.length === 0) {
    const wanted = pinned(source) ?? '';
    const names = all.map((pod) => pod.name);
    const near = nearest(wanted, names);
    const there = near === null ? `there are ${names.slice(0, 5).join(', ')}` : `did you mean \`${near}\`?`;
    return `${describeWorkload(source.workload)} has no pod \`${wanted}\`: ${there}`;
  }
  return noPodsText(source.workload, named, replicaSets);
}
