/** What goes in and out of pods of a real cluster: exec, port-forward, ephemeral containers, scopes. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { explainKubernetes } from '../../src/targets/kubernetes-errors.ts';
import type { ClusterApi } from '../../src/targets/kubernetes-api.ts';
import { KubernetesConnection } from '../../src/targets/kubernetes-connection.ts';
import { execInPod } from '../../src/targets/kubernetes-exec.ts';
import { KubernetesHelpers, type HelperOptions } from '../../src/targets/kubernetes-helper.ts';
import { portForward } from '../../src/targets/kubernetes-port-forward.ts';
import { outputOf, sharedScope } from '../../src/targets/shared-scope.ts';
import type { ExecStream } from '../../src/targets/target.ts';
import { IMAGES } from '../support/images.ts';
import { kubeconfigFor } from '../support/kubernetes-access.ts';
import type { Cluster, Namespace } from '../support/kubernetes-cluster.ts';
import { CHANGE_USER, startPod, wireTo } from '../support/kubernetes-hard-pods.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { getOrSkip } from '../support/machine.ts';
import { until } from '../support/until.ts';
import { bytesOf, textOf } from '../support/watching.ts';

const there = await getOrSkip(() => ensureKubernetes(['python314', 'distroless']));
const never = new AbortController().signal;
const V4 = ['v4.channel.k8s.io'];
const ECHO =
  'import sys\nwhile b := sys.stdin.buffer.read1(65536):\n  sys.stdout.buffer.write(b); sys.stdout.buffer.flush()';

/** Ports of the pod `ports`: an echo, 50 MB after a byte, the size of what came until its end, a reset. */
const SERVERS = `
import socket, struct, threading, time
def serve(port, handle):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", port)); s.listen(500)
    def loop():
        while True: threading.Thread(target=handle, args=(s.accept()[0],), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()
def echo(c):
    while b := c.recv(65536): c.sendall(b)
    c.close()
def big(c):
    c.recv(1)
    for _ in range(800): c.sendall(b"x" * 65536)
    c.close()
def reset(c):
    c.recv(1); c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); c.close()
def line(c):
    f = c.makefile("rb"); f.readline(); time.sleep(0.3); c.sendall(b"answer"); f.close(); c.close()
serve(7001, echo); serve(7002, big); serve(7003, reset); serve(7004, line)
time.sleep(1e6)
`;

describe.skipIf(there === undefined)('streams into pods', () => {
  const cluster = there as Cluster;
  const spaces: Namespace[] = [];
  const connections: KubernetesConnection[] = [];
  let api: ClusterApi;
  let namespace: string;

  /** With the documented rights. */
  async function apiFor(where: string): Promise<ClusterApi> {
    const { path } = await kubeconfigFor(cluster, { namespace: where });
    const connection = new KubernetesConnection({ kubeconfig: path, allowContexts: [] });
    connections.push(connection);
    return connection.api(never);
  }
  async function space(labels: Readonly<Record<string, string>> = {}): Promise<string> {
    const made = await cluster.namespace(labels);
    spaces.push(made);
    return made.name;
  }
  const run = (
    code: string,
    pod = 'plain',
    over: ClusterApi = api,
    protocols?: readonly string[],
  ): Promise<ExecStream> =>
    execInPod(
      over,
      { namespace, pod, container: 'app', argv: ['python3.14', '-I', '-S', '-c', code] },
      never,
      protocols,
    );

  beforeAll(async () => {
    namespace = await space();
    api = await apiFor(namespace);
    await Promise.all([
      startPod(cluster, namespace, { name: 'plain' }),
      startPod(cluster, namespace, { name: 'ports', command: ['python3.14', '-c', SERVERS] }),
      startPod(cluster, namespace, { name: 'other-user', command: CHANGE_USER }),
    ]);
  });
  afterAll(async () => {
    for (const connection of connections) connection.close();
    await Promise.all(spaces.map((one) => one.remove()));
  });

  describe('exec', () => {
    it('has begun as soon as the program says something', async () => {
      const begin = performance.now();
      const stream = await run('print("up", flush=True)\nimport sys; sys.stdin.read()');
      expect(performance.now() - begin).toBeLessThan(900);
      stream.stderr.resume();
      stream.stdin.end();
      expect(await textOf(stream.stdout)).toBe('up\n');
      expect(await stream.exit).toEqual({ code: 0 });
    });

    it('of a container that is not there says so', async () => {
      const nowhere = execInPod(api, { namespace, pod: 'gone', container: 'app', argv: ['x'] }, never);
      const error: unknown = await nowhere.catch((thrown: unknown) => thrown);
      expect(explainKubernetes(error, { place: api.place, replica: 'gone/app' }).code).toBe('replica-gone');
    });

    it('that is cut ends with an unknown code and an error', async () => {
      await using wire = await wireTo(api, cluster);
      const stream = await run(`print("up", flush=True)\n${ECHO}`, 'plain', wire.api);
      stream.stderr.resume();
      const text = textOf(stream.stdout);
      wire.cut();
      expect(await stream.exit).toEqual({ code: null, error: expect.any(Error) as unknown });
      expect(await text).toBe('up\n');
      stream.stdin.write('nobody reads this');
      await until(() => wire.open() === 0, 'the wire is closed');
    });

    it('that is cut while it starts fails', async () => {
      await using wire = await wireTo(api, cluster);
      const starting = run('import time; time.sleep(20)', 'plain', wire.api).catch((error: unknown) => error);
      await until(() => wire.open() > 0, 'the wire is open');
      wire.cut();
      expect(await starting).toBeInstanceOf(Error);
    });

    it('carries 50 MB one way while the other one waits', async () => {
      const stream = await run(`import sys
for _ in range(800): sys.stdout.buffer.write(b"x" * 65536)
sys.stdout.buffer.write(str(len(sys.stdin.buffer.read())).encode())`);
      stream.stderr.resume();
      stream.stdin.end(Buffer.alloc(1_000_000));
      const all = await bytesOf(stream.stdout);
      expect(all.length).toBe(800 * 65_536 + 7);
      expect(all.subarray(-7).toString()).toBe('1000000');
      expect((await stream.exit).code).toBe(0);
    });

    it('many at once, each for itself', async () => {
      const all = await Promise.all(
        Array.from({ length: 8 }, async (_, index) => {
          const stream = await run(`print(${String(index)} ** 2)`);
          stream.stderr.resume();
          return Number(await textOf(stream.stdout));
        }),
      );
      expect(all).toEqual([0, 1, 4, 9, 16, 25, 36, 49]);
    });
  });

  describe('exec on a server that knows v4 only', () => {
    const old = (code: string): Promise<ExecStream> => run(code, 'plain', api, V4);

    it('carries bytes both ways, and the exit code', async () => {
      const stream = await old(`import sys\nprint(sys.stdin.readline()[::-1])\nsys.exit(7)`);
      stream.stderr.resume();
      stream.stdin.write('abc\n');
      expect((await textOf(stream.stdout)).trim()).toBe('cba');
      expect(await stream.exit).toEqual({ code: 7 });
    });

    it('keeps the output of a program whose input ended early', async () => {
      const stream = await old(`import sys\nfor _ in range(250): sys.stdout.buffer.write(b"x" * 64000)`);
      stream.stderr.resume();
      stream.stdin.end();
      expect((await bytesOf(stream.stdout)).length).toBe(16_000_000);
      expect(await stream.exit).toEqual({ code: 0 });
    });

    it('ends a program that waits for the end of its input', async () => {
      const mark = `/tmp/mark-${String(Math.random()).slice(2)}`;
      const stream = await old(`import sys\nprint("up", flush=True)\nsys.stdin.read()\nopen("${mark}", "w").close()`);
      stream.stderr.resume();
      stream.stdout.resume();
      stream.stdin.end();
      expect(await stream.exit).toEqual({ code: null });
      const seen = async (): Promise<boolean> => {
        const argv = ['python3.14', '-c', `import os; print(os.path.exists("${mark}"))`];
        return (
          (
            await outputOf(await execInPod(api, { namespace, pod: 'plain', container: 'app', argv }, never), never)
          ).text.trim() === 'True'
        );
      };
      await until(seen, 'the program saw its stdin end');
    });

    it('names a program that is not there', async () => {
      const spec = { namespace, pod: 'plain', container: 'app', argv: ['/no/such'] };
      await expect(execInPod(api, spec, never, V4)).rejects.toMatchObject({ code: 'exec-not-found' });
    });
  });

  describe('port-forward', () => {
    const dial = (port: number, over = api): Promise<Duplex> =>
      portForward(over, { namespace, pod: 'ports' }, port, never);
    const firstOf = async (stream: Duplex): Promise<string> => String(((await once(stream, 'data')) as [Buffer])[0]);

    it('carries bytes both ways', async () => {
      const stream = await dial(7001);
      stream.write('hello');
      expect(await firstOf(stream)).toBe('hello');
      stream.destroy();
    });

    it('says that nothing listens', async () => {
      const stream = await dial(7999);
      stream.write('hello');
      await expect(bytesOf(stream)).rejects.toMatchObject({ name: 'DebugwandError', code: 'port-refused' });
    });

    it('says that the app reset the connection', async () => {
      const stream = await dial(7003);
      stream.write('x');
      await expect(bytesOf(stream)).rejects.toMatchObject({ code: 'port-reset' });
    });

    it('buffers little of what nobody reads, and loses nothing', async () => {
      const stream = await dial(7002);
      stream.write('x');
      await until(() => stream.readableLength > 0, 'first bytes');
      const other = await dial(7001);
      other.write('y');
      expect(await firstOf(other)).toBe('y');
      other.destroy();
      expect(stream.readableLength).toBeLessThan(1_000_000);
      expect((await bytesOf(stream)).length).toBe(800 * 65_536);
    });

    it('has an answer for one that has said all it has to say', async () => {
      const stream = await dial(7004);
      stream.end('ask\n');
      expect((await bytesOf(stream)).toString()).toBe('answer');
    });

    it('200 at once, none lost, nothing left open', async () => {
      const descriptors = (): number => readdirSync('/proc/self/fd').length;
      const before = descriptors();
      const answers = await Promise.all(
        Array.from({ length: 200 }, async (_, index) => {
          const stream = await dial(7001);
          stream.write(`number ${String(index)}`);
          const answer = await firstOf(stream);
          stream.destroy();
          return answer === `number ${String(index)}`;
        }),
      );
      expect(answers.filter(Boolean)).toHaveLength(200);
      await until(() => descriptors() <= before + 2, `${String(descriptors())} descriptors after ${String(before)}`);
    });

    it('that is cut says so', async () => {
      await using wire = await wireTo(api, cluster);
      const stream = await dial(7001, wire.api);
      stream.write('hello');
      expect(await firstOf(stream)).toBe('hello');
      wire.cut();
      await expect(bytesOf(stream)).rejects.toThrow();
    });

    it('to a pod that is not there fails', async () => {
      await expect(portForward(api, { namespace, pod: 'gone' }, 80, never)).rejects.toMatchObject({ status: 404 });
    });
  });

  describe('a helper', () => {
    const ALLOW: HelperOptions = { mode: 'allow', confirm: null, interpreters: ['python3.14'] };
    const place = (pod: string, where = namespace): { namespace: string; pod: string; container: string } => ({
      namespace: where,
      pod,
      container: 'app',
    });
    /** Uid, and whether it may write the memory of the process with that command line. */
    const LOOK = `import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) == os.getpid(): continue
    try:
        if b"time.sleep(1e6)" not in open(f"/proc/{pid}/cmdline", "rb").read(): continue
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR)); print(os.getuid(), "may")
    except OSError as error: print(os.getuid(), error.strerror)`;
    const looksFrom = async (pod: string, container: string, where = namespace, over = api): Promise<string> => {
      const argv = ['python3.14', '-I', '-S', '-c', LOOK];
      return (
        await outputOf(await execInPod(over, { ...place(pod, where), container, argv }, never), never)
      ).text.trim();
    };

    it('may write the memory that an exec may not; it is one for each container, found again by the next daemon', async () => {
      expect(await looksFrom('other-user', 'app')).toBe('0 Permission denied');
      const helpers = new KubernetesHelpers();
      const names = await Promise.all([1, 2, 3].map(() => helpers.nameFor(api, place('other-user'), ALLOW, never)));
      expect(new Set(names).size).toBe(1);
      const [name = ''] = names;
      expect(name).toMatch(/^debugwand-/);
      expect(await looksFrom('other-user', name)).toBe('0 may');
      // Also where none may be added.
      const next = await new KubernetesHelpers().nameFor(api, place('other-user'), { ...ALLOW, mode: 'never' }, never);
      expect(next).toBe(name);
    });

    it('ends with the start of the container that it was beside: the next start gets another one', async () => {
      const mortal = `import os, signal, time\nsignal.signal(15, lambda *_: os._exit(1))\ntime.sleep(1e6)`;
      await startPod(cluster, namespace, { name: 'mortal', command: ['python3.14', '-c', mortal] });
      const helpers = new KubernetesHelpers();
      const first = await helpers.nameFor(api, place('mortal'), ALLOW, never);
      (await run('import os; os.kill(1, 15)', 'mortal')).close();
      const next = async (): Promise<string | null> => {
        const name = await helpers.nameFor(api, place('mortal'), ALLOW, never).catch(() => null);
        return name === first ? null : name;
      };
      const second = await until(next, 'another helper', 60_000);
      await until(async () => (await looksFrom('mortal', second)) === '0 may', 'it sees the new start', 30_000);
    });

    it('is added with leave only', async () => {
      const asked: string[] = [];
      const ask = (answer: boolean): HelperOptions => ({
        ...ALLOW,
        mode: 'ask',
        confirm: (question) => {
          asked.push(question);
          return Promise.resolve(answer);
        },
      });
      const denied = { code: 'helper-denied', fix: expect.stringContaining("ephemeralContainers: 'allow'") as unknown };
      const nameFor = (options: HelperOptions): Promise<string> =>
        new KubernetesHelpers().nameFor(api, place('plain'), options, never);
      await expect(nameFor({ ...ALLOW, mode: 'never' })).rejects.toMatchObject(denied);
      await expect(nameFor({ ...ALLOW, mode: 'ask' })).rejects.toMatchObject(denied);
      await expect(nameFor(ask(false))).rejects.toMatchObject(denied);
      expect(await nameFor(ask(true))).toMatch(/^debugwand-/);
      expect(asked).toHaveLength(2);
    });

    it('of an image without a Python says so', async () => {
      const wrong = { ...ALLOW, interpreters: ['/no/such/python'] };
      const failure = new KubernetesHelpers().nameFor(api, place('ports'), wrong, never);
      await expect(failure).rejects.toMatchObject({
        code: 'helper-failed',
        message: expect.stringContaining('/no/such/python') as unknown,
      });
    });

    it.each(['baseline', 'restricted'])(
      'is refused by PodSecurity %s, with the manifest change instead',
      async (level) => {
        const where = await space({ 'pod-security.kubernetes.io/enforce': level });
        const strict = {
          runAsNonRoot: true,
          runAsUser: 1000,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        };
        await startPod(cluster, where, { name: 'strict', securityContext: strict });
        const failure = new KubernetesHelpers().nameFor(await apiFor(where), place('strict', where), ALLOW, never);
        await expect(failure).rejects.toMatchObject({
          code: 'helper-denied',
          message: expect.stringContaining(`PodSecurity \`${level}:latest\``) as unknown,
          fix: expect.stringContaining('securityContext.runAsUser') as unknown,
          permanent: true,
        });
      },
    );

    it.each([
      ['runAsNonRoot', { podSpec: { securityContext: { runAsNonRoot: true, runAsUser: 1000 } } }],
      ['readOnlyRootFilesystem', { securityContext: { readOnlyRootFilesystem: true }, command: CHANGE_USER }],
      [
        'seccompProfile RuntimeDefault',
        { podSpec: { securityContext: { seccompProfile: { type: 'RuntimeDefault' } } } },
      ],
      ['no capabilities', { securityContext: { capabilities: { drop: ['ALL'] } } }],
      ['shareProcessNamespace', { podSpec: { shareProcessNamespace: true }, command: CHANGE_USER }],
    ] as const)('beside a pod with %s', async (what, pod) => {
      const name = what.toLowerCase().replaceAll(/[^a-z]+/g, '-');
      await startPod(cluster, namespace, { name, ...pod });
      const helper = await new KubernetesHelpers().nameFor(api, place(name), ALLOW, never);
      expect(await looksFrom(name, helper)).toBe('0 may');
    });

    it('beside a container without a shell, by whatever its process 1 is', async () => {
      const distroless = { image: IMAGES.distroless, command: null, args: ['-c', 'import time; time.sleep(1e6)'] };
      await startPod(cluster, namespace, { name: 'distroless', ...distroless });
      const options = { ...ALLOW, interpreters: ['/proc/1/exe'] };
      const helper = await new KubernetesHelpers().nameFor(api, place('distroless'), options, never);
      expect(await looksFrom('distroless', helper)).toBe('0 may');
    });
  });

  it.each([
    ['shareProcessNamespace', { shareProcessNamespace: true }],
    ['hostPID', { hostPID: true }],
  ])('the scope of a container whose pod has %s is its own processes', async (_what, podSpec) => {
    const name = `scope-${_what.toLowerCase()}`;
    await startPod(cluster, namespace, { name, podSpec });
    const place = { namespace, pod: name, container: 'app' };
    const run = (program: readonly string[], limit: AbortSignal) => execInPod(api, { ...place, argv: program }, limit);
    const scope = await sharedScope(['/no/such/python', 'python3.14'], run, never);
    if (scope.kind !== 'descendants') throw new Error(scope.kind);
    expect(scope.roots).toHaveLength(1);
    const argv = ['python3.14', '-c', `print(open("/proc/${String(scope.roots[0])}/cmdline").read())`];
    expect((await outputOf(await execInPod(api, { ...place, argv }, never), never)).text).toContain('time.sleep');
    expect(scope.roots).not.toContain(1);
  });

  it('an admission policy that refuses exec is named', async () => {
    const where = await space({ 'debugwand-test': 'no-exec' });
    const name = `no-exec-${where}`;
    await startPod(cluster, where, { name: 'guarded' });
    const guarded = await apiFor(where);
    await cluster.apply(
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name },
        spec: {
          failurePolicy: 'Fail',
          matchConstraints: {
            resourceRules: [
              { apiGroups: [''], apiVersions: ['v1'], operations: ['CONNECT'], resources: ['pods/exec'] },
            ],
          },
          validations: [{ expression: 'false', message: 'no debugging here' }],
        },
      },
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name },
        spec: {
          policyName: name,
          validationActions: ['Deny'],
          matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': where } } },
        },
      },
    );
    try {
      const failure = async (): Promise<unknown> => {
        const spec = { namespace: where, pod: 'guarded', container: 'app', argv: ['python3.14', '-c', 'print(1)'] };
        try {
          (await execInPod(guarded, spec, never)).close();
          return null;
        } catch (error) {
          return error;
        }
      };
      const error = await until(failure, 'the policy is in force', 30_000);
      const named = explainKubernetes(error, { place: guarded.place, replica: 'guarded/app' });
      expect(named).toMatchObject({ code: 'exec-denied', permanent: true });
      expect(named.message).toContain(name);
      expect(named.message).toContain('no debugging here');
    } finally {
      await cluster.kubectl('delete', 'validatingadmissionpolicy,validatingadmissionpolicybinding', name);
    }
  });
});
