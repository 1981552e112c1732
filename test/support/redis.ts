/** A Redis of the test's, from Debian's package, on a free port: celery's real broker. */
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { aptInstall } from './debian.ts';
import { freePort, Lacking } from './machine.ts';

/** A running server, which keeps nothing on disk. */
export interface Redis {
  port: number;
  /** `redis://host:port/0` */
  url: string;
  stop: () => Promise<void>;
}

/** Starts a server. `host` is where it listens: the bridge's address lets containers reach it. */
export async function startRedis(host = '127.0.0.1'): Promise<Redis> {
  await aptInstall({ 'redis-server': 'redis-server' });
  const port = await freePort();
  const args = ['--port', String(port), '--bind', host, '--save', '', '--appendonly', 'no', '--protected-mode', 'no'];
  const server = spawn('redis-server', args, { stdio: 'ignore' });
  const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  for (let waited = 0; !(await accepts(host, port)); waited += 50) {
    if (server.exitCode !== null || waited > 10_000)
      throw new Lacking('Redis', `redis-server did not listen on ${host}.`);
    await sleep(50);
  }
  return {
    port,
    url: `redis://${host}:${String(port)}/0`,
    stop: async () => {
      server.kill('SIGTERM');
      await exited;
    },
  };
}

async function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
