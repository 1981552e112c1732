// Owns made-up objects of a cluster, as the API server writes them, for tables.
import { parsePod, type Pod } from '../../../src/targets/kubernetes-pod.ts';
import {
  parseController,
  parseCronJob,
  parseEndpointSlice,
  parseJob,
  parseKnativeService,
  parseReplicaSet,
  parseService,
  type Controller,
  type EndpointSlice,
  type Job,
  type Named,
  type ReplicaSet,
} from '../../../src/targets/kubernetes-wire.ts';

function made<T>(value: T | null): T {
  if (value === null) throw new Error('the guard refused it');
  return value;
}

export const at = (seconds: number): string => new Date(seconds * 1000).toISOString();

export interface PodFacts {
  readonly age?: number;
  /** Template hash of a ReplicaSet `web-HASH`; or another owner. */
  readonly hash?: string;
  readonly owner?: { readonly kind: string; readonly name: string; readonly uid?: string };
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly deleting?: boolean;
  readonly ready?: boolean;
  /** Of the container `app`. Default: runs. */
  readonly state?: object;
  readonly last?: object;
  readonly restarts?: number;
  readonly phase?: string;
  readonly status?: object;
  readonly container?: object;
  readonly containers?: readonly object[];
  readonly spec?: object;
}

const running = (age: number): object => ({ running: { startedAt: at(age) } });

/** A pod of the ReplicaSet `web-HASH` that runs and is ready, unless told otherwise. */
export function rawPod(name: string, facts: PodFacts = {}): object {
  const { age = 100, hash = 'h1', ready = true, deleting = false, restarts = 0, phase = 'Running' } = facts;
  const owner = facts.owner ?? { kind: 'ReplicaSet', name: `web-${hash}`, uid: `rs-${hash}` };
  const containers = facts.containers ?? [{ name: 'app', image: 'shop:1', ...facts.container }];
  return {
    metadata: {
      name,
      namespace: 'shop',
      uid: `uid-${name}`,
      labels: facts.labels ?? { app: 'web', 'pod-template-hash': hash },
      annotations: facts.annotations ?? {},
      creationTimestamp: at(age),
      ...(deleting ? { deletionTimestamp: at(age + 10) } : {}),
      ownerReferences: [{ controller: true, uid: `uid-${owner.name}`, ...owner }],
    },
    spec: { containers, ...facts.spec },
    status: {
      phase,
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: containers.map((container) => ({
        name: Reflect.get(container, 'name') as unknown,
        ready,
        restartCount: restarts,
        containerID: `containerd://${name}-${String(restarts)}`,
        state: facts.state ?? running(age),
        ...(facts.last === undefined ? {} : { lastState: facts.last }),
      })),
      ...facts.status,
    },
  };
}

export const pod = (name: string, facts: PodFacts = {}): Pod => made(parsePod(rawPod(name, facts)));

export function replicaSet(hash: string, revision: number, wanted = 1): ReplicaSet {
  return made(
    parseReplicaSet({
      metadata: {
        name: `web-${hash}`,
        uid: `rs-${hash}`,
        labels: { app: 'web', 'pod-template-hash': hash },
        annotations: { 'deployment.kubernetes.io/revision': String(revision) },
        ownerReferences: [{ controller: true, kind: 'Deployment', name: 'web', uid: 'd-web' }],
      },
      spec: { replicas: wanted },
    }),
  );
}

export function deployment(revision: number, spec: object = {}, status: object = {}): Controller {
  return made(
    parseController('deployment')({
      metadata: { name: 'web', uid: 'd-web', annotations: { 'deployment.kubernetes.io/revision': String(revision) } },
      spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, ...spec },
      status,
    }),
  );
}

const named = (spec: object, status: object = {}): object => ({
  metadata: { name: 'web', uid: 'u-web' },
  spec,
  status,
});
const selector = { matchLabels: { app: 'web' } };

export const service = (spec: object = { selector: { app: 'web' } }): Named => made(parseService(named(spec)));
export const statefulSet = (updateRevision: string, replicas = 1): Named =>
  made(parseController('statefulset')(named({ replicas, selector }, { updateRevision })));
export const daemonSet = (desiredNumberScheduled = 1): Named =>
  made(parseController('daemonset')(named({ selector }, { desiredNumberScheduled })));
export const job = (spec: object = {}, status: object = {}): Job =>
  made(parseJob(named({ selector, ...spec }, status)));
export const cronJob = (spec: object = {}): Named => made(parseCronJob(named({ schedule: '0 3 * * *', ...spec })));
export const jobOf = (name: string, owner: string): Job =>
  made(
    parseJob({
      metadata: {
        name,
        uid: `uid-${name}`,
        ownerReferences: [{ controller: true, kind: 'CronJob', name: 'web', uid: owner }],
      },
    }),
  );
export const knative = (status: object): Named => made(parseKnativeService(named({}, status)));
export const slice = (endpoints: readonly object[]): EndpointSlice =>
  made(
    parseEndpointSlice({
      metadata: { name: 'web-abc', labels: { 'kubernetes.io/service-name': 'web' } },
      endpoints,
    }),
  );
