/**
 * Docker for the tests: the engine that this machine runs if one answers, else one of our own, installed from Debian and
 * started by hand; and further private engines that a test may stop and start as it likes.
 */
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawn, type ChildProcess } from 'node:child_process';
import { locked } from './cache.ts';
import { aptInstall } from './debian.ts';
import { ensureImages, type EngineCommand, type ImageName } from './images.ts';
import { isRoot, Lacking, testbedDir } from './machine.ts';
import { attempt } from './run.ts';

const DEFAULT_SOCKET = '/var/run/docker.sock';
const START_TIMEOUT_MS = 60_000;

/** An engine that answers on a socket. */
export interface Engine {
  socketPath: string;
  /** For `execa(engine.command[0], [...engine.command.slice(1), 'ps'])`. */
  command: EngineCommand;
}

/** An engine that belongs to one test. */
export interface PrivateEngine extends Engine {
  /** Ends the daemon as `systemctl stop docker` does. */
  stop: () => Promise<void>;
  /** Ends it without a word. */
  kill: () => Promise<void>;
  /** Starts it again on the same socket, with the same containers. */
  start: () => Promise<void>;
  /** Ends it and removes all that it had. */
  remove: () => Promise<void>;
}

/**
 * The engine for all ordinary tests, with these images. It is the machine's own where one answers; one that we start
 * listens on the default socket, so that `wand` finds it as a user's would be found, and stays for the next run.
 */
export async function ensureDocker(images: readonly ImageName[] = []): Promise<Engine> {
  const engine = (await running()) ?? (await startShared());
  await ensureImages(engine.command, images);
  return engine;
}

function engineAt(socketPath: string): Engine {
  return { socketPath, command: ['docker', '-H', `unix://${socketPath}`] };
}

async function running(): Promise<Engine | undefined> {
  const host = process.env['DOCKER_HOST'];
  const socketPath = host?.startsWith('unix://') === true ? host.slice('unix://'.length) : DEFAULT_SOCKET;
  const engine = engineAt(socketPath);
  return (await answers(engine)) ? engine : undefined;
}

async function answers(engine: Engine): Promise<boolean> {
  const [file, ...args] = engine.command;
  return (
    (await attempt(file, [...args, 'version', '--format', '{{.Server.Version}}'], { timeoutMs: 5000 })) !== undefined
  );
}

async function installEngine(): Promise<void> {
  if (!isRoot) throw new Lacking('a Docker engine', 'Start Docker, or run the tests as root on Debian.');
  // Debian's package also brings the client; another one earlier in PATH is as good.
  await aptInstall({ 'docker.io': 'dockerd', iptables: 'iptables' });
}

async function startShared(): Promise<Engine> {
  return locked('dockerd', async () => {
    const there = await running();
    if (there !== undefined) return there;
    await installEngine();
    const run = '/var/run/debugwand-testbed';
    await spawnDockerd(DEFAULT_SOCKET, join(testbedDir, 'docker'), join(run, 'docker'), []);
    return engineAt(DEFAULT_SOCKET);
  });
}

/** Starts a second engine, without a network, in a folder of the test's; `images` are imported into it. */
export async function startPrivateDocker(
  folder: string,
  images: readonly ImageName[] = [],
  more: readonly string[] = [],
): Promise<PrivateEngine> {
  await installEngine();
  const socketPath = join(folder, 'docker.sock');
  const engine = engineAt(socketPath);
  let daemon: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    // In a network namespace of its own: `--bridge=none` removes docker0, which is the first engine's here. Containers
    // are reached by exec alone.
    const apart = [
      '--shutdown-timeout=2',
      '--bridge=none',
      '--iptables=false',
      '--ip-forward=false',
      '--ip-masq=false',
      ...more,
    ];
    daemon = await spawnDockerd(socketPath, join(folder, 'data'), join(folder, 'exec'), apart, ['unshare', '--net']);
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = daemon;
    daemon = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const exited = new Promise<void>((resolve) => ending.once('exit', () => resolve()));
    ending.ref();
    ending.kill(signal);
    await exited;
  };
  await start();
  await ensureImages(engine.command, images);
  return {
    ...engine,
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    remove: async () => {
      if (daemon === undefined) await start();
      const [file, ...args] = engine.command;
      const ids = (await attempt(file, [...args, 'ps', '-aq']))?.split('\n').filter((id) => id !== '') ?? [];
      if (ids.length > 0) await attempt(file, [...args, 'rm', '-f', ...ids]);
      await end('SIGTERM');
      // A killed daemon leaves its mounts; nothing may be removed across one.
      const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
      for (const mount of mounts.filter((path) => path.startsWith(folder)).toReversed())
        await attempt('umount', [mount]);
      await attempt('rm', ['-rf', '--one-file-system', folder]);
    },
  };
}

async function spawnDockerd(
  socketPath: string,
  data: string,
  exec: string,
  more: readonly string[],
  before: readonly string[] = [],
): Promise<ChildProcess> {
  await mkdir(data, { recursive: true });
  await mkdir(exec, { recursive: true });
  // A pid file that a killed daemon left may name a process that now is somebody else, or one that nobody reaped.
  for (const left of [`${exec}.pid`, join(exec, 'containerd/containerd.pid')]) await rm(left, { force: true });
  const log = await open(`${data}.log`, 'a');
  const args = [
    '-H',
    `unix://${socketPath}`,
    '--data-root',
    data,
    '--exec-root',
    exec,
    '--pidfile',
    `${exec}.pid`,
    ...more,
  ];
  const [file = '', ...rest] = [...before, 'dockerd', ...args];
  const daemon = spawn(file, rest, { detached: true, stdio: ['ignore', log.fd, log.fd] });
  daemon.unref();
  await log.close();
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await answers(engineAt(socketPath)))) {
    if (daemon.exitCode !== null || Date.now() > deadline) {
      throw new Lacking('a Docker engine', `dockerd did not start; see ${data}.log.`);
    }
    await sleep(100);
  }
  return daemon;
}
