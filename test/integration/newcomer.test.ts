/**
 * A newcomer's way with the real frameworks: `wand init` looks at a project, and what it writes is used as it is: started,
 * attached to as launch.json says, stopped, reloaded, stopped again.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureDocker } from '../support/docker.ts';
import type { Folder } from '../support/folder.ts';
import { IMAGES } from '../support/images.ts';
import { assertGoodSession } from '../support/invariants.ts';
import { kubeconfigFor } from '../support/kubernetes-access.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { freePort, getOrSkip } from '../support/machine.ts';
import { answerOf, changeAnswer, FILES, LaunchedEditor, launchOf, projectOf } from '../support/newcomer.ts';
import { NEWCOMER_PACKAGES } from '../support/packages.ts';
import { venv } from '../support/python.ts';
import { startRedis, type Redis } from '../support/redis.ts';
import { ATTACHED } from '../support/rig.ts';
import { run } from '../support/run.ts';
import { uniqueName } from '../support/target-stage.ts';
import { until } from '../support/until.ts';
import { wand, WandDaemon } from '../support/wand.ts';

const environment = await getOrSkip(() => venv('3.14', NEWCOMER_PACKAGES));
const docker = await getOrSkip(() => ensureDocker(['python314']));
const cluster = await getOrSkip(() => ensureKubernetes(['python314']));

/** A file of the user's own, as VS Code makes it. */
const LAUNCH = `{
    // Use IntelliSense to learn about possible attributes.
    "version": "0.2.0",
    "configurations": [
        { "name": "mine", "type": "debugpy", "request": "launch", "program": "\${file}", }, // keep
    ],
}
`;

interface Story {
  readonly what: string;
  readonly files: Readonly<Record<string, string>>;
  /** Where the answer is. */
  readonly file: string;
  /** Variables that tell the server its port. */
  readonly port: string;
  readonly command: RegExp;
}

const STORIES: readonly Story[] = [
  {
    what: 'FastAPI with uvicorn',
    files: { ...FILES.fastapi, 'requirements.txt': 'fastapi\nuvicorn\n' },
    file: 'app/main.py',
    port: 'UVICORN_PORT',
    command: /\.venv\/bin\/uvicorn app\.main:app --reload/,
  },
  {
    what: 'FastAPI with `fastapi dev`',
    files: { ...FILES.fastapi, 'requirements.txt': 'fastapi[standard]\n' },
    file: 'app/main.py',
    port: 'PORT',
    command: /\.venv\/bin\/fastapi dev app\/main\.py/,
  },
  {
    what: 'Django',
    files: { ...FILES.django, '.vscode/launch.json': LAUNCH },
    file: 'shop/views.py',
    port: 'PORT',
    command: /\.venv\/bin\/python manage\.py runserver/,
  },
  {
    what: 'Flask with a factory',
    files: FILES.flask,
    file: 'shop/__init__.py',
    port: 'FLASK_RUN_PORT',
    command: /\.venv\/bin\/flask --app shop:create_app run --debug/,
  },
];

/** Of the project's first target. */
function nameOf(project: Folder): string {
  return project.path.split('/').at(-1) ?? '';
}

/** A stop before the change and one after it, in one session, which is good and ends here. */
async function hitsThroughReload(
  launched: LaunchedEditor,
  ask: () => Promise<unknown>,
  change: () => Promise<unknown>,
): Promise<void> {
  expect(await launched.hit(ask)).toEqual({ answer: 42 });
  await launched.reloaded(change);
  expect(await launched.hit(ask)).toEqual({ answer: 4300 });
  await assertGoodSession(launched.editor);
  launched.editor.destroy();
}

let redis: Redis | undefined;

beforeAll(async () => {
  redis = await getOrSkip(() => startRedis());
});

afterAll(async () => {
  await redis?.stop();
});

describe.skipIf(environment === undefined)('a project on this machine', () => {
  it.each(STORIES)('$what', async ({ files, file, port, command }) => {
    await using project = await projectOf(files, environment);
    const http = await freePort();
    // Told to write and to start, as a script would; a terminal is asked.
    const daemon = new WandDaemon(['init', '--yes', '--start'], {
      cwd: project.path,
      env: { [port]: String(http) },
    });
    try {
      const { port: editorPort } = await daemon.target('attached', ATTACHED, { timeoutMs: 40_000 });
      expect(daemon.output).toMatch(command);
      expect(daemon.output).toContain(`attach your editor to 127.0.0.1:${String(editorPort)}`);
      const launched = await LaunchedEditor.start(project, file, `wand: ${nameOf(project)}`);
      await launched.isSet();
      const ask = (): Promise<unknown> => answerOf(`http://127.0.0.1:${String(http)}/`);
      await hitsThroughReload(launched, ask, () => changeAnswer(project, file, '4300'));
      if ('.vscode/launch.json' in files) {
        const { configurations } = await launchOf(project);
        expect(configurations.map(({ name }) => name)).toEqual(['mine', `wand: ${nameOf(project)}`]);
      }
      expect(await daemon.stop()).toBe(0);
    } finally {
      await daemon.stop();
    }
  });

  it('a web app and a celery worker: two targets, a compound', async () => {
    await using project = await projectOf(
      { ...FILES.flask, 'shop/tasks.py': FILES.celery['shop/tasks.py'] },
      environment,
    );
    const http = await freePort();
    const { url = '' } = redis ?? {};
    const env = { FLASK_RUN_PORT: String(http), BROKER: url };
    const init = await wand(['init', '--yes'], { cwd: project.path, env });
    expect(init).toMatchObject({ code: 0, stderr: '' });
    expect(init.stdout).toContain('celery does not reload by itself: after a change of its code `wand restart worker`');
    const web = `wand: ${nameOf(project)}`;
    expect((await launchOf(project)).compounds).toMatchObject([{ configurations: [web, 'wand: worker'] }]);
    const daemon = new WandDaemon(['watch', '--plain'], { cwd: project.path, env });
    try {
      for (const name of [nameOf(project), 'worker'])
        await daemon.target('attached', ATTACHED, { name, timeoutMs: 40_000 });
      const served = await LaunchedEditor.start(project, 'shop/__init__.py', web);
      const worker = await LaunchedEditor.start(project, 'shop/tasks.py', 'wand: worker');
      await Promise.all([served.isSet(), worker.isSet()]);
      expect(await served.hit(() => answerOf(`http://127.0.0.1:${String(http)}/`))).toEqual({ answer: 42 });
      const celery = [join(environment ?? '', 'bin/celery'), '-A', 'shop.tasks', 'call', 'shop.tasks.add'] as const;
      const [program, ...args] = [...celery, '--args', '[1, 2]'];
      const call = (): Promise<string> => run(program, args, { cwd: project.path, env });
      // The first task, too.
      await worker.hit(call);
      await until(() => daemon.output.includes('the answer is 42'), 'the task ends');
      await worker.reloaded(async () => {
        await changeAnswer(project, 'shop/tasks.py', '4300');
        expect(await daemon.run('restart', 'worker')).toMatchObject({ code: 0 });
      });
      await worker.hit(call);
      await until(() => daemon.output.includes('the answer is 4300'), 'the next task ends');
      for (const { editor } of [served, worker]) {
        await assertGoodSession(editor);
        editor.destroy();
      }
      expect(await daemon.stop()).toBe(0);
    } catch (error) {
      throw new Error(`${String(error)}\n${daemon.output}`, { cause: error });
    } finally {
      await daemon.stop();
    }
  });

  it('what is in the way is said before anything is started', async () => {
    await using project = await projectOf({ ...FILES.fastapi });
    const env = { PATH: '/usr/bin:/bin', UVICORN_PORT: String(redis?.port ?? 0) };
    const first = await wand(['init', '--yes'], { cwd: project.path, env });
    expect(first).toMatchObject({ code: 0 });
    expect(first.stdout).toContain('note: the command `uvicorn` was not found: activate the virtual environment');
    expect(first.stdout).toMatch(
      /note: port \d+, which \S+ will want to serve at, is taken by process \d+ \(redis-server/,
    );
    expect(first.stdout).toMatch(/next: mend that, then `wand watch`, then attach your editor to 127\.0\.0\.1:\d+\n$/);
    const start = await wand(['init', '--start'], { cwd: project.path, env });
    expect(start.code).not.toBe(0);
    expect(start.stderr).toContain('the command `uvicorn` was not found');
  });
});

/** How Docker is called; an app in a container answers at its own address. */
const engine = (...args: readonly string[]): Promise<string> => {
  const [program, ...first] = docker?.command ?? ['docker'];
  return run(program, [...first, ...args]);
};

async function addressOf(container: string): Promise<string> {
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  return `http://${(await engine('inspect', '-f', format, container)).trim()}:8000/`;
}

describe.skipIf(docker === undefined)('a project with containers', () => {
  it('a Dockerfile that copies a folder, rebuilt', async () => {
    await using project = await projectOf({
      'backend/main.py': FILES.fastapi['app/main.py'],
      Dockerfile: `FROM ${IMAGES.python314}
WORKDIR /srv
COPY backend/ /srv/code/
CMD uvicorn main:app --app-dir code --host 0.0.0.0
`,
    });
    const name = uniqueName('newcomer');
    const up = async (): Promise<void> => {
      await engine('build', '--quiet', '--tag', name, project.path);
      await engine('rm', '--force', name).catch(() => undefined);
      await engine('run', '--detach', '--name', name, name);
    };
    await up();
    const init = await wand(['init', '--yes'], { cwd: project.path });
    expect(init).toMatchObject({ code: 0, stderr: '' });
    expect(init.stdout).toContain(`container ${name} (built from Dockerfile), runs now`);
    const daemon = new WandDaemon(['watch', '--plain'], { cwd: project.path });
    try {
      await daemon.target('attached', ATTACHED, { timeoutMs: 40_000 });
      const launched = await LaunchedEditor.start(project, 'backend/main.py', `wand: ${name}`);
      await launched.isSet();
      const ask = async (): Promise<unknown> => answerOf(await addressOf(name));
      await hitsThroughReload(launched, ask, async () => {
        await changeAnswer(project, 'backend/main.py', '4300');
        await up();
      });
    } catch (error) {
      throw new Error(`${String(error)}\n${init.stdout}\n${daemon.output}`, { cause: error });
    } finally {
      await daemon.stop();
      await engine('rm', '--force', name);
      await engine('rmi', '--force', name);
    }
  });

  it('a compose.yaml with Django and a celery worker, of one source', async () => {
    const host = (await engine('network', 'inspect', 'bridge', '-f', '{{(index .IPAM.Config 0).Gateway}}')).trim();
    const broker = await startRedis(host);
    const compose = `services:
  web:
    image: ${IMAGES.python314}
    command: python manage.py runserver 0.0.0.0:8000
    working_dir: /code
    volumes: ['.:/code']
  worker:
    image: ${IMAGES.python314}
    command: celery -A shop.tasks worker -c 1
    working_dir: /code
    volumes: ['.:/code']
  broker:
    image: redis:8
`;
    await using project = await projectOf({
      ...FILES.django,
      'shop/tasks.py': FILES.celery['shop/tasks.py'],
      'compose.yaml': compose,
    });
    const init = await wand(['init', '--yes'], { cwd: project.path });
    expect(init).toMatchObject({ code: 0, stderr: '' });
    const { configurations, compounds } = await launchOf(project);
    expect(configurations.map((entry) => [entry.name, entry.pathMappings])).toEqual(
      ['wand: web', 'wand: worker'].map((name) => [name, [{ localRoot: project.path, remoteRoot: '/code' }]]),
    );
    expect(compounds).toMatchObject([{ configurations: ['wand: web', 'wand: worker'] }]);
    // wand first, as it may be: the containers come up beside it.
    const daemon = new WandDaemon(['watch', '--plain'], { cwd: project.path });
    const containers: string[] = [];
    /** As `docker compose up` makes it. */
    const up = async (service: string, ...command: readonly string[]): Promise<string> => {
      const name = uniqueName(`newcomer-${service}`);
      containers.push(name);
      const labels = { project: nameOf(project).toLowerCase(), service };
      const labelled = Object.entries(labels).flatMap(([key, value]) => [
        '--label',
        `com.docker.compose.${key}=${value}`,
      ]);
      const mounted = ['--volume', `${project.path}:/code`, '--workdir', '/code', '--env', `BROKER=${broker.url}`];
      await engine('run', '--detach', '--name', name, ...labelled, ...mounted, IMAGES.python314, ...command);
      return name;
    };
    try {
      const web = await up('web', 'python', 'manage.py', 'runserver', '0.0.0.0:8000');
      const worker = await up('worker', 'celery', '-A', 'shop.tasks', 'worker', '-c', '1');
      await daemon.target('attached', ATTACHED, { name: 'web', timeoutMs: 40_000 });
      const served = await LaunchedEditor.start(project, 'shop/views.py', 'wand: web');
      await served.isSet();
      const ask = async (): Promise<unknown> => answerOf(await addressOf(web));
      expect(await served.hit(ask)).toEqual({ answer: 42 });
      await served.reloaded(() => changeAnswer(project, 'shop/views.py', '4300'));
      expect(await served.hit(ask)).toEqual({ answer: 4300 });
      // A pool's child is entered with its first task.
      const call = (): Promise<string> =>
        engine('exec', worker, 'celery', '-A', 'shop.tasks', 'call', 'shop.tasks.add', '--args', '[1, 2]');
      await daemon.target('seen', (target) => target.worker !== null, { name: 'worker', timeoutMs: 40_000 });
      await call();
      await daemon.target('attached', ATTACHED, { name: 'worker', timeoutMs: 40_000 });
      const working = await LaunchedEditor.start(project, 'shop/tasks.py', 'wand: worker');
      await working.isSet();
      await working.hit(call);
      for (const { editor } of [served, working]) {
        await assertGoodSession(editor);
        editor.destroy();
      }
    } catch (error) {
      throw new Error(`${String(error)}\n${init.stdout}\n${daemon.output}`, { cause: error });
    } finally {
      await daemon.stop();
      for (const name of containers) await engine('rm', '--force', name);
      await broker.stop();
    }
  });
});

describe.skipIf(cluster === undefined)('a project with Kubernetes manifests', () => {
  it('beside a skaffold.yaml and a Tiltfile', async () => {
    if (cluster === undefined) throw new Error('no cluster');
    const space = await cluster.namespace();
    const dockerfile = `FROM ${IMAGES.python314}\nWORKDIR /code\nCOPY . .\nCMD ["uvicorn", "app.main:app"]\n`;
    await using project = await projectOf({
      ...FILES.fastapi,
      Dockerfile: dockerfile,
      'skaffold.yaml': 'apiVersion: skaffold/v4beta13\nkind: Config\nmanifests: { rawYaml: [k8s/*.yaml] }\n',
      Tiltfile: "k8s_yaml('k8s/web.yaml')\n",
    });
    const manifest = `apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: ${space.name} }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      dnsPolicy: Default
      terminationGracePeriodSeconds: 1
      # What Skaffold and Tilt do by copying: a save reaches the pod.
      volumes: [{ name: source, hostPath: { path: ${project.path} } }]
      containers:
        - name: web
          image: ${IMAGES.python314}
          imagePullPolicy: Never
          args: [uvicorn, 'app.main:app', --reload, --host, 0.0.0.0, --port, '8000']
          workingDir: /code
          volumeMounts: [{ name: source, mountPath: /code }]
          readinessProbe: { tcpSocket: { port: 8000 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: ${space.name} }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8000 }] }
`;
    await project.write({ 'k8s/web.yaml': manifest });
    const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('-n', space.name, ...args);
    await kubectl('apply', '-f', project.at('k8s/web.yaml'));
    const env = { KUBECONFIG: (await kubeconfigFor(cluster, { namespace: space.name })).path };
    const init = await wand(['init', '--yes'], { cwd: project.path, env });
    expect(init).toMatchObject({ code: 0, stderr: '' });
    for (const said of ['deployment web (k8s/web.yaml)', 'skaffold dev --rpc-http-port=50052', "debugwand('web')"])
      expect(init.stdout).toContain(said);
    expect((await launchOf(project)).configurations).toMatchObject([
      { name: 'wand: web', pathMappings: [{ localRoot: project.path, remoteRoot: '/code' }] },
    ]);
    const daemon = new WandDaemon(['watch', '--plain'], { cwd: project.path, env });
    try {
      await daemon.target('attached', ATTACHED, { timeoutMs: 60_000 });
      const address = await kubectl('get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[0].status.podIP}');
      const ask = (): Promise<unknown> => answerOf(`http://${address.trim()}:8000/`);
      const launched = await LaunchedEditor.start(project, 'app/main.py', 'wand: web');
      await launched.isSet();
      await hitsThroughReload(launched, ask, () => changeAnswer(project, 'app/main.py', '4300'));
    } catch (error) {
      throw new Error(`${String(error)}\n${init.stdout}\n${daemon.output}`, { cause: error });
    } finally {
      await daemon.stop();
      await space.remove();
    }
  });
});
