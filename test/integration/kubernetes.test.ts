/** One editor's session over everything that happens to pods in a day, on a real cluster. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TargetReport } from '../../src/core/status.ts';
import { IMAGES } from '../support/images.ts';
import { kubeconfigFor } from '../support/kubernetes-access.ts';
import type { Namespace } from '../support/kubernetes-cluster.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { getOrSkip } from '../support/machine.ts';
import { SERVE, startPodApp, type PodApp } from '../support/pod-app.ts';
import { ATTACHED, Rig } from '../support/rig.ts';
import { BREAKPOINT_LINE } from '../support/sample-app.ts';
import { suiteNamespace } from '../support/suite-namespace.ts';
import { until } from '../support/until.ts';
import { wand } from '../support/wand.ts';

const cluster = await getOrSkip(() => ensureKubernetes(['python314']));

const followed = ({ replicas }: TargetReport): string | undefined => replicas.find((r) => r.followed)?.name;

describe.skipIf(cluster === undefined)('a deployment in a day of work', () => {
  let space: Namespace;
  let kubeconfig: string;
  let app: PodApp;
  let rig: Rig;

  beforeAll(async () => {
    if (cluster === undefined) return;
    space = await cluster.namespace();
    // With the documented rights and nothing more.
    ({ path: kubeconfig } = await kubeconfigFor(cluster, { namespace: space.name }));
    app = await startPodApp(cluster, { namespace: space.name, name: 'web' });
    rig = await Rig.start(app, { kubernetes: { service: 'web', namespace: space.name, kubeconfig } });
    await rig.attached();
    await rig.attach();
  }, 120_000);

  afterAll(async () => {
    await rig.stop();
    await space.remove();
  });

  /** Runs `wand` on the namespace, outside of the project. */
  const command = (...args: readonly string[]): ReturnType<typeof wand> => wand([...args, ...place()], { cwd: '/' });
  const place = (): string[] => ['--kubeconfig', kubeconfig, '-n', space.name];

  it('stops in an ordinary pod, without debugpy in it, a right more, or a published port', async () => {
    const { worker, entry, kind, cluster: place, replicas } = await rig.attached();
    expect(kind).toBe('kubernetes');
    expect(worker).toMatchObject({ role: 'worker', python: '3.14.8' });
    expect(worker?.replica).toMatch(/^web-\w+-\w+\/app$/);
    expect(entry).toMatchObject({ rung: 'exec', skipped: [] });
    expect(place).toMatchObject({ namespace: space.name, guard: { allowed: true } });
    expect(replicas).toEqual([{ name: worker?.replica, state: 'running', followed: true, note: 'ready, revision 1' }]);
    expect(await rig.hit(14)).toMatchObject({
      name: 'price',
      line: BREAKPOINT_LINE,
      path: rig.file,
      variables: { amount: '14', total: '42' },
      total: 42,
    });
  });

  it('stays over a reload in the pod', async () => {
    await rig.reattached(() => app.setFactor(4));
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
    expect((await rig.attached()).reattach.last).toMatchObject({ reason: 'reload' });
  });

  it('stays over a rollout: one move, to the new pod', async () => {
    const before = await rig.attached();
    await rig.reattached(() => app.rollout());
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
    const after = await rig.attached();
    expect(after.reattach.last).toMatchObject({ reason: 'rollout' });
    expect(after.reattach.count).toBe(before.reattach.count + 1);
    expect(followed(after)).not.toBe(followed(before));
    expect(after.replicas.find((r) => r.followed)?.note).toBe('ready, revision 2');
  });

  it('stays when its pod is deleted while it is stopped at a breakpoint', async () => {
    const after = rig.editor.mark();
    // Nobody waits for the answer: it dies with its pod.
    const lost = app.price(10).catch(() => null);
    await rig.editor.waitFor('stopped', undefined, { after });
    await rig.reattached(() => app.deletePod(), 60_000);
    await lost;
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
  });

  it('stays over two rollouts at once', async () => {
    await rig.reattached(async () => {
      await app.kubectl('rollout', 'restart', 'deployment/web');
      await app.kubectl(
        'patch',
        'deployment/web',
        '-p',
        '{"spec":{"template":{"metadata":{"annotations":{"x":"1"}}}}}',
      );
      await app.kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
    }, 60_000);
    await rig.status(
      'the pod of the last revision is followed',
      (t) => ATTACHED(t) && t.replicas.length === 1 && followed(t) !== undefined,
      60_000,
    );
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
  });

  it('keeps the old pod in a rollout that never gets ready, and shows why', async () => {
    const before = followed(await rig.attached());
    await app.kubectl('set', 'image', 'deployment/web', 'app=debugwand-test/nothing:1');
    const { replicas, phase } = await rig.status('the new pod cannot start', ({ replicas }) =>
      replicas.some(({ note }) => note.includes('ErrImageNeverPull')),
    );
    expect(phase).toBe('attached');
    const kept = replicas.find((r) => r.followed);
    expect(kept?.name).toBe(before);
    expect(kept?.note).toMatch(/^ready, old revision/);
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
    await app.kubectl('rollout', 'undo', 'deployment/web');
    const back = await rig.status('the broken pod is gone', (t) => t.replicas.length === 1);
    expect(followed(back)).toBe(before);
    expect(back.reattach.count).toBe((await rig.attached()).reattach.count);
  });

  it('stays with its pod while others come and go', async () => {
    const before = followed(await rig.attached());
    await app.scale(3);
    const { replicas } = await rig.status(
      'three pods',
      (t) => t.replicas.filter((r) => r.note.startsWith('ready')).length === 3,
    );
    expect(replicas.filter((r) => r.followed).map((r) => r.name)).toEqual([before]);
    const { stdout } = await command('pods', '-s', 'web', '--json');
    const listed = JSON.parse(stdout) as { replica: string; role: string }[];
    expect(new Set(listed.map((p) => p.replica)).size).toBe(3);
    expect(listed.filter((p) => p.role === 'worker')).toHaveLength(3);
    await app.scale(1);
    await rig.status('one pod again', (t) => ATTACHED(t) && t.replicas.length === 1, 60_000);
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
  });

  it('waits while it is scaled to 0, and goes on', async () => {
    await app.kubectl('scale', 'deployment/web', '--replicas=0');
    const { message, error } = await rig.status(
      'waiting',
      (t) => t.phase === 'waiting' && /scaled/.test(t.message),
      60_000,
    );
    expect(message).toBe('deployment `web` behind service `web` is scaled to 0');
    expect(error).toBeNull();
    await rig.reattached(() => app.scale(1), 60_000);
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
  });

  it('stays over a container that dies of its memory limit', async () => {
    // The worker is the container's first process: what kills it ends the container.
    const limits = { memory: '256Mi' };
    const command = SERVE.filter((word) => word !== '--reload');
    await rig.reattached(
      () => app.patch({ spec: { containers: [{ name: 'app', command, resources: { limits } }] } }),
      60_000,
    );
    const inside = followed(await rig.attached());
    await rig.reattached(
      () => wand(['inject', '-', '-s', 'web', ...place()], { cwd: '/', input: 'bytearray(1 << 30)' }),
      60_000,
    );
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
    const after = await rig.status('ready again', (t) =>
      /^ready, revision \d+, restarts: 1$/.test(t.replicas[0]?.note ?? ''),
    );
    expect(followed(after)).toBe(inside);
    expect(after.reattach.last).toMatchObject({ reason: 'restart' });
    expect(await app.restarts()).toBe(1);
  });

  it('names what does not exist, with what is near', async () => {
    const rows = [
      [['ps', '-s', 'wep'], `no service \`wep\` in \`${space.name}\`: did you mean \`web\`?`],
      [['debug', 'deploy/webb'], `no deployment \`webb\` in \`${space.name}\`: did you mean \`web\`?`],
      [['debug', 'deplo/web'], 'did you mean deploy/…?'],
      [['ps', '-s', 'web', '-c', 'ap'], 'has no container `ap`: did you mean `app`?'],
      [['debug', '-s', 'web', '--context', 'nope'], 'there is no context `nope`'],
    ] as const;
    for (const [args, words] of rows) {
      const { code, stderr } = await command(...args);
      expect(stderr).toContain(words);
      expect(stderr).toContain('fix: ');
      expect(code).toBe(args.some((word) => word === 'ap') ? 1 : 2);
    }
  });
});

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  readonly spec: object;
}

interface Row {
  readonly what: string;
  readonly args: readonly string[];
  readonly manifests: readonly Manifest[];
  /** What `wand ps` says of it, once it is so. */
  readonly words: RegExp;
}

const pod = (name: string, container: object, spec: object = {}): Manifest => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: name } },
  spec: {
    dnsPolicy: 'Default',
    terminationGracePeriodSeconds: 1,
    containers: [{ name: 'app', image: IMAGES.python314, imagePullPolicy: 'Never', ...container }],
    ...spec,
  },
});
const service = (name: string, spec: object): Manifest => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { ports: [{ port: 80 }], ...spec },
});
const sleeper = { command: ['python', '-c', 'import time; time.sleep(1e6)'] };

const ROWS: readonly Row[] = [
  {
    what: 'a crash loop',
    args: ['pod/crash'],
    manifests: [pod('crash', { command: ['python', '-c', 'raise SystemExit(3)'] })],
    words: /pod `crash`: (CrashLoopBackOff: )?exited with 3/,
  },
  {
    what: 'an image that is not there',
    args: ['pod/noimage'],
    manifests: [pod('noimage', { image: 'debugwand-test/nothing:1' })],
    words: /pod `noimage`: ErrImageNeverPull: Container image "debugwand-test\/nothing:1" is not present/,
  },
  {
    what: 'an image that cannot be pulled',
    args: ['-l', 'app=nopull'],
    manifests: [pod('nopull', { image: 'registry.invalid/x:1', imagePullPolicy: 'Always' })],
    words: /pod `nopull`: (ErrImagePull|ImagePullBackOff): /,
  },
  {
    what: 'a pod that fits nowhere',
    args: ['pod/huge'],
    manifests: [pod('huge', { resources: { requests: { memory: '900Ti' } } })],
    words: /pod `huge`: Pending: Unschedulable: 0\/1 nodes are available: /,
  },
  {
    what: 'an init container that fails',
    args: ['pod/init'],
    manifests: [
      pod('init', sleeper, {
        initContainers: [
          { name: 'migrate', image: IMAGES.python314, imagePullPolicy: 'Never', command: ['python', '-c', '1/0'] },
        ],
      }),
    ],
    words:
      /pod `init`: Init:CrashLoopBackOff: init container `migrate` exited with 1|init container `migrate` exited with 1/,
  },
  {
    what: 'a job that is done',
    args: ['job/once'],
    manifests: [
      {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name: 'once' },
        spec: {
          template: {
            spec: {
              restartPolicy: 'Never',
              dnsPolicy: 'Default',
              containers: [
                { name: 'app', image: IMAGES.python314, imagePullPolicy: 'Never', command: ['python', '-c', ''] },
              ],
            },
          },
        },
      },
    ],
    words: /job `once` has completed/,
  },
  {
    what: 'a name elsewhere',
    args: ['-s', 'elsewhere'],
    manifests: [service('elsewhere', { type: 'ExternalName', externalName: 'db.example.com', ports: [] })],
    words: /service `elsewhere` is an ExternalName for db\.example\.com: no pod is behind it/,
  },
  {
    what: 'a service that selects nothing',
    args: ['-s', 'lonely'],
    manifests: [service('lonely', { selector: { app: 'nobody' } })],
    words: /service `lonely` selects no pod: none has `app=nobody`/,
  },
  {
    what: 'a service without selector and slices',
    args: ['-s', 'bare'],
    manifests: [service('bare', {})],
    words: /service `bare` has no selector and no EndpointSlices that name pods/,
  },
];

describe.skipIf(cluster === undefined)('pods that do not run', () => {
  const space = suiteNamespace(cluster);

  const ps = (...args: readonly string[]): ReturnType<typeof wand> =>
    wand(['ps', ...args, '-n', space.name, '--kubeconfig', cluster?.kubeconfig ?? ''], { cwd: '/' });

  it.concurrent.each(ROWS)('$what', async ({ args, manifests, words }) => {
    await cluster?.apply(...manifests.map((m) => ({ ...m, metadata: { ...m.metadata, namespace: space.name } })));
    let stderr = '';
    await until(
      async () => {
        const result = await ps(...args);
        stderr = result.stderr;
        return result.code !== 0 && words.test(stderr);
      },
      `\`wand ps ${args.join(' ')}\` says ${String(words)}`,
      60_000,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\nit said: ${stderr}`);
    });
  });
});

describe.skipIf(cluster === undefined)('pods that share their processes', () => {
  const space = suiteNamespace(cluster);

  it.each([
    ['with their other containers', { shareProcessNamespace: true }],
    ['with the node', { hostPID: true }],
  ])('%s: the processes of the container are told from the rest', async (_what, spec) => {
    const name = 'hostPID' in spec ? 'host' : 'shared';
    const loop = 'import time\nwhile True: time.sleep(1)';
    const beside = { name: 'istio-proxy', image: IMAGES.python314, imagePullPolicy: 'Never', ...sleeper };
    const app = { name: 'app', image: IMAGES.python314, imagePullPolicy: 'Never', command: ['python', '-c', loop] };
    const manifest = pod(name, {}, { ...spec, containers: [beside, app] });
    await cluster?.apply({ ...manifest, metadata: { name, namespace: space.name } });
    await cluster?.kubectl('wait', '-n', space.name, `pod/${name}`, '--for=condition=Ready', '--timeout=60s');
    const place = ['-n', space.name, '--kubeconfig', cluster?.kubeconfig ?? ''];
    const { stdout } = await wand(['ps', `pod/${name}`, '--json', ...place], { cwd: '/' });
    const processes = JSON.parse(stdout) as { command: string; role: string; replica: string }[];
    expect(processes).toMatchObject([{ role: 'worker', replica: `${name}/app` }]);
    expect(processes[0]?.command).toContain('while True');
    // And the other one, on request.
    const other = await wand(['ps', `pod/${name}`, '-c', 'istio-proxy', '--json', ...place], { cwd: '/' });
    expect(JSON.parse(other.stdout)).toMatchObject([{ replica: `${name}/istio-proxy` }]);
  });

  it('one of several pods on request', async () => {
    const image = { image: IMAGES.python314, imagePullPolicy: 'Never' };
    const manifests = ['one', 'two'].map((name) => pod(name, { ...image, ...sleeper }, {}));
    await cluster?.apply(
      ...manifests.map((m, index) => ({
        ...m,
        metadata: { name: ['one', 'two'][index], namespace: space.name, labels: { app: 'some' } },
      })),
    );
    await cluster?.kubectl('wait', '-n', space.name, 'pod', '-l', 'app=some', '--for=condition=Ready', '--timeout=60s');
    const place = ['-n', space.name, '--kubeconfig', cluster?.kubeconfig ?? ''];
    const { stdout } = await wand(['ps', '-l', 'app=some', '--replica', 'one', '--json', ...place], { cwd: '/' });
    expect(JSON.parse(stdout)).toMatchObject([{ replica: 'one/app' }]);
    const { stderr, code } = await wand(['ps', '-l', 'app=some', '--replica', 'onn', ...place], { cwd: '/' });
    expect(stderr).toContain('has no pod `onn`: did you mean `one`?');
    expect(code).toBe(1);
  });
});
