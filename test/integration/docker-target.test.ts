/** The docker target on a real engine: what goes beyond the contract. */
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { TargetSource } from '../../src/core/types.ts';
import { createTarget, listContainers, missingSource } from '../../src/targets/index.ts';
import type { Target } from '../../src/targets/target.ts';
import { ensureDocker } from '../support/docker.ts';
import { folder } from '../support/folder.ts';
import { IMAGES } from '../support/images.ts';
import { getOrSkip } from '../support/machine.ts';
import { targetConfig } from '../support/target-config.ts';
import { cli, dockerTarget, FOREVER, startContainer, strike, uniqueName } from '../support/target-stage.ts';
import { until } from '../support/until.ts';
import { outputOf, Watching } from '../support/watching.ts';

const docker = await getOrSkip(() => ensureDocker(['python314', 'distroless', 'noPython']));
const never = new AbortController().signal;

describe.skipIf(docker === undefined)('the docker target', () => {
  const engine = docker ?? { socketPath: '', command: ['docker'] as const };
  const host = `unix://${engine.socketPath}`;
  const cleanUp: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const undo of cleanUp.splice(0).toReversed()) await undo();
  });

  const container = async (name: string, options: readonly string[] = [], command = FOREVER): Promise<string> => {
    cleanUp.push(() => strike(engine, name));
    return startContainer(engine, name, options, command);
  };
  const watching = (target: Target): Watching => {
    const watch = new Watching(target);
    cleanUp.push(async () => {
      await watch.stop();
      await target.close();
    });
    return watch;
  };
  const targetOf = (source: TargetSource): Promise<Target> =>
    createTarget(targetConfig(source), { log: { info: () => undefined }, projectRoot: '/', inheritStdio: false });

  describe('Compose', () => {
    const project = uniqueName('shop');
    const compose = { project, service: 'web' };
    const labels = (service: string, oneOff = 'False'): string[] => [
      `--label=com.docker.compose.project=${project}`,
      `--label=com.docker.compose.service=${service}`,
      `--label=com.docker.compose.oneoff=${oneOff}`,
    ];

    test('a scaled service: newest first, one-off last, and the next when the first goes', async () => {
      const watch = watching(await targetOf({ kind: 'docker', compose, host }));
      await watch.waiting('nothing there', /no container of service `web`/);
      await container(`${project}-web-1`, labels('web'));
      await watch.running();
      // `created` has seconds.
      await until(async () => Date.now() % 1000 < 100, 'the next second');
      await container(`${project}-web-2`, labels('web'));
      await container(`${project}-db-1`, labels('db'));
      await container(`${project}-web-run-1`, labels('web', 'True'));
      const names = [`${project}-web-2`, `${project}-web-1`, `${project}-web-run-1`];
      await watch.until(({ replicas }) => replicas.length === 3, 'three replicas');
      expect(watch.last?.replicas.map(({ name }) => name)).toEqual(names);
      await cli(engine, 'kill', `${project}-web-2`);
      await watch.until(({ replicas }) => replicas[0]?.name === `${project}-web-1`, 'the other one is first');
      expect(watch.last?.waitingFor).toBeNull();
    });

    test('a recreated container is the same target', async () => {
      const watch = watching(await targetOf({ kind: 'docker', compose, host }));
      const first = await container(`${project}-web-1`, labels('web'));
      expect((await watch.running()).id).toBe(first);
      await cli(engine, 'rm', '-f', `${project}-web-1`);
      const second = await container(`${project}-web-1`, labels('web'));
      await watch.until(({ replicas }) => replicas[0]?.id === second && replicas[0].state === 'running', 'the new one');
    });

    test('near names are offered', async () => {
      await container(`${project}-web-1`, labels('web'));
      const missing = (source: TargetSource) => missingSource(targetConfig(source), never);
      expect(await missing({ kind: 'docker', container: 'web', host })).toMatchObject({
        code: 'container-not-found',
        message: `container \`web\` does not exist; did you mean \`${project}-web-1\`?`,
      });
      expect(await missing({ kind: 'docker', compose: { project, service: 'wbe' }, host })).toMatchObject({
        message: `no container of service \`wbe\` of Compose project \`${project}\` exists; did you mean service \`web\`?`,
      });
      expect(await missing({ kind: 'docker', compose, host })).toBeNull();
    });
  });

  test('an id means the container, whatever its name becomes', async () => {
    const name = uniqueName('id');
    const id = await container(name);
    const watch = watching(await dockerTarget(engine, id.slice(0, 12)));
    expect((await watch.running()).name).toBe(name);
    cleanUp.push(() => strike(engine, `${name}-b`));
    await cli(engine, 'rename', name, `${name}-b`);
    await watch.until(({ replicas }) => replicas[0]?.name === `${name}-b`, 'the new name');
    expect(watch.last?.replicas[0]).toMatchObject({ id, state: 'running' });
  });

  test('says how a container ended, and what never started', async () => {
    const name = uniqueName('ends');
    const watch = watching(await dockerTarget(engine, name));
    await container(name, [], ['python3.14', '-c', 'import sys; sys.exit(3)']);
    await watch.waiting('it exited', /exited with 3, \d s ago/);
    const created = uniqueName('made');
    cleanUp.push(() => strike(engine, created));
    await cli(engine, 'create', '--name', created, IMAGES.python314, 'true');
    await watching(await dockerTarget(engine, created)).waiting('it was created', /was created, but not started/);
  });

  test('tells what the daemon needs for path mappings', async () => {
    const name = uniqueName('facts');
    await using code = await folder();
    await container(name, ['-v', `${code.path}:/code:ro`, '-w', '/srv']);
    const replica = await watching(await dockerTarget(engine, name)).running();
    expect(replica).toMatchObject({
      name,
      workingDir: '/srv',
      mounts: [{ source: code.path, destination: '/code' }],
      image: IMAGES.python314,
      scope: { kind: 'namespace' },
    });
    expect((await listContainers(never, host)).find((found) => found.name === name)).toMatchObject({
      workingDir: '/srv',
      mounts: [{ source: code.path, destination: '/code' }],
      image: IMAGES.python314,
      compose: null,
      command: ['python3.14', '-c', 'import time; time.sleep(1e6)'],
    });
  });

  test.each([
    ['a read-only root file system', ['--read-only']],
    ['no capabilities at all', ['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges']],
    ['another user', ['--user', '1234:1234']],
    ['a working directory that the app removed', ['-w', '/tmp/gone', '--tmpfs', '/tmp']],
  ])('exec works with %s', async (_name, options) => {
    const name = uniqueName('exec');
    await container(name, options);
    const target = await dockerTarget(engine, name);
    const replica = await watching(target).running();
    const [interpreter = ''] = await target.interpreters(replica, never);
    const argv = [interpreter, '-I', '-S', '-c', 'import os; print(os.getcwd())'];
    expect(await outputOf(await target.exec(replica, argv, {}, never))).toBe('/');
  });

  test('a distroless image: its Python is found without a shell', async () => {
    const name = uniqueName('distroless');
    cleanUp.push(() => strike(engine, name));
    await cli(engine, 'run', '-d', '--name', name, '--network', 'none', IMAGES.distroless, '-c', FOREVER[2] ?? '');
    const target = await dockerTarget(engine, name);
    const replica = await watching(target).running();
    const [first = ''] = await target.interpreters(replica, never);
    const argv = [first, '-I', '-S', '-c', 'import os; print(os.getuid())'];
    expect(await outputOf(await target.exec(replica, argv, {}, never))).toBe('65532');
  });

  test('an image without Python: each place is tried and named', async () => {
    const name = uniqueName('nopython');
    cleanUp.push(() => strike(engine, name));
    await cli(engine, 'run', '-d', '--name', name, '--network', 'none', IMAGES.noPython);
    const target = await dockerTarget(engine, name);
    const replica = await watching(target).running();
    for (const interpreter of (await target.interpreters(replica, never)).filter((path) => path !== '/proc/1/exe')) {
      const failure = target.exec(replica, [interpreter, '-V'], {}, never);
      await expect(failure).rejects.toMatchObject({ code: 'exec-not-found' });
    }
  });

  describe('a PID namespace that is shared', () => {
    const own = (roots: readonly number[]): string =>
      `import os; print([open(f"/proc/{p}/cmdline").read().split("\\0")[2:3] for p in ${JSON.stringify(roots)}])`;

    test('with the host: only the container’s own processes', async () => {
      const name = uniqueName('pidhost');
      await container(name, ['--pid', 'host'], ['python3.14', '-c', 'import time; time.sleep(1e6)  # mine']);
      const target = await dockerTarget(engine, name);
      const replica = await watching(target).running();
      expect(replica.scope).toMatchObject({ kind: 'descendants', roots: [expect.any(Number)] });
      const roots = replica.scope.kind === 'descendants' ? replica.scope.roots : [];
      const shown = await target.exec(replica, ['python3.14', '-c', own(roots)], {}, never);
      expect(await outputOf(shown)).toBe("[['import time; time.sleep(1e6)  # mine']]");
    });

    test('with another container: only its own processes', async () => {
      const [first, second] = [uniqueName('pid-a'), uniqueName('pid-b')];
      await container(first, [], ['python3.14', '-c', 'import time; time.sleep(1e6)  # other']);
      await container(
        second,
        ['--pid', `container:${first}`],
        ['python3.14', '-c', 'import time; time.sleep(1e6)  # mine'],
      );
      const target = await dockerTarget(engine, second);
      const replica = await watching(target).running();
      const roots = replica.scope.kind === 'descendants' ? replica.scope.roots : [];
      expect(roots).toHaveLength(1);
      const shown = await target.exec(replica, ['python3.14', '-c', own(roots)], {}, never);
      expect(await outputOf(shown)).toBe("[['import time; time.sleep(1e6)  # mine']]");
    });
  });

  describe('a wire that fails', () => {
    /** Stands between the target and the engine; refuses connections whose first line says so. */
    async function proxy(refuse: () => RegExp | null): Promise<{ path: string; sockets: Set<Socket>; server: Server }> {
      const place = await folder();
      const path = place.at('proxy.sock');
      const sockets = new Set<Socket>();
      const server = createServer({ allowHalfOpen: true }, (incoming) => {
        sockets.add(incoming);
        incoming.once('close', () => sockets.delete(incoming));
        incoming.on('error', () => undefined);
        incoming.once('data', (first: Buffer) => {
          if (refuse()?.test(first.toString('latin1').split('\r\n')[0] ?? '') === true) {
            incoming.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
            return;
          }
          const outgoing = createConnection({ path: engine.socketPath, allowHalfOpen: true });
          outgoing.on('error', () => incoming.destroy());
          incoming.once('close', () => outgoing.destroy());
          outgoing.once('close', () => incoming.destroy());
          outgoing.write(first);
          incoming.pipe(outgoing).pipe(incoming);
        });
      });
      await new Promise<void>((done) => server.listen(path, done));
      cleanUp.push(async () => {
        for (const socket of sockets) socket.destroy();
        await new Promise((done) => server.close(done));
        await place[Symbol.asyncDispose]();
      });
      return { path, sockets, server };
    }

    test('the event stream is refused: changes are seen by looking', async () => {
      const name = uniqueName('noevents');
      const { path } = await proxy(() => / \/events/);
      const watch = watching(await targetOf({ kind: 'docker', container: name, host: `unix://${path}` }));
      await watch.waiting('not there', /does not exist/);
      await container(name);
      await watch.running('seen without events', 5_000);
    });

    test('everything is cut: an exec ends, and events are heard again', async () => {
      const name = uniqueName('cut');
      const { path, sockets } = await proxy(() => null);
      await container(name);
      const target = await targetOf({ kind: 'docker', container: name, host: `unix://${path}` });
      const watch = watching(target);
      const replica = await watch.running();
      const stream = await target.exec(replica, ['python3.14', '-c', 'import sys; sys.stdin.read()'], {}, never);
      stream.stdout.resume();
      stream.stderr.resume();
      for (const socket of sockets) socket.destroy();
      await stream.exit;
      await cli(engine, 'pause', name);
      await watch.until(({ replicas }) => replicas[0]?.state === 'paused', 'events are heard again');
      await cli(engine, 'unpause', name);
      await watch.running();
    });

    test('everything is refused: said with its fix, and back by itself', async () => {
      const name = uniqueName('refused');
      await container(name);
      let refuse: RegExp | null = / \//;
      const { path } = await proxy(() => refuse);
      const watch = watching(await targetOf({ kind: 'docker', container: name, host: `unix://${path}` }));
      const { error } = await watch.failing('docker-denied');
      expect(error?.message).toContain(path);
      refuse = null;
      await watch.running();
      expect(watch.last?.error).toBeNull();
    });
  });
});
