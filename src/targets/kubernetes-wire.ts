// Owns what workloads look like to us: guards that turn `unknown` of the API server into the few fields that we use. Pods
// are kubernetes-pod.ts. Pure.
import { dictionary, fields, isFields, list, number, portName, text, texts, time, type Fields } from '../lib/fields.ts';

export interface Meta {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** ms since the epoch. */
  readonly createdAt: number;
  readonly isDeleting: boolean;
  /** The controller that made it. */
  readonly owner: { readonly kind: string; readonly name: string; readonly uid: string } | null;
}

export interface Service extends Meta {
  readonly kind: 'service';
  readonly type: string;
  readonly externalName: string;
  /** As a label selector; empty: none, somebody else makes the EndpointSlices. */
  readonly selector: string;
  readonly ports: readonly {
    readonly name: string;
    readonly port: number;
    /** Null: the same as `port`. */
    readonly targetPort: string | number | null;
  }[];
}

export interface EndpointSlice extends Meta {
  readonly service: string;
  /** Names of pods. */
  readonly pods: readonly string[];
  /** Addresses that belong to no pod. */
  readonly strangers: readonly string[];
}

/** Deployment, StatefulSet, DaemonSet: what makes pods and keeps them. */
export interface Controller extends Meta {
  readonly kind: 'deployment' | 'statefulset' | 'daemonset';
  readonly selector: string;
  /** How many pods are wanted; for a DaemonSet: on how many nodes. */
  readonly wanted: number;
  /** Deployment: the number of its revision; StatefulSet: the hash of the newest one; else empty. */
  readonly revision: string;
  /** Why no pods can be made, in the controller's words: a quota, a missing service account. */
  readonly trouble: string;
}

export interface ReplicaSet extends Meta {
  readonly revision: number;
  readonly wanted: number;
}

export interface Job extends Meta {
  readonly kind: 'job';
  readonly selector: string;
  readonly isSuspended: boolean;
  readonly state: 'active' | 'complete' | 'failed';
  /** Why it failed. */
  readonly message: string;
}

export interface CronJob extends Meta {
  readonly kind: 'cronjob';
  readonly isSuspended: boolean;
  readonly schedule: string;
  /** ms since the epoch; 0: never. */
  readonly lastRun: number;
}

/** Service of Knative Serving. */
export interface KnativeService extends Meta {
  readonly kind: 'knative';
  readonly latestReadyRevision: string;
  readonly latestCreatedRevision: string;
  /** Of the condition Ready: null while unknown. */
  readonly ready: boolean | null;
  readonly message: string;
}

/** What a target can be named by, besides pods and selectors. */
export type Named = Service | Controller | Job | CronJob | KnativeService;

/** Null for what has no name. */
export function parseMeta(value: unknown): Meta | null {
  if (!isFields(value)) return null;
  const meta = fields(value['metadata']);
  const name = text(meta['name']);
  if (name === '') return null;
  const owner = list(meta['ownerReferences'])
    .map(fields)
    .find((reference) => reference['controller'] === true);
  return {
    name,
    namespace: text(meta['namespace']),
    uid: text(meta['uid']),
    labels: dictionary(meta['labels']),
    annotations: dictionary(meta['annotations']),
    createdAt: time(meta['creationTimestamp']),
    isDeleting: text(meta['deletionTimestamp']) !== '',
    owner:
      owner === undefined ? null : { kind: text(owner['kind']), name: text(owner['name']), uid: text(owner['uid']) },
  };
}

/** `app=web,tier in (a,b),!old`: as kubectl and the API write a LabelSelector. Empty for one that says nothing. */
export function selectorText(value: unknown): string {
  const f = fields(value);
  const labels = Object.entries(dictionary(f['matchLabels'])).map(([key, wanted]) => `${key}=${wanted}`);
  const expressions = list(f['matchExpressions']).flatMap((entry) => {
    const { key, operator, values } = fields(entry);
    const set = `${text(key)} ${text(operator).toLowerCase()} (${texts(values).join(',')})`;
    if (operator === 'In' || operator === 'NotIn') return [set];
    if (operator === 'Exists') return [text(key)];
    return operator === 'DoesNotExist' ? [`!${text(key)}`] : [];
  });
  return [...labels, ...expressions].join(',');
}

export function parseService(value: unknown): Service | null {
  const meta = parseMeta(value);
  if (meta === null) return null;
  const spec = specOf(value);
  return {
    ...meta,
    kind: 'service',
    type: text(spec['type']) || 'ClusterIP',
    externalName: text(spec['externalName']),
    selector: selectorText({ matchLabels: spec['selector'] }),
    ports: list(spec['ports']).map((entry) => {
      const f = fields(entry);
      return { name: text(f['name']), port: number(f['port'], 0), targetPort: portName(f['targetPort']) };
    }),
  };
}

export function parseEndpointSlice(value: unknown): EndpointSlice | null {
  const meta = parseMeta(value);
  if (meta === null) return null;
  const endpoints = list(fields(value)['endpoints']).map((entry) => {
    const f = fields(entry);
    const target = fields(f['targetRef']);
    return { pod: target['kind'] === 'Pod' ? text(target['name']) : '', addresses: texts(f['addresses']) };
  });
  return {
    ...meta,
    service: meta.labels['kubernetes.io/service-name'] ?? '',
    pods: endpoints.flatMap(({ pod }) => (pod === '' ? [] : [pod])),
    strangers: endpoints.flatMap(({ pod, addresses }) => (pod === '' ? addresses : [])),
  };
}

export function parseController(kind: Controller['kind']): (value: unknown) => Controller | null {
  return (value) => {
    const meta = parseMeta(value);
    if (meta === null) return null;
    const spec = specOf(value);
    const status = statusOf(value);
    const revision = {
      deployment: meta.annotations['deployment.kubernetes.io/revision'] ?? '',
      statefulset: text(status['updateRevision']),
      daemonset: '',
    };
    return {
      ...meta,
      kind,
      selector: selectorText(spec['selector']),
      wanted: kind === 'daemonset' ? number(status['desiredNumberScheduled'], 1) : number(spec['replicas'], 1),
      revision: revision[kind],
      trouble: text(having(status, 'ReplicaFailure')?.['message']),
    };
  };
}

export function parseReplicaSet(value: unknown): ReplicaSet | null {
  const meta = parseMeta(value);
  if (meta === null) return null;
  return {
    ...meta,
    revision: Number(meta.annotations['deployment.kubernetes.io/revision'] ?? 0) || 0,
    wanted: number(specOf(value)['replicas'], 1),
  };
}

export function parseJob(value: unknown): Job | null {
  const meta = parseMeta(value);
  if (meta === null) return null;
  const status = statusOf(value);
  const failed = having(status, 'Failed');
  return {
    ...meta,
    kind: 'job',
    selector: selectorText(specOf(value)['selector']),
    isSuspended: specOf(value)['suspend'] === true,
    state: failed !== undefined ? 'failed' : having(status, 'Complete') === undefined ? 'active' : 'complete',
    message: [text(failed?.['reason']), text(failed?.['message'])].filter((part) => part !== '').join(': '),
  };
}

export function parseCronJob(value: unknown): CronJob | null {
  const meta = parseMeta(value);
  if (meta === null) return null;
  return {
    ...meta,
    kind: 'cronjob',
    isSuspended: specOf(value)['suspend'] === true,
    schedule: text(specOf(value)['schedule']),
    lastRun: time(statusOf(value)['lastScheduleTime']),
  };
}

export function parseKnativeService(value: unknown): KnativeService | null {
  const meta = parseMeta(value);
  if (meta === null) return null;
  const status = statusOf(value);
  const ready = list(status['conditions'])
    .map(fields)
    .find((c) => c['type'] === 'Ready');
  return {
    ...meta,
    kind: 'knative',
    latestReadyRevision: text(status['latestReadyRevisionName']),
    latestCreatedRevision: text(status['latestCreatedRevisionName']),
    ready: ready?.['status'] === 'True' ? true : ready?.['status'] === 'False' ? false : null,
    message: text(ready?.['message']),
  };
}

/** The condition of that type, where it holds. */
function having(status: Fields, type: string): Fields | undefined {
  return list(status['conditions'])
    .map(fields)
    .find((condition) => condition['type'] === type && condition['status'] === 'True');
}

function specOf(value: unknown): Fields {
  return fields(fields(value)['spec']);
}

function statusOf(value: unknown): Fields {
  return fields(fields(value)['status']);
}
