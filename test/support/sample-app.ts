/** The sample app of the tests, the demo and the bench, in a folder of its own: on this machine or in a container. */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Engine } from './docker.ts';
import { WEB_PACKAGES } from './packages.ts';
import { venv } from './python.ts';
import { run } from './run.ts';
import { until } from './until.ts';

const SOURCE = fileURLToPath(new URL('../demo/app', import.meta.url));

/** The line of app.py with the breakpoint of all stories: the price is known, the answer not sent. */
export const BREAKPOINT_LINE = 11;

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A running sample app. */
export interface SampleApp {
  /** Folder with app.py: the project's folder, where `wand` is started. */
  readonly folder: string;
  /** Of the app's HTTP server, reachable from here, when it was started first. */
  readonly url: string;
  /** Resolves when it answers a request that comes by no breakpoint. */
  answers: () => Promise<void>;
  /** Sends GET /price/AMOUNT; resolves with the answer. */
  price: (amount: number, signal?: AbortSignal) => Promise<{ total: number }>;
  /** Saves app.py with another factor: a reload follows. */
  setFactor: (factor: number) => Promise<void>;
  /** Saves app.py changed by a function of its text. */
  edit: (change: (text: string) => string) => Promise<void>;
  stop: () => Promise<void>;
}

/** A temporary project folder with app.py in it. */
export async function projectFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wand-app-'));
  await cp(SOURCE, folder, { recursive: true });
  return folder;
}

/** The app in that folder, wherever it runs. `locate` gives the address as it is now: it may be another with each start. */
export async function sampleApp(
  folder: string,
  locate: () => Promise<string>,
  stop: () => Promise<void>,
  why: () => Promise<string> = () => Promise.resolve(''),
): Promise<SampleApp> {
  const file = join(folder, 'app.py');
  const edit = async (change: (text: string) => string): Promise<void> => {
    await writeFile(file, change(await readFile(file, 'utf8')));
  };
  let url = await locate();
  const app: SampleApp = {
    folder,
    url,
    answers: async () => {
      await until(
        async () => {
          url = await locate();
          return fetch(`${url}/no-such-page`, { signal: AbortSignal.timeout(2000) }).catch(() => undefined);
        },
        `${url} answers`,
        60_000,
      );
    },
    edit,
    price: async (amount, signal) => {
      const answer = await fetch(`${url}/price/${String(amount)}`, signal === undefined ? {} : { signal });
      if (!answer.ok) throw new Error(`the app answered ${String(answer.status)}`);
      return (await answer.json()) as { total: number };
    },
    // Another size each time: byte code counts as fresh while seconds and size of the source are the same.
    setFactor: (factor) => edit((text) => `${text.replace(/amount \* \d+/, `amount * ${String(factor)}`)}\n`),
    stop: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  try {
    await app.answers();
  } catch (error) {
    const said = await why();
    await app.stop();
    throw new Error(`${String(error)}\n${said}`, { cause: error });
  }
  return app;
}

/** The command line that serves the app on this machine: for `wand watch -- …` and the configs with a `command`. */
export async function serveCommand(port: number, args: readonly string[] = ['--reload']): Promise<string[]> {
  const environment = await venv('3.14', WEB_PACKAGES);
  return [join(environment, 'bin', 'uvicorn'), 'app:app', '--port', String(port), ...args];
}

/** `uvicorn --reload` on this machine, started as a developer would, without wand. */
export async function startLocalApp(args: readonly string[] = ['--reload']): Promise<SampleApp> {
  const folder = await projectFolder();
  const port = await freePort();
  const [file = '', ...rest] = await serveCommand(port, args);
  const child: ChildProcess = spawn(file, rest, { cwd: folder, stdio: 'ignore', detached: true });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const url = `http://127.0.0.1:${String(port)}`;
  return sampleApp(
    folder,
    () => Promise.resolve(url),
    async () => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
        // The whole group: a supervisor that was killed leaves its worker.
        process.kill(-child.pid, 'SIGKILL');
        await exited;
      }
    },
  );
}

export interface ContainerOptions {
  readonly image: string;
  readonly name: string;
  /** Further arguments of `docker create`: `--read-only`, `--user`, … */
  readonly args?: readonly string[];
  /** Changes app.py before the first start. */
  readonly edit?: (text: string) => string;
  /** Default: `uvicorn app:app --reload` on all addresses. */
  readonly command?: readonly string[];
}

/** The app of a container, with the handles that tests pull. */
export interface ContainerApp extends SampleApp {
  readonly name: string;
  docker: (...args: string[]) => Promise<string>;
  /** Removes the container and makes it again under the same name, as a rebuild does. */
  recreate: (image?: string) => Promise<void>;
}

/** The app in a container with its folder mounted at /app: no published port, its own address is used. */
export async function startContainerApp(engine: Engine, options: ContainerOptions): Promise<ContainerApp> {
  const folder = await projectFolder();
  const source = join(folder, 'app.py');
  // Whoever the app runs as must be able to read it.
  await chmod(folder, 0o755);
  if (options.edit !== undefined) await writeFile(source, options.edit(await readFile(source, 'utf8')));
  const [file, ...prefix] = engine.command;
  const docker = (...args: string[]): Promise<string> => run(file, [...prefix, ...args]);
  const command = options.command ?? ['uvicorn', 'app:app', '--reload', '--host', '0.0.0.0', '--port', '8000'];
  const create = async (image: string): Promise<void> => {
    const args = ['--name', options.name, '-v', `${folder}:/app`, '-w', '/app', ...(options.args ?? [])];
    await docker('run', '-d', ...args, image, ...command);
  };
  await docker('rm', '-f', options.name).catch(() => undefined);
  await create(options.image);
  const locate = async (): Promise<string> => {
    const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
    return `http://${(await docker('inspect', '-f', format, options.name).catch(() => '')).trim()}:8000`;
  };
  const app = await sampleApp(
    folder,
    locate,
    async () => {
      await docker('rm', '-f', options.name);
    },
    () => docker('logs', '--tail', '30', options.name),
  );
  return {
    ...app,
    name: options.name,
    docker,
    recreate: async (image = options.image) => {
      await docker('rm', '-f', options.name);
      await create(image);
    },
  };
}
