// Owns which collections of objects a workload takes to be watched, and how each is read. Pure; kubernetes-watch.ts runs
// them. Least first: pods are asked for by labels once they are known.
import type { WorkloadKind } from '../core/types.ts';
import { parsePod, type Pod } from './kubernetes-pod.ts';
import {
  parseController,
  parseCronJob,
  parseEndpointSlice,
  parseJob,
  parseKnativeService,
  parseReplicaSet,
  parseService,
  type EndpointSlice,
  type Job,
  type Named,
  type ReplicaSet,
} from './kubernetes-wire.ts';

type Workload = { readonly kind: WorkloadKind; readonly name: string };

/** What of the view a collection fills. */
export interface Parts {
  readonly named: Named;
  readonly pods: Pod;
  readonly replicaSets: ReplicaSet;
  readonly slices: EndpointSlice;
  readonly jobs: Job;
}

export interface Need {
  readonly part: keyof Parts;
  readonly path: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly parse: (object: unknown) => Parts[keyof Parts] | null;
  /** What is known without it is enough, if there is no right to see it. */
  readonly isOptional: boolean;
}

type NamedKind = Exclude<WorkloadKind, 'pod' | 'selector'>;

const NAMED: Readonly<Record<NamedKind, { api: string; resource: string; parse: (object: unknown) => Named | null }>> =
  {
    service: { api: '/api/v1', resource: 'services', parse: parseService },
    deployment: { api: '/apis/apps/v1', resource: 'deployments', parse: parseController('deployment') },
    statefulset: { api: '/apis/apps/v1', resource: 'statefulsets', parse: parseController('statefulset') },
    daemonset: { api: '/apis/apps/v1', resource: 'daemonsets', parse: parseController('daemonset') },
    job: { api: '/apis/batch/v1', resource: 'jobs', parse: parseJob },
    cronjob: { api: '/apis/batch/v1', resource: 'cronjobs', parse: parseCronJob },
    knative: { api: '/apis/serving.knative.dev/v1', resource: 'services', parse: parseKnativeService },
  };

/** The collection that a workload of this kind is found in: for looking for near names. Null: a selector has no name. */
export function pathOf({ kind }: Workload, namespace: string): string | null {
  if (kind === 'selector') return null;
  const { api, resource } = kind === 'pod' ? { api: '/api/v1', resource: 'pods' } : NAMED[kind];
  return `${api}/namespaces/${encodeURIComponent(namespace)}/${resource}`;
}

/**
 * What must be watched, given what is known. `named`: undefined before its collection has been read, null when there is no
 * such object.
 */
export function needs(workload: Workload, namespace: string, named: Named | null | undefined): readonly Need[] {
  const below = (api: string, resource: string): string =>
    `${api}/namespaces/${encodeURIComponent(namespace)}/${resource}`;
  const pods = (by: Pick<Need, 'labelSelector' | 'fieldSelector'>): Need => ({
    part: 'pods',
    path: below('/api/v1', 'pods'),
    ...by,
    parse: parsePod,
    isOptional: false,
  });
  const replicaSets = (labelSelector: string): Need => ({
    part: 'replicaSets',
    path: below('/apis/apps/v1', 'replicasets'),
    labelSelector,
    parse: parseReplicaSet,
    isOptional: true,
  });
  const { kind, name } = workload;
  if (kind === 'pod') return [pods({ fieldSelector: `metadata.name=${name}` })];
  if (kind === 'selector') return [pods({ labelSelector: name }), replicaSets(name)];
  const { api, resource, parse } = NAMED[kind];
  const self: Need = {
    part: 'named',
    path: below(api, resource),
    fieldSelector: `metadata.name=${name}`,
    parse,
    isOptional: false,
  };
  if (named === undefined || named === null) return [self];
  switch (named.kind) {
    case 'service':
      if (named.type === 'ExternalName') return [self];
      if (named.selector !== '') return [self, pods({ labelSelector: named.selector }), replicaSets(named.selector)];
      return [
        self,
        {
          part: 'slices',
          path: below('/apis/discovery.k8s.io/v1', 'endpointslices'),
          labelSelector: `kubernetes.io/service-name=${name}`,
          parse: parseEndpointSlice,
          isOptional: false,
        },
        // Named by the slices, one by one: there is no selector for that.
        pods({}),
      ];
    case 'deployment':
      return [self, pods({ labelSelector: named.selector }), replicaSets(named.selector)];
    case 'statefulset':
    case 'daemonset':
      return [self, pods({ labelSelector: named.selector })];
    case 'job':
      return [self, pods({ labelSelector: named.selector || `job-name=${name}` })];
    case 'cronjob':
      return [
        self,
        { part: 'jobs', path: below('/apis/batch/v1', 'jobs'), parse: parseJob, isOptional: false },
        // Any job's: which one's changes with each run.
        pods({ labelSelector: 'job-name' }),
      ];
    case 'knative':
      return [self, pods({ labelSelector: `serving.knative.dev/service=${name}` })];
    default:
      return named satisfies never;
  }
}

/** Two needs of the same key are the same watch. */
export function keyOf({ path, labelSelector = '', fieldSelector = '' }: Need): string {
  return `${path}?${labelSelector}&${fieldSelector}`;
}
