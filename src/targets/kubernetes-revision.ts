// Owns which revision of its workload a pod belongs to, and which one is current. Pure.
import type { Pod } from './kubernetes-pod.ts';
import type { Named, ReplicaSet } from './kubernetes-wire.ts';

const KNATIVE_REVISION = 'serving.knative.dev/revision';
const KNATIVE_SERVICE = 'serving.knative.dev/service';
const TEMPLATE_HASH = 'pod-template-hash';
const REVISION_HASH = 'controller-revision-hash';

export interface Revision {
  readonly isCurrent: boolean;
  /** For people: "revision 3"; empty where there is but one for ever. */
  readonly words: string;
}

/** Tells revisions of `pods`, which need not all belong to one workload: a service may select several. */
export function revisions(
  pods: readonly Pod[],
  replicaSets: readonly ReplicaSet[],
  named: Named | null,
): (pod: Pod) => Revision {
  const sets = new Map(replicaSets.map((set) => [set.name, set]));
  const current = new Map<string, string>();
  for (const family of new Set(pods.map((pod) => familyOf(pod, sets)))) {
    const members = pods.filter((pod) => familyOf(pod, sets) === family);
    current.set(family, toldBy(named) ?? bySets(family, replicaSets, named) ?? byAge(members));
  }
  return (pod) => {
    const id = idOf(pod);
    const set = pod.owner?.kind === 'ReplicaSet' ? sets.get(pod.owner.name) : undefined;
    const number = set === undefined || set.revision === 0 ? '' : `revision ${String(set.revision)}`;
    return {
      isCurrent: id === '' || id === current.get(familyOf(pod, sets)),
      words: number || (pod.labels[KNATIVE_REVISION] === undefined ? '' : `revision ${id}`),
    };
  };
}

/** What changes with each revision. Empty: pods of this kind have none (jobs, bare pods). */
function idOf(pod: Pod): string {
  return pod.labels[KNATIVE_REVISION] ?? pod.labels[TEMPLATE_HASH] ?? pod.labels[REVISION_HASH] ?? '';
}

/** What all revisions of one workload have in common. */
function familyOf(pod: Pod, sets: ReadonlyMap<string, ReplicaSet>): string {
  const knative = pod.labels[KNATIVE_SERVICE];
  if (knative !== undefined) return `knative ${knative}`;
  const { owner } = pod;
  if (owner === null) return `pod ${pod.uid}`;
  if (owner.kind !== 'ReplicaSet') return `${owner.kind} ${owner.uid}`;
  const above = sets.get(owner.name)?.owner;
  if (above !== undefined && above !== null) return `${above.kind} ${above.uid}`;
  // Without the right to see ReplicaSets: a Deployment's are called like it, with the hash behind.
  const hash = pod.labels[TEMPLATE_HASH];
  return `like ${hash === undefined ? owner.name : owner.name.replace(`-${hash}`, '')}`;
}

function toldBy(named: Named | null): string | null {
  if (named?.kind === 'statefulset' && named.revision !== '') return named.revision;
  if (named?.kind !== 'knative') return null;
  return named.latestReadyRevision || named.latestCreatedRevision || null;
}

/** The set of the Deployment's revision; else of the highest one: a rollback gives the old set a new number. */
function bySets(family: string, sets: readonly ReplicaSet[], named: Named | null): string | null {
  const own = sets.filter((set) => set.owner !== null && `${set.owner.kind} ${set.owner.uid}` === family);
  const told = named?.kind === 'deployment' ? own.find((set) => String(set.revision) === named.revision) : undefined;
  const best = told ?? own.toSorted((a, b) => b.revision - a.revision || b.createdAt - a.createdAt)[0];
  return best?.labels[TEMPLATE_HASH] ?? null;
}

/** Pods of an old revision are made anew now and then, but mostly the newest one is of the newest. */
function byAge(pods: readonly Pod[]): string {
  const living = pods.filter((pod) => !pod.isDeleting);
  const newest = (living.length > 0 ? living : pods).toSorted((a, b) => b.createdAt - a.createdAt)[0];
  return newest === undefined ? '' : idOf(newest);
}
