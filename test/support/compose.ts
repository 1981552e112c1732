/** The real Docker Compose, and the sample app as a project of it: its code is copied into an image of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { debianFiles } from './debian.ts';
import type { Engine } from './docker.ts';
import { IMAGES } from './images.ts';
import { attempt, run } from './run.ts';
import { projectFolder, sampleApp, type SampleApp } from './sample-app.ts';
import { uniqueName } from './target-stage.ts';
import { until } from './until.ts';

/** Of Debian forky: Debian 12 has only Compose's first version. */
const PLUGINS = ['docker-compose', 'docker-buildx'];

/** Where `docker` finds Compose; null: where it looks by itself. */
export interface Compose {
  readonly plugins: string | null;
}

/** The machine's own, or Debian's in the cache. @throws Lacking */
export async function ensureCompose(): Promise<Compose> {
  if ((await attempt('docker', ['compose', 'version'])) !== undefined) return { plugins: null };
  return { plugins: join(await debianFiles('forky', 1, PLUGINS), 'usr/libexec/docker/cli-plugins') };
}

/** `debugwand-test/…`: an image of this machine, so nothing is pulled. */
const COMPOSE = `services:
  api:
    build: .
    stop_grace_period: 1s
    develop:
      watch:
        - { action: sync, path: ./app.py, target: /app/app.py }
        - { action: rebuild, path: ./requirements.txt }
`;
const DOCKERFILE = `FROM ${IMAGES.python314}
COPY . /app
CMD ["uvicorn", "app:app", "--reload", "--host", "0.0.0.0", "--port", "8000"]
`;

export interface ComposeApp extends SampleApp {
  readonly project: string;
  readonly env: Readonly<Record<string, string>>;
  /** `docker compose …` to its end. */
  compose: (...args: string[]) => Promise<string>;
  /** Starts `docker compose watch`, and waits until it says that it watches. */
  watch: () => Promise<AsyncDisposable>;
}

/** Starts it by `up --build`. */
export async function startComposeApp(engine: Engine, { plugins }: Compose): Promise<ComposeApp> {
  const folder = await projectFolder();
  const config = await mkdtemp(join(tmpdir(), 'debugwand-docker-'));
  const project = uniqueName('compose');
  const env: Record<string, string> = { DOCKER_HOST: `unix://${engine.socketPath}`, COMPOSE_PROJECT_NAME: project };
  if (plugins !== null) {
    await symlink(plugins, join(config, 'cli-plugins'));
    env['DOCKER_CONFIG'] = config;
  }
  await writeFile(join(folder, 'compose.yaml'), COMPOSE);
  await writeFile(join(folder, 'Dockerfile'), DOCKERFILE);
  await writeFile(join(folder, 'requirements.txt'), '');
  const docker = (...args: string[]): Promise<string> => run('docker', args, { cwd: folder, env });
  const compose = (...args: string[]): Promise<string> => docker('compose', ...args);
  const locate = async (): Promise<string> => {
    const [newest = ''] = (await docker('ps', '-q', '--filter', `label=com.docker.compose.project=${project}`)).split(
      '\n',
    );
    const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
    return `http://${(await docker('inspect', '-f', format, newest).catch(() => '')).trim()}:8000`;
  };
  const stop = async (): Promise<void> => {
    await compose('down', '--timeout', '1', '--rmi', 'local', '--volumes');
    await rm(config, { recursive: true });
  };
  try {
    await compose('up', '--detach', '--build');
  } catch (error) {
    await stop();
    throw error;
  }
  const app = await sampleApp(folder, locate, stop, () => compose('logs', '--tail', '30'));
  return { ...app, project, env, compose, watch: () => watching(folder, env) };
}

async function watching(cwd: string, env: Readonly<Record<string, string>>): Promise<AsyncDisposable> {
  const child: ChildProcess = spawn('docker', ['compose', 'watch', '--no-up'], {
    cwd,
    env: { ...process.env, ...env },
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part: Buffer) => (said += part.toString()));
  await until(() => /Watch enabled/i.test(said), 'compose watches').catch((error: unknown) => {
    throw new Error(`${String(error)}\n${said}`, { cause: error });
  });
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGINT');
      await ended;
    },
  };
}
