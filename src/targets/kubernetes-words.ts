// Owns the words for pods that do not run, and for workloads that have none: with the reasons that Kubernetes gives. Pure.
import type { KubernetesSource } from '../core/types.ts';
import type { Container, Ended, Pod } from './kubernetes-pod.ts';
import type { Named, ReplicaSet } from './kubernetes-wire.ts';

type Workload = KubernetesSource['workload'];

/** A message of Kubernetes may hold a whole log. */
const LONGEST = 300;

/** Reasons for waiting that are no trouble. */
const ON_ITS_WAY: ReadonlySet<string> = new Set(['ContainerCreating', 'PodInitializing', '']);

/** What people call it: "deployment `web`", "pods with app=web". */
export function describeWorkload({ kind, name }: Workload): string {
  if (kind === 'selector') return `pods with \`${name}\``;
  return `${kind === 'knative' ? 'Knative service' : kind} \`${name}\``;
}

/** Why the pod's container does not run: "CrashLoopBackOff: exited with 1, 4 restarts". */
export function podTrouble(pod: Pod, container: Container | null): string {
  if (pod.phase === 'Failed' && pod.reason !== '') return reasoned(pod.reason, pod.message);
  if (pod.isDeleting) return 'is being deleted';
  if (pod.unscheduled !== null) return `Pending: ${reasoned(pod.unscheduled.reason, pod.unscheduled.message)}`;
  const before = pod.initContainers.find((c) => !c.isNativeSidecar && !isDone(c));
  const status = container?.status ?? null;
  if (before !== undefined && status?.state.is !== 'running' && status?.state.is !== 'terminated') {
    return initTrouble(before);
  }
  if (status === null) return pod.phase === 'Pending' || pod.phase === '' ? 'Pending' : pod.phase;
  const { state, last, restarts } = status;
  switch (state.is) {
    case 'running':
      return 'running';
    case 'terminated':
      return endedText(state);
    case 'waiting': {
      const again = restarts === 0 ? '' : `, ${String(restarts)} ${restarts === 1 ? 'restart' : 'restarts'}`;
      if (state.reason === 'CrashLoopBackOff' && last !== null) return `CrashLoopBackOff: ${endedText(last)}${again}`;
      if (!ON_ITS_WAY.has(state.reason)) return reasoned(state.reason, state.message);
      return last === null ? 'ContainerCreating' : `restarting: ${endedText(last)}${again}`;
    }
    default:
      return state satisfies never;
  }
}

function isDone(container: Container): boolean {
  const state = container.status?.state;
  return state?.is === 'terminated' && state.exitCode === 0;
}

function initTrouble(container: Container): string {
  const what = `init container \`${container.name}\``;
  const status = container.status;
  if (status === null) return `Init: ${what} has not started`;
  const { state, last } = status;
  if (state.is === 'running') return `Init: ${what} runs`;
  if (state.is === 'terminated') return `Init: ${what} ${endedText(state)}`;
  if (ON_ITS_WAY.has(state.reason)) return `Init: ${what} has not started`;
  const why = state.reason === 'CrashLoopBackOff' && last !== null ? endedText(last) : state.message;
  return reasoned(`Init:${state.reason}`, why === '' ? what : `${what} ${why}`);
}

/** "exited with 137 (OOMKilled)", "completed". `Error` says nothing that the number does not. */
function endedText({ reason, exitCode, message }: Ended): string {
  if (exitCode === 0) return 'completed';
  const why = reason === '' || reason === 'Error' ? (exitCode === 137 ? ' (killed)' : '') : ` (${reason})`;
  return cut(`exited with ${String(exitCode)}${why}${message === '' ? '' : `: ${message}`}`);
}

function reasoned(reason: string, message: string): string {
  return cut(message === '' ? reason : `${reason || 'waiting'}: ${message}`);
}

function cut(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST - 1)}…`;
}

/** Why a workload that exists has no pods at all. */
export function noPodsText(workload: Workload, named: Named | null, replicaSets: readonly ReplicaSet[]): string {
  const what = describeWorkload(workload);
  if (named === null) return workload.kind === 'selector' ? `no ${what}` : `${what} does not exist`;
  switch (named.kind) {
    case 'deployment':
    case 'statefulset':
      if (named.wanted === 0) return `${what} is scaled to 0`;
      return named.trouble === '' ? `${what} has no pods yet` : cut(`${what} can make no pods: ${named.trouble}`);
    case 'daemonset':
      return named.wanted === 0 ? `${what} fits no node` : `${what} has no pods yet`;
    case 'service':
      return noEndpointsText(what, named.selector, replicaSets);
    case 'job':
      if (named.isSuspended) return `${what} is suspended`;
      if (named.state === 'complete') return `${what} has completed`;
      return named.state === 'failed' ? cut(`${what} failed: ${named.message}`) : `${what} has no pods yet`;
    case 'cronjob':
      return named.isSuspended
        ? `${what} is suspended`
        : `${what} runs no job now: the next one comes by its schedule \`${named.schedule}\``;
    case 'knative':
      if (named.ready === true) return `${what} is scaled to zero: the next request starts it`;
      return cut(`${what} is not ready${named.message === '' ? '' : `: ${named.message}`}`);
    default:
      return named satisfies never;
  }
}

/** A service says nothing of what is behind it, but the ReplicaSets with its labels do. */
function noEndpointsText(what: string, selector: string, replicaSets: readonly ReplicaSet[]): string {
  if (selector === '') return `${what} has no selector and no EndpointSlices that name pods`;
  const newest = replicaSets.toSorted((a, b) => b.revision - a.revision)[0];
  if (newest?.owner !== undefined && newest.owner !== null && replicaSets.every((set) => set.wanted === 0)) {
    return `${newest.owner.kind.toLowerCase()} \`${newest.owner.name}\` behind ${what} is scaled to 0`;
  }
  return `${what} selects no pod: none has \`${selector}\``;
}
