import { describe, expect, it, test } from 'vitest';
import type { Replica } from '../../../src/core/types.ts';
import { select, type ClusterView } from '../../../src/targets/kubernetes-select.ts';
import {
  at,
  cronJob,
  daemonSet,
  deployment,
  job,
  jobOf,
  knative,
  pod,
  replicaSet,
  service,
  slice,
  statefulSet,
} from './kubernetes-objects.ts';

type View = Partial<Omit<ClusterView, 'source'>> & Partial<ClusterView['source']>;

function look(view: View): ReturnType<typeof select> {
  const { workload = { kind: 'deployment', name: 'web' }, container, replica = 'newest', ...objects } = view;
  return select({
    source: { workload, replica, ...(container === undefined ? {} : { container }) },
    named: null,
    pods: [],
    replicaSets: [],
    slices: [],
    jobs: [],
    ...objects,
  });
}

/** `name rank note` of all replicas, in order. */
const lines = (view: View): string[] =>
  look(view).replicas.map((r) => `${r.name.split('/')[0] ?? ''} ${String(r.rank)} ${r.note ?? ''}`);
const first = (view: View): Replica => {
  const [best] = look(view).replicas;
  if (best === undefined) throw new Error('no replica');
  return best;
};

const waiting = (reason: string, message = ''): object => ({ waiting: { reason, message } });
const terminated = (exitCode: number, reason = 'Error', message = ''): object => ({
  terminated: { exitCode, reason, message, finishedAt: at(90) },
});
const creating = { state: waiting('ContainerCreating'), ready: false, phase: 'Pending' };
const deploymentIs = (revision: number): View => ({
  named: deployment(revision),
  replicaSets: [replicaSet('h1', 1), replicaSet('h2', 2)],
});
const hashed = (hash: string): object => ({
  labels: { 'controller-revision-hash': hash },
  owner: { kind: 'StatefulSet', name: 'web' },
});
const revised = (revision: string): object => ({
  labels: { 'serving.knative.dev/service': 'web', 'serving.knative.dev/revision': revision, 'pod-template-hash': 'x' },
  owner: { kind: 'ReplicaSet', name: `${revision}-deployment-x` },
});

describe('which pod', () => {
  const rows: readonly (readonly [what: string, view: View, expected: readonly string[]])[] = [
    ['one', { ...deploymentIs(1), pods: [pod('a')] }, ['a 0 ready, revision 1']],
    [
      'the newest of equal ones',
      { ...deploymentIs(1), pods: [pod('a', { age: 1 }), pod('b', { age: 2 })] },
      ['b 0 ready, revision 1', 'a 0 ready, revision 1'],
    ],
    [
      'of the same second: by name, as numbers',
      { ...deploymentIs(1), pods: [pod('a-10'), pod('a-9')] },
      ['a-9 0 ready, revision 1', 'a-10 0 ready, revision 1'],
    ],
    [
      'ready before not ready, however new',
      { ...deploymentIs(1), pods: [pod('a', { age: 9, ready: false }), pod('b', { age: 1 })] },
      ['b 0 ready, revision 1', 'a 2 not ready, revision 1'],
    ],
    [
      'a rollout: the new one is not ready yet',
      { ...deploymentIs(2), pods: [pod('a'), pod('b', { hash: 'h2', age: 200, ready: false })] },
      ['a 1 ready, old revision 1', 'b 2 not ready, revision 2'],
    ],
    [
      'a rollout: the new one is ready',
      { ...deploymentIs(2), pods: [pod('a'), pod('b', { hash: 'h2', age: 200 })] },
      ['b 0 ready, revision 2', 'a 1 ready, old revision 1'],
    ],
    [
      'a rollout: the old one goes',
      { ...deploymentIs(2), pods: [pod('a', { deleting: true }), pod('b', { hash: 'h2' })] },
      ['b 0 ready, revision 2', 'a 4 being deleted, old revision 1'],
    ],
    [
      'the old one goes, the new one is not ready',
      { ...deploymentIs(2), pods: [pod('a', { deleting: true }), pod('b', { hash: 'h2', ready: false })] },
      ['b 2 not ready, revision 2', 'a 4 being deleted, old revision 1'],
    ],
    [
      'a rollback: the old set has the new number, its pod is older',
      {
        named: deployment(3),
        replicaSets: [replicaSet('h1', 3), replicaSet('h2', 2)],
        pods: [pod('a', { age: 1 }), pod('b', { hash: 'h2', age: 200 })],
      },
      ['a 0 ready, revision 3', 'b 1 ready, old revision 2'],
    ],
    [
      'a rollout that cannot start',
      {
        ...deploymentIs(2),
        pods: [
          pod('a'),
          pod('b', {
            hash: 'h2',
            ready: false,
            phase: 'Pending',
            state: waiting('ImagePullBackOff', 'Back-off pulling image "x"'),
          }),
        ],
      },
      ['a 1 ready, old revision 1', 'b 5 ImagePullBackOff: Back-off pulling image "x", revision 2'],
    ],
    [
      'nothing ready: the current revision first',
      {
        ...deploymentIs(2),
        pods: [pod('a', { ready: false, age: 300 }), pod('b', { hash: 'h2', ready: false, age: 200 })],
      },
      ['b 2 not ready, revision 2', 'a 3 not ready, old revision 1'],
    ],
    [
      'an old one made anew after the new one',
      { ...deploymentIs(2), pods: [pod('a', { age: 300 }), pod('b', { hash: 'h2', age: 200, ready: false })] },
      ['a 1 ready, old revision 1', 'b 2 not ready, revision 2'],
    ],
    [
      'ReplicaSets may not be seen: the newest one is current',
      { named: deployment(2), pods: [pod('a'), pod('b', { hash: 'h2', age: 200 })] },
      ['b 0 ready', 'a 1 ready'],
    ],
    [
      '… also behind a service',
      {
        named: service(),
        workload: { kind: 'service', name: 'web' },
        pods: [pod('a'), pod('b', { hash: 'h2', age: 200 })],
      },
      ['b 0 ready', 'a 1 ready'],
    ],
    [
      'a service: the set of the highest revision',
      {
        ...deploymentIs(2),
        named: service(),
        workload: { kind: 'service', name: 'web' },
        pods: [pod('a', { age: 300 }), pod('b', { hash: 'h2', age: 200 })],
      },
      ['b 0 ready, revision 2', 'a 1 ready, old revision 1'],
    ],
    [
      'a service of two workloads: each has a current revision',
      {
        named: service(),
        workload: { kind: 'service', name: 'web' },
        replicaSets: [replicaSet('h1', 1)],
        pods: [pod('a', { age: 9 }), pod('b-0', { ...hashed('r1'), age: 5 })],
      },
      ['a 0 ready, revision 1', 'b-0 0 ready'],
    ],
    [
      'restarts are told',
      { ...deploymentIs(1), pods: [pod('a', { restarts: 3 })] },
      ['a 0 ready, revision 1, restarts: 3'],
    ],
    [
      'a StatefulSet: the update revision',
      {
        named: statefulSet('web-r2'),
        workload: { kind: 'statefulset', name: 'web' },
        pods: [pod('web-0', { ...hashed('web-r1'), age: 300 }), pod('web-1', { ...hashed('web-r2'), age: 200 })],
      },
      ['web-1 0 ready', 'web-0 1 ready'],
    ],
    [
      'a DaemonSet: the newest one tells',
      {
        named: daemonSet(),
        workload: { kind: 'daemonset', name: 'web' },
        pods: [pod('a', { ...hashed('r1'), age: 1 }), pod('b', { ...hashed('r2'), age: 2 })],
      },
      ['b 0 ready', 'a 1 ready'],
    ],
    [
      'Knative: the latest ready revision, older pods or not',
      {
        named: knative({ latestReadyRevisionName: 'web-2', latestCreatedRevisionName: 'web-3' }),
        workload: { kind: 'knative', name: 'web' },
        pods: [pod('c', { ...revised('web-3'), ready: false, age: 300 }), pod('b', { ...revised('web-2'), age: 200 })],
      },
      ['b 0 ready, revision web-2', 'c 3 not ready, old revision web-3'],
    ],
    [
      'Knative: nothing was ready yet',
      {
        named: knative({ latestCreatedRevisionName: 'web-1' }),
        workload: { kind: 'knative', name: 'web' },
        pods: [pod('a', { ...revised('web-1'), ready: false })],
      },
      ['a 2 not ready, revision web-1'],
    ],
    ['a bare pod', { workload: { kind: 'pod', name: 'a' }, pods: [pod('a', { labels: {} })] }, ['a 0 ready']],
    [
      'a pod: that one only',
      { workload: { kind: 'pod', name: 'a' }, pods: [pod('a', { labels: {} }), pod('ab')] },
      ['a 0 ready'],
    ],
    [
      'labels: of several workloads',
      {
        workload: { kind: 'selector', name: 'tier=x' },
        replicaSets: [replicaSet('h1', 1), replicaSet('h2', 2)],
        pods: [pod('a'), pod('b', { hash: 'h2', age: 1 }), pod('c', { ...hashed('r1'), age: 50 })],
      },
      ['c 0 ready', 'b 0 ready, revision 2', 'a 1 ready, old revision 1'],
    ],
    [
      'a job: its newest pod',
      {
        named: job(),
        workload: { kind: 'job', name: 'web' },
        pods: [
          pod('a', { labels: {}, age: 1, phase: 'Failed', state: terminated(1), ready: false }),
          pod('b', { labels: {}, age: 2 }),
        ],
      },
      ['b 0 ready', 'a 5 exited with 1'],
    ],
    [
      'a CronJob: pods of its jobs only',
      {
        named: cronJob(),
        workload: { kind: 'cronjob', name: 'web' },
        jobs: [jobOf('web-1', 'u-web'), jobOf('other-1', 'u-other')],
        pods: [
          pod('a', { labels: {}, owner: { kind: 'Job', name: 'web-1' } }),
          pod('b', { labels: {}, owner: { kind: 'Job', name: 'other-1' } }),
        ],
      },
      ['a 0 ready'],
    ],
    [
      'a service of EndpointSlices: the pods that they name',
      {
        named: service({}),
        workload: { kind: 'service', name: 'web' },
        slices: [slice([{ targetRef: { kind: 'Pod', name: 'b' }, addresses: ['1.1.1.1'] }])],
        pods: [pod('a'), pod('b')],
      },
      ['b 0 ready'],
    ],
    [
      'a headless service is one like others',
      {
        named: service({ clusterIP: 'None', selector: { app: 'web' } }),
        workload: { kind: 'service', name: 'web' },
        pods: [pod('a')],
      },
      ['a 0 ready'],
    ],
    [
      'that one',
      { ...deploymentIs(1), replica: { pod: 'b' }, pods: [pod('a', { age: 9 }), pod('b', { ready: false, age: 1 })] },
      ['b 2 not ready, revision 1'],
    ],
    [
      'that one, of an old revision',
      { ...deploymentIs(2), replica: { pod: 'a' }, pods: [pod('a'), pod('b', { hash: 'h2', age: 200 })] },
      ['a 1 ready, old revision 1'],
    ],
    ['that one, gone', { ...deploymentIs(1), replica: { pod: 'z' }, pods: [pod('a')] }, []],
    [
      'a crash loop beside one that runs',
      {
        ...deploymentIs(1),
        pods: [
          pod('a', { ready: false, restarts: 4, state: waiting('CrashLoopBackOff'), last: terminated(1) }),
          pod('b', { ready: false, age: 1 }),
        ],
      },
      ['b 2 not ready, revision 1', 'a 5 CrashLoopBackOff: exited with 1, 4 restarts, revision 1'],
    ],
    [
      'of those that do not run: not the one that is being deleted',
      {
        ...deploymentIs(1),
        pods: [
          pod('a', { deleting: true, age: 200, state: terminated(0, 'Completed'), ready: false }),
          pod('b', { ...creating, age: 100 }),
        ],
      },
      ['b 5 ContainerCreating, revision 1', 'a 5 is being deleted, revision 1'],
    ],
  ];
  test.each(rows)('%s', (_what, view, expected) => {
    expect(lines(view)).toEqual(expected);
  });

  it('tells that one is being taken away', () => {
    expect(first({ ...deploymentIs(1), pods: [pod('a', { deleting: true })] })).toMatchObject({
      state: 'running',
      ending: true,
    });
    expect(first({ ...deploymentIs(1), pods: [pod('a')] }).ending).toBeUndefined();
  });

  it.each<[string, object, object]>([
    ['is of an old revision', pod('a'), { superseded: true }],
    ['is of the present one', pod('a', { hash: 'h2' }), {}],
    ['is made', pod('a', { hash: 'h2', ...creating }), { coming: true }],
    ['is made, and deleted', pod('a', { hash: 'h2', ...creating, deleting: true }), {}],
    ['failed for good', pod('a', { hash: 'h2', state: terminated(1), ready: false, phase: 'Failed' }), {}],
  ])('says whether it leaves or comes: it %s', (_name, one, expected) => {
    const { superseded, coming } = first({ ...deploymentIs(2), pods: [one as ReturnType<typeof pod>] });
    expect({ ...(superseded && { superseded }), ...(coming && { coming }) }).toEqual(expected);
  });
});

describe('which container', () => {
  const named = (...names: string[]): object => ({ containers: names.map((name) => ({ name, image: name })) });
  const rows: readonly (readonly [
    what: string,
    facts: object,
    container: string | undefined,
    expected: string | null,
  ])[] = [
    ['the only one', named('web'), undefined, 'web'],
    ['the first', named('web', 'worker'), undefined, 'web'],
    ['not a sidecar', named('istio-proxy', 'web'), undefined, 'web'],
    [
      'not a sidecar of others',
      named('linkerd-proxy', 'vault-agent', 'cloud-sql-proxy', 'fluent-bit', 'web'),
      undefined,
      'web',
    ],
    ["Knative's", named('queue-proxy', 'user-container'), undefined, 'user-container'],
    ["Knative's, with a name of its own", named('queue-proxy', 'web'), undefined, 'web'],
    ["Knative's, beside others", named('cache', 'queue-proxy', 'user-container'), undefined, 'user-container'],
    ['only sidecars: the first', named('envoy', 'daprd'), undefined, 'envoy'],
    [
      'the annotated one',
      { ...named('web', 'worker'), annotations: { 'kubectl.kubernetes.io/default-container': 'worker' } },
      undefined,
      'worker',
    ],
    [
      'an annotation that names none',
      { ...named('web', 'worker'), annotations: { 'kubectl.kubernetes.io/default-container': 'x' } },
      undefined,
      'web',
    ],
    ['the one that is asked for', named('web', 'worker'), 'worker', 'worker'],
    ['a sidecar that is asked for', named('web', 'istio-proxy'), 'istio-proxy', 'istio-proxy'],
    ['one that is not there', named('web', 'worker'), 'wep', null],
    [
      'an init container that runs on, asked for',
      { ...named('web'), spec: { initContainers: [{ name: 'proxy', restartPolicy: 'Always' }] } },
      'proxy',
      'proxy',
    ],
    [
      'never an init container by itself',
      { ...named('web'), spec: { initContainers: [{ name: 'proxy', restartPolicy: 'Always' }] } },
      undefined,
      'web',
    ],
    [
      'never an ephemeral one',
      { ...named('web'), spec: { ephemeralContainers: [{ name: 'debugwand-1' }] } },
      undefined,
      'web',
    ],
  ];
  test.each(rows)('%s', (_what, facts, container, expected) => {
    const { replicas } = look({
      pods: [pod('a', facts)],
      named: deployment(1),
      ...(container === undefined ? {} : { container }),
    });
    expect(replicas[0]?.name ?? null).toBe(expected === null ? null : `a/${expected}`);
  });

  it('says what is there instead', () => {
    const view = { pods: [pod('a', named('web', 'worker'))], named: deployment(1) };
    expect(look({ ...view, container: 'wep' }).waitingFor).toBe('pod `a` has no container `wep`: did you mean `web`?');
    expect(look({ ...view, container: 'xyz' }).waitingFor).toBe(
      'pod `a` has no container `xyz`: it has `web`, `worker`',
    );
  });
});

describe('why nothing runs', () => {
  const init = (state: object, last?: object): object => ({
    ...creating,
    spec: { initContainers: [{ name: 'migrate' }] },
    status: { initContainerStatuses: [{ name: 'migrate', state, ...(last === undefined ? {} : { lastState: last }) }] },
  });
  const pods: readonly (readonly [what: string, facts: object, words: string])[] = [
    [
      'a crash loop',
      {
        ready: false,
        restarts: 4,
        state: waiting('CrashLoopBackOff', 'back-off 40s restarting failed container'),
        last: terminated(1),
      },
      'CrashLoopBackOff: exited with 1, 4 restarts',
    ],
    [
      'a crash loop for lack of memory',
      { ready: false, restarts: 1, state: waiting('CrashLoopBackOff'), last: terminated(137, 'OOMKilled') },
      'CrashLoopBackOff: exited with 137 (OOMKilled), 1 restart',
    ],
    ['out of memory, just now', { ready: false, state: terminated(137, 'OOMKilled') }, 'exited with 137 (OOMKilled)'],
    ['killed', { ready: false, state: terminated(137) }, 'exited with 137 (killed)'],
    [
      'with words of its own',
      { ready: false, state: terminated(1, 'Error', 'no\n  database') },
      'exited with 1: no database',
    ],
    [
      'starts again',
      { ready: false, restarts: 1, state: waiting(''), last: terminated(2) },
      'restarting: exited with 2, 1 restart',
    ],
    [
      'an image that cannot be pulled',
      { ...creating, state: waiting('ImagePullBackOff', 'Back-off pulling image "x"') },
      'ImagePullBackOff: Back-off pulling image "x"',
    ],
    [
      'an image that is not there',
      { ...creating, state: waiting('ErrImageNeverPull', 'not present') },
      'ErrImageNeverPull: not present',
    ],
    [
      'a configuration that is not there',
      { ...creating, state: waiting('CreateContainerConfigError', 'secret "x" not found') },
      'CreateContainerConfigError: secret "x" not found',
    ],
    ['is being made', creating, 'ContainerCreating'],
    [
      'fits nowhere',
      {
        ...creating,
        status: {
          phase: 'Pending',
          conditions: [
            {
              type: 'PodScheduled',
              status: 'False',
              reason: 'Unschedulable',
              message: '0/1 nodes are available: 1 Insufficient memory.',
            },
          ],
          containerStatuses: [],
        },
      },
      'Pending: Unschedulable: 0/1 nodes are available: 1 Insufficient memory.',
    ],
    ['nobody looked at it yet', { status: { phase: 'Pending', conditions: [], containerStatuses: [] } }, 'Pending'],
    [
      'evicted',
      {
        ready: false,
        state: terminated(137),
        status: { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' },
      },
      'Evicted: The node was low on resource: memory.',
    ],
    ['is done', { ready: false, phase: 'Succeeded', state: terminated(0, 'Completed') }, 'completed'],
    ['an init container runs', init({ running: {} }), 'Init: init container `migrate` runs'],
    ['an init container failed', init(terminated(1)), 'Init: init container `migrate` exited with 1'],
    [
      'an init container fails again and again',
      init(waiting('CrashLoopBackOff', 'back-off'), terminated(3)),
      'Init:CrashLoopBackOff: init container `migrate` exited with 3',
    ],
    [
      'an init container has no image',
      init(waiting('ErrImageNeverPull', 'not present')),
      'Init:ErrImageNeverPull: init container `migrate` not present',
    ],
    ['an init container is done', init(terminated(0, 'Completed')), 'ContainerCreating'],
  ];
  test.each(pods)('a pod: %s', (_what, facts, words) => {
    expect(look({ named: deployment(1), pods: [pod('a', facts)] }).waitingFor).toBe(`pod \`a\`: ${words}`);
  });

  const workloads: readonly (readonly [words: string, view: View])[] = [
    ['deployment `web` does not exist', {}],
    ['deployment `web` is scaled to 0', { named: deployment(1, { replicas: 0 }) }],
    ['deployment `web` has no pods yet', { named: deployment(1) }],
    [
      'deployment `web` can make no pods: exceeded quota',
      {
        named: deployment(
          1,
          {},
          { conditions: [{ type: 'ReplicaFailure', status: 'True', message: 'exceeded quota' }] },
        ),
      },
    ],
    [
      'statefulset `web` is scaled to 0',
      { workload: { kind: 'statefulset', name: 'web' }, named: statefulSet('r', 0) },
    ],
    ['daemonset `web` fits no node', { workload: { kind: 'daemonset', name: 'web' }, named: daemonSet(0) }],
    [
      'service `web` selects no pod: none has `app=web`',
      { workload: { kind: 'service', name: 'web' }, named: service() },
    ],
    [
      'deployment `web` behind service `web` is scaled to 0',
      {
        workload: { kind: 'service', name: 'web' },
        named: service(),
        replicaSets: [replicaSet('h1', 1, 0), replicaSet('h2', 2, 0)],
      },
    ],
    [
      'service `web` has no selector and no EndpointSlices that name pods',
      { workload: { kind: 'service', name: 'web' }, named: service({}) },
    ],
    ['job `web` is suspended', { workload: { kind: 'job', name: 'web' }, named: job({ suspend: true }) }],
    [
      'job `web` has completed',
      {
        workload: { kind: 'job', name: 'web' },
        named: job({}, { conditions: [{ type: 'Complete', status: 'True' }] }),
        pods: [pod('a', { phase: 'Succeeded', state: terminated(0) })],
      },
    ],
    [
      'job `web` failed: BackoffLimitExceeded: too often',
      {
        workload: { kind: 'job', name: 'web' },
        named: job(
          {},
          { conditions: [{ type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded', message: 'too often' }] },
        ),
      },
    ],
    ['cronjob `web` is suspended', { workload: { kind: 'cronjob', name: 'web' }, named: cronJob({ suspend: true }) }],
    [
      'cronjob `web` runs no job now: the next one comes by its schedule `0 3 * * *`',
      { workload: { kind: 'cronjob', name: 'web' }, named: cronJob() },
    ],
    [
      'Knative service `web` is scaled to zero: the next request starts it',
      {
        workload: { kind: 'knative', name: 'web' },
        named: knative({ latestReadyRevisionName: 'web-1', conditions: [{ type: 'Ready', status: 'True' }] }),
      },
    ],
    [
      'Knative service `web` is not ready: Unable to fetch image',
      {
        workload: { kind: 'knative', name: 'web' },
        named: knative({ conditions: [{ type: 'Ready', status: 'False', message: 'Unable to fetch image' }] }),
      },
    ],
    ['no pods with `app=web`', { workload: { kind: 'selector', name: 'app=web' } }],
    [
      'Knative service `web` is scaled to zero: the next request starts it',
      {
        workload: { kind: 'knative', name: 'web' },
        named: knative({ latestReadyRevisionName: 'web-1', conditions: [{ type: 'Ready', status: 'True' }] }),
        pods: [pod('a', { ...revised('web-1'), deleting: true, ready: false, state: terminated(0, 'Completed') })],
      },
    ],
    [
      'deployment `web` is scaled to 0',
      {
        named: deployment(1, { replicas: 0 }),
        pods: [pod('a', { deleting: true, ready: false, state: terminated(0) })],
      },
    ],
    [
      'pod `b`: ContainerCreating',
      {
        named: deployment(1),
        pods: [pod('a', { deleting: true, ready: false, state: terminated(0) }), pod('b', creating)],
      },
    ],
    [
      'pod `a`: is being deleted',
      {
        workload: { kind: 'pod', name: 'a' },
        pods: [pod('a', { labels: {}, deleting: true, ready: false, state: terminated(0) })],
      },
    ],
    ['pod `web` does not exist', { workload: { kind: 'pod', name: 'web' } }],
    [
      'deployment `web` has no pod `web-b`: did you mean `web-a`?',
      { named: deployment(1), replica: { pod: 'web-b' }, pods: [pod('web-a')] },
    ],
    [
      'deployment `web` has no pod `zzz`: there are web-a',
      { named: deployment(1), replica: { pod: 'zzz' }, pods: [pod('web-a')] },
    ],
  ];
  test.each(workloads)('%s', (words, view) => {
    expect(look(view)).toMatchObject({ waitingFor: words, error: null });
  });

  it('says nothing while something runs', () => {
    expect(look({ named: deployment(1), pods: [pod('a')] }).waitingFor).toBeNull();
  });

  it('names services that lead to no pod, with what to do', () => {
    const workload = { kind: 'service', name: 'web' } as const;
    const external = look({ workload, named: service({ type: 'ExternalName', externalName: 'db.example.com' }) });
    expect(external).toMatchObject({ replicas: [], error: { code: 'service-external' } });
    expect(external.error?.message).toContain('an ExternalName for db.example.com');
    const strangers = look({ workload, named: service({}), slices: [slice([{ addresses: ['192.0.2.7'] }])] });
    expect(strangers.error?.message).toContain('its EndpointSlices lead to 192.0.2.7');
    expect(strangers.error?.fix).toContain('deployment');
  });
});

describe('what is known of a replica', () => {
  const facts = {
    restarts: 2,
    containers: [
      {
        name: 'app',
        image: 'shop:1',
        workingDir: '/srv',
        ports: [{ name: 'http', containerPort: 8000 }, { containerPort: 9000 }],
        livenessProbe: { httpGet: { path: '/live', port: 'http' }, periodSeconds: 5 },
        readinessProbe: { tcpSocket: { port: 9000 }, timeoutSeconds: 2, failureThreshold: 1 },
        startupProbe: { exec: { command: ['true'] } },
        volumeMounts: [
          { name: 'code', mountPath: '/srv', subPath: 'src' },
          { name: 'cache', mountPath: '/cache' },
        ],
      },
    ],
    spec: {
      volumes: [
        { name: 'code', hostPath: { path: '/home/me/shop' } },
        { name: 'cache', emptyDir: {} },
      ],
    },
  };

  it('everything that its manifest and its status say', () => {
    expect(first({ named: deployment(1), pods: [pod('a', facts)] })).toEqual({
      id: 'uid-a/app',
      name: 'a/app',
      state: 'running',
      startedAt: `${at(100)} containerd://a-2`,
      workingDir: '/srv',
      mounts: [{ source: '/home/me/shop/src', destination: '/srv' }],
      image: 'shop:1',
      scope: { kind: 'namespace' },
      rank: 0,
      note: 'ready, restarts: 2',
      ports: [
        { name: 'http', port: 8000 },
        { name: null, port: 9000 },
      ],
      probes: [
        {
          kind: 'startup',
          by: 'exec',
          port: null,
          path: null,
          periodSeconds: 10,
          timeoutSeconds: 1,
          failureThreshold: 3,
        },
        {
          kind: 'liveness',
          by: 'http',
          port: 8000,
          path: '/live',
          periodSeconds: 5,
          timeoutSeconds: 1,
          failureThreshold: 3,
        },
        {
          kind: 'readiness',
          by: 'tcp',
          port: 9000,
          path: null,
          periodSeconds: 10,
          timeoutSeconds: 2,
          failureThreshold: 1,
        },
      ],
      timeLimits: [],
    });
  });

  it("a service's names of ports, where the container has none of that name", () => {
    const spec = {
      selector: { app: 'web' },
      ports: [
        { name: 'web', port: 80, targetPort: 'http' },
        { name: 'http', port: 81, targetPort: 9000 },
        { name: 'metrics', port: 9000 },
        { name: 'lost', port: 1, targetPort: 'nothing' },
        { port: 82, targetPort: 82 },
      ],
    };
    const { ports } = first({
      workload: { kind: 'service', name: 'web' },
      named: service(spec),
      pods: [pod('a', facts)],
    });
    expect(ports).toEqual([
      { name: 'http', port: 8000 },
      { name: null, port: 9000 },
      { name: 'web', port: 8000 },
      { name: 'metrics', port: 9000 },
    ]);
  });

  it("Knative's time limits", () => {
    const env = [
      { name: 'REVISION_TIMEOUT_SECONDS', value: '300' },
      { name: 'REVISION_RESPONSE_START_TIMEOUT_SECONDS', value: '0' },
      { name: 'REVISION_IDLE_TIMEOUT_SECONDS', value: '' },
    ];
    const containers = [{ name: 'user-container' }, { name: 'queue-proxy', env }];
    const { timeLimits } = first({ workload: { kind: 'pod', name: 'a' }, pods: [pod('a', { containers })] });
    expect(timeLimits).toEqual([{ what: "Knative's timeout of a request", seconds: 300 }]);
  });

  it('a container that started again in the same second is another start', () => {
    const starts = [0, 1].map((restarts) => first({ named: deployment(1), pods: [pod('a', { restarts })] }).startedAt);
    expect(new Set(starts).size).toBe(2);
  });
});
