import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { initCommand } from '../../../src/commands/init.ts';
import type { InitIo } from '../../../src/commands/init-io.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { parseJsonc } from '../../../src/lib/jsonc.ts';
import { type Folder, folder } from '../../support/folder.ts';
import { initIo as io } from '../../support/init-io.ts';

const load = (project: Folder) => loadConfig({ cwd: project.path }, new AbortController().signal);

async function launch(project: Folder): Promise<unknown> {
  const parsed = parseJsonc(await readFile(project.at('.vscode/launch.json'), 'utf8'));
  if ('error' in parsed) throw new Error(parsed.error.message);
  return parsed.value;
}

const COMPOSE = `
name: shop
services:
  web:
    build: .
    ports: ['8000:8000', '127.0.0.1:5679:5679']
    volumes: ['./src:/app/src', 'data:/data']
  worker:
    build: { context: ./jobs, dockerfile: worker.Dockerfile }
  old:
    image: python:3.11-slim
    command: python -m debugpy --listen 0.0.0.0:5678 main.py
  db: { image: postgres }
  proxy: { image: nginx }
`;
const DOCKERFILE = `FROM python:3.14-slim AS base
ARG HOME_DIR=/app
WORKDIR $HOME_DIR
FROM base
COPY . .
CMD ["uvicorn", "app:app", \\
  "--reload"]
`;

const MANIFESTS = `apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec: { template: { spec: { containers: [{ name: app, image: shop/web }] } } }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db }
spec: { template: { spec: { containers: [{ name: db, image: 'postgres:17' }] } } }
`;

describe('wand init', () => {
  test('Kubernetes manifests: what runs the image that is built here', async () => {
    await using project = await folder({ Dockerfile: DOCKERFILE, 'k8s/web.yaml': MANIFESTS });
    const talk = io(project);
    expect(await initCommand({ yes: true }, talk)).toBe(0);
    expect(talk.said.join('\n')).toContain('web  port 5679  deployment web (k8s/web.yaml)');
    const { targets } = await load(project);
    expect(targets).toHaveLength(1);
    expect(targets[0]?.source).toMatchObject({
      kind: 'kubernetes',
      workload: { kind: 'deployment', name: 'web' },
      namespace: 'shop',
    });
    expect(await launch(project)).toMatchObject({
      configurations: [{ pathMappings: [{ localRoot: '${workspaceFolder}', remoteRoot: '/app' }] }],
    });
  });

  test('Kubernetes manifests beside Compose: a note', async () => {
    await using project = await folder({ Dockerfile: DOCKERFILE, 'compose.yaml': COMPOSE, 'k8s/web.yaml': MANIFESTS });
    const talk = io(project);
    await initCommand({ yes: true }, talk);
    expect(talk.said.join('\n')).toContain('k8s/web.yaml has deployment web: `wand debug -n shop deployment/web`');
  });

  test('Compose services: the Python ones, with their ports, mappings and notes', async () => {
    await using project = await folder({
      'compose.yaml': COMPOSE,
      Dockerfile: DOCKERFILE,
      'jobs/worker.Dockerfile': 'FROM ghcr.io/x/runtime\nWORKDIR /srv/jobs\nENTRYPOINT exec celery -A jobs worker\n',
    });
    const talk = io(project);
    expect(await initCommand({ yes: true }, talk)).toBe(0);
    const { targets } = await load(project);
    expect(targets.map(({ name, port, source, pathMappings }) => ({ name, port, source, pathMappings }))).toEqual([
      {
        name: 'web',
        port: 5680, // 5679 is published by Compose
        source: { kind: 'docker', compose: { project: 'shop', service: 'web' } },
        pathMappings: [],
      },
      {
        name: 'worker',
        port: 5681,
        source: { kind: 'docker', compose: { project: 'shop', service: 'worker' } },
        pathMappings: [{ local: project.at('jobs'), remote: '/srv/jobs' }],
      },
      {
        name: 'old',
        port: 5682,
        source: { kind: 'docker', compose: { project: 'shop', service: 'old' } },
        pathMappings: [],
      },
    ]);
    expect(await launch(project)).toEqual({
      version: '0.2.0',
      compounds: [{ name: 'wand: all', configurations: ['wand: web', 'wand: worker', 'wand: old'], stopAll: false }],
      configurations: [
        {
          name: 'wand: web',
          type: 'debugpy',
          request: 'attach',
          connect: { host: '127.0.0.1', port: 5680 },
          pathMappings: [
            { localRoot: '${workspaceFolder}/src', remoteRoot: '/app/src' },
            { localRoot: '${workspaceFolder}', remoteRoot: '/app' },
          ],
        },
        {
          name: 'wand: worker',
          type: 'debugpy',
          request: 'attach',
          connect: { host: '127.0.0.1', port: 5681 },
          pathMappings: [{ localRoot: '${workspaceFolder}/jobs', remoteRoot: '/srv/jobs' }],
        },
        { name: 'wand: old', type: 'debugpy', request: 'attach', connect: { host: '127.0.0.1', port: 5682 } },
      ],
    });
    const said = talk.said.join('\n');
    expect(said).toContain('note: old runs Python 3.11: wand can enter 3.14 and later');
    expect(said).toContain('note: old starts debugpy itself');
  });

  const container = { image: 'x', compose: null, workingDir: '/', mounts: [], command: ['sh'] };
  const foreign = { ...container, name: 'foreign', command: ['python'], compose: { project: 'other', service: 'x' } };
  const python = { ...container, name: 'api', workingDir: '/code', command: ['/usr/bin/python3.14'] };

  test('running containers: those of the project', async () => {
    await using project = await folder({ 'app.py': 'app = FastAPI()' });
    const name = project.path.split('/').at(-1) ?? '';
    const containers = [
      python,
      foreign,
      { ...container, name: 'mounts it', mounts: [{ source: project.path, destination: '/work' }] },
      { ...container, name: 'else' },
      { ...python, name: 'x', image: `registry/y/${name}:1` },
    ];
    const talk = io(project, { containers });
    await initCommand({ yes: true }, talk);
    expect(talk.said[0]).toMatch(/1 Python file, 5 running containers$/);
    expect((await load(project)).targets.map(({ name, source }) => ({ name, source }))).toEqual([
      { name: 'mounts-it', source: { kind: 'docker', container: 'mounts it' } },
      { name: 'x', source: { kind: 'docker', container: 'x' } },
    ]);
    expect(await launch(project)).toMatchObject({
      configurations: [
        { pathMappings: [{ localRoot: '${workspaceFolder}', remoteRoot: '/work' }] },
        { pathMappings: [{ localRoot: '${workspaceFolder}', remoteRoot: '/code' }] },
      ],
    });
    expect(talk.said.join('\n')).toContain('note: container api runs Python too: `wand debug --container api`');
  });

  test('a container that only happens to run Python comes after the app of the project', async () => {
    await using app = await folder({ 'app.py': 'app = FastAPI()' });
    await initCommand({ yes: true }, io(app, { containers: [python, foreign] }));
    expect((await load(app)).targets).toMatchObject([{ source: { kind: 'local' } }]);
    await using nothing = await folder({ 'README.md': '' });
    await initCommand({ yes: true }, io(nothing, { containers: [python, foreign] }));
    expect((await load(nothing)).targets).toMatchObject([{ source: { kind: 'docker', container: 'api' } }]);
  });

  const apps: readonly (readonly [what: string, files: Record<string, string>, command: readonly string[]])[] = [
    [
      'FastAPI',
      {
        'app/main.py': 'from fastapi import FastAPI\n\napi: FastAPI = FastAPI()\n',
        'setup.py': 'if __name__ == "__main__": 1',
      },
      ['uvicorn', 'app.main:api', '--reload'],
    ],
    [
      'FastAPI below src',
      { 'src/shop/app.py': 'app = fastapi.FastAPI(\n)' },
      ['uvicorn', 'shop.app:app', '--app-dir', 'src', '--reload'],
    ],
    [
      'Flask with uv',
      { 'uv.lock': '', 'web.py': 'app = Flask(__name__)' },
      ['uv', 'run', 'flask', '--app', 'web:app', 'run', '--debug'],
    ],
    [
      'Django in .venv',
      { 'manage.py': '', '.venv/bin/python': '', 'x/app.py': 'app = Flask(__name__)' },
      ['.venv/bin/python', 'manage.py', 'runserver'],
    ],
    [
      'FastAPI with its own command line',
      { 'app/main.py': 'api = FastAPI()', 'requirements.txt': 'fastapi[standard]>=0.115\n' },
      ['fastapi', 'dev', 'app/main.py', '--app', 'api'],
    ],
    [
      'Flask that a function makes',
      { 'shop/__init__.py': 'def create_app(config=None):\n    app = Flask(__name__)\n    return app\n' },
      ['flask', '--app', 'shop:create_app', 'run', '--debug'],
    ],
    [
      'FastAPI that a function makes',
      { 'main.py': 'def get_application() -> FastAPI:\n    app: FastAPI = FastAPI()\n    return app\n' },
      ['uvicorn', 'main:get_application', '--factory', '--reload'],
    ],
    ['Django in a folder below', { 'backend/manage.py': '' }, ['python', 'backend/manage.py', 'runserver']],
    [
      'celery alone',
      { 'src/shop/tasks.py': 'queue = Celery("shop")\n' },
      ['celery', '-A', 'shop.tasks:queue', '--workdir', 'src', 'worker', '--pool', 'solo', '--loglevel', 'info'],
    ],
    ['script', { 'job.py': "if __name__ == '__main__':\n    run()\n" }, ['python', 'job.py']],
  ];
  test.each(apps)('an app of this machine: %s', async (_what, files, command) => {
    await using project = await folder(files);
    await initCommand({ yes: true }, io(project));
    expect((await load(project)).targets).toMatchObject([{ port: 5679, source: { command, cwd: project.path } }]);
  });

  test('a web app and a worker of celery’s: two targets', async () => {
    await using project = await folder({
      'manage.py': '',
      'shop/celery.py': 'app = Celery("shop")\n',
      'shop/app.py': 'x = Flask(1)',
    });
    await initCommand({ yes: true }, io(project));
    expect((await load(project)).targets).toMatchObject([
      { name: project.path.split('/').at(-1), port: 5679, source: { command: ['python', 'manage.py', 'runserver'] } },
      { name: 'worker', port: 5680, source: { command: expect.arrayContaining(['celery', 'shop.celery']) as unknown } },
    ]);
  });

  test('a lock file of a tool that is not here: its environment is', async () => {
    await using project = await folder({ 'pdm.lock': '', '.venv/bin/python': '', 'app.py': 'app = Flask(__name__)' });
    const whyNotRunnable: InitIo['whyNotRunnable'] = (name) =>
      name === 'pdm' ? new DebugwandError({ code: 'command-not-found', message: 'no pdm', fix: 'install it' }) : null;
    await initCommand({ yes: true }, io(project, { whyNotRunnable }));
    const command = ['.venv/bin/flask', '--app', 'app:app', 'run', '--debug'];
    expect((await load(project)).targets).toMatchObject([{ source: { command } }]);
  });

  test('ports that somebody has are not taken', async () => {
    await using project = await folder({ 'app.py': 'app = FastAPI()' });
    const portsTaken: InitIo['portsTaken'] = () => Promise.resolve(new Set([5679, 5680]));
    await initCommand({ yes: true }, io(project, { portsTaken }));
    expect((await load(project)).targets).toMatchObject([{ port: 5681 }]);
  });

  test('a container of the project’s Dockerfile, whatever it is called, with what was copied where', async () => {
    const dockerfile = 'FROM python:3.14\nWORKDIR /srv\nCOPY backend lib /srv/code/\nCMD exec uvicorn main:app\n';
    await using project = await folder({ Dockerfile: dockerfile, 'backend/main.py': '', 'app.py': 'app = FastAPI()' });
    const command = ['/bin/sh', '-c', 'exec uvicorn main:app'];
    const made = { ...python, name: 'happy_hopper', workingDir: '/srv', command };
    const talk = io(project, { containers: [made] });
    await initCommand({ yes: true }, talk);
    expect((await load(project)).targets).toMatchObject([
      { source: { container: 'happy_hopper' }, pathMappings: [{ local: project.at('backend'), remote: '/srv/code' }] },
    ]);
    expect(talk.said.join('\n')).toContain('happy_hopper is a name that Docker made up');
  });

  test('nothing to find, broken files, no engine: said, and nothing is written', async () => {
    await using project = await folder({ 'compose.yaml': 'services: [', 'README.md': '' });
    const talk = io(project, { listContainers: () => Promise.reject(new Error('no engine answers')) });
    await expect(initCommand({ yes: true }, talk)).rejects.toMatchObject({ code: 'nothing-found' });
    expect(talk.said.join('\n')).toContain('no containers (no engine answers)');
    expect(talk.said.join('\n')).toContain('note: compose.yaml:1: ');
  });

  test('without a terminal and without --yes it shows what it would do', async () => {
    await using project = await folder({ 'app.py': 'app = FastAPI()' });
    const talk = io(project);
    expect(await initCommand({}, talk)).toBe(0);
    const said = talk.said.join('\n');
    expect(said).toContain('would write debugwand.config.ts:');
    expect(said).toContain("command: ['uvicorn', 'app:app', '--reload'], port: 5679 }");
    expect(said).toContain('would add');
    await expect(readFile(project.at('debugwand.config.ts'))).rejects.toThrow('ENOENT');
    await expect(readFile(project.at('.vscode/launch.json'))).rejects.toThrow('ENOENT');
  });

  test('on a terminal each file is asked for, and which targets', async () => {
    await using project = await folder({ 'compose.yaml': COMPOSE, Dockerfile: DOCKERFILE });
    const asked: string[] = [];
    const answers = ['old, web', '', 'n'];
    const talk = io(project, {
      ask: (question) => {
        asked.push(question);
        return Promise.resolve(answers[asked.length - 1] ?? 'n');
      },
    });
    await initCommand({}, talk);
    expect(asked).toHaveLength(4);
    expect(asked[3]).toBe('start it now? [Y/n] ');
    expect(talk.watched).toEqual([]);
    expect(asked[0]).toContain('web, old');
    expect((await load(project)).targets.map(({ name }) => name)).toEqual(['web', 'old']);
    await expect(readFile(project.at('.vscode/launch.json'))).rejects.toThrow('ENOENT');
  });

  test.each([
    ['debugwand.config.ts', "// somebody's\n", 0],
    ['.vscode/launch.json', '{ "version": "0.2.0" }', 1],
  ])('%s that came up while it was asked about stays', async (file, text, question) => {
    await using project = await folder({ 'compose.yaml': COMPOSE, '.vscode/x': '' });
    let asked = 0;
    const ask = async (): Promise<string> => {
      if (asked++ === question) await writeFile(project.at(file), text);
      return 'y';
    };
    const talk = io(project, { ask });
    await expect(initCommand({}, talk)).rejects.toMatchObject({ code: 'file-changed' });
    expect(await readFile(project.at(file), 'utf8')).toBe(text);
  });

  test('a config that is there stays, also one of a folder above; launch.json gets its targets', async () => {
    const yaml = 'targets:\n  web:\n    docker: { container: web }\n    port: 7001\n';
    await using project = await folder({ 'debugwand.config.yaml': yaml });
    await mkdir(project.at('sub'));
    const talk = io(project, { cwd: project.at('sub') });
    await initCommand({ yes: true }, talk);
    expect(talk.said[0]).toBe('../debugwand.config.yaml is there already and stays as it is');
    expect(await readFile(project.at('debugwand.config.yaml'), 'utf8')).toBe(yaml);
    expect(await launch(project)).toMatchObject({ configurations: [{ name: 'wand: web', connect: { port: 7001 } }] });
    const again = io(project);
    await initCommand({ yes: true }, again);
    expect(again.said).toContain('.vscode/launch.json has "wand: web" already, it stays as it is');
  });
});
