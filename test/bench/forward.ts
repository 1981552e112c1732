/**
 * Figures of a forwarded port against `kubectl port-forward` to the same pod in the same run, taking turns: what is
 * measured is the way, so the app is a server that does nothing else.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { messageOf } from '../../src/lib/errors.ts';
import { call } from '../support/forward-app.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { freePort } from '../support/machine.ts';
import { APP_PORT, startPodApp } from '../support/pod-app.ts';
import { WandDaemon } from '../support/wand.ts';
import { summary, type Summary } from './statistics.ts';

const SERVER = `
import socket, threading
BLOCK = b"x" * (1 << 18)
def serve(sock):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    said, room = b"", bytearray(1 << 18)
    while True:
        while b"\\r\\n\\r\\n" not in said:
            more = sock.recv(65536)
            if not more:
                return sock.close()
            said += more
        head, _, said = said.partition(b"\\r\\n\\r\\n")
        lines = head.lower().split(b"\\r\\n")
        left = sum(int(line[15:]) for line in lines if line.startswith(b"content-length:")) - len(said)
        said = b""
        while left > 0:
            left -= sock.recv_into(room, min(left, len(room)))
        path = lines[0].split()[1]
        size = int(path[7:]) if path.startswith(b"/bytes/") else 2
        sock.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % size)
        while size > 0:
            sock.sendall(BLOCK[:size])
            size -= len(BLOCK)
listener = socket.create_server(("0.0.0.0", ${String(APP_PORT)}), backlog=1024)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
`;

export interface ForwardFigures {
  /** MB/s of one big answer and of one big request. */
  readonly down: number[];
  readonly up: number[];
  /** Of a small request, ms. */
  readonly kept: number[];
  readonly fresh: number[];
  /** Of 200 requests at once, ms for all; and how many had no answer. */
  readonly parallel: number[];
  lost: number;
}

export function forwardSummary({ down, up, kept, fresh, parallel, lost }: ForwardFigures): {
  readonly downMbPerSecond: Summary;
  readonly upMbPerSecond: Summary;
  readonly keptConnection: Summary;
  readonly newConnection: Summary;
  readonly parallel200: Summary;
  readonly lost: number;
} {
  return {
    downMbPerSecond: summary(down),
    upMbPerSecond: summary(up),
    keptConnection: summary(kept),
    newConnection: summary(fresh),
    parallel200: summary(parallel),
    lost,
  };
}

const none = (): ForwardFigures => ({ down: [], up: [], kept: [], fresh: [], parallel: [], lost: 0 });

/** `rounds` for each of both, one after the other. */
export async function measureForward(rounds: number): Promise<{ wand: ForwardFigures; kubectl: ForwardFigures }> {
  const cluster = await ensureKubernetes(['python314']);
  const namespace = await cluster.namespace();
  const command = ['python3.14', '-c', SERVER];
  const app = await startPodApp(cluster, { namespace: namespace.name, name: 'web', command });
  const [ours, theirs] = [await freePort(), await freePort()];
  const kubernetes = { deployment: 'web', namespace: namespace.name, kubeconfig: cluster.kubeconfig };
  const bench = { kubernetes, port: await freePort(), forward: [`${String(ours)}:${String(APP_PORT)}`] };
  await writeFile(join(app.folder, 'debugwand.config.json'), JSON.stringify({ targets: { bench }, notify: false }));
  const daemon = new WandDaemon(['watch', '--plain'], { cwd: app.folder });
  const forward = spawn(
    cluster.kubectlProgram,
    ['--kubeconfig', cluster.kubeconfig, '-n', namespace.name, 'port-forward', 'deployment/web'].concat(
      `${String(theirs)}:${String(APP_PORT)}`,
    ),
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  try {
    await once(forward.stdout, 'data');
    await daemon.target('forwarded', ({ forwards }) => forwards[0]?.state === 'ready', { timeoutMs: 60_000 });
    await daemon.target('attached', ({ phase }) => phase === 'attached', { timeoutMs: 60_000 });
    const figures = { wand: none(), kubectl: none() };
    for (let round = 0; round < rounds; round += 1) {
      await named('wand', measure(ours, figures.wand));
      await named('kubectl', measure(theirs, figures.kubectl));
    }
    return figures;
  } finally {
    forward.kill();
    await daemon.stop();
    await app.stop();
    await namespace.remove();
  }
}

/** Says whose connection it was that broke. */
async function named(who: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw new Error(`a connection by ${who} broke: ${messageOf(error)}`, { cause: error });
  }
}

async function measure(port: number, figures: ForwardFigures): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  await call({ port, agent });
  for (let n = 0; n < 100; n += 1) figures.kept.push(await took(() => call({ port, agent })));
  agent.destroy();
  for (let n = 0; n < 50; n += 1) figures.fresh.push(await took(() => call({ port })));
  const bytes = 100 * 1024 * 1024;
  figures.down.push(bytes / 1e3 / (await took(() => transfer(port, `/bytes/${String(bytes)}`, 0))));
  figures.up.push(bytes / 1e3 / (await took(() => transfer(port, '/', bytes))));
  const all = Array.from({ length: 200 }, () =>
    call({ port, path: '/bytes/1000' }).then(({ status }) => status === 200),
  );
  figures.parallel.push(
    await took(async () => {
      const answers = await Promise.allSettled(all);
      figures.lost += answers.filter((answer) => answer.status === 'rejected' || !answer.value).length;
    }),
  );
}

async function took(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

/** One request of that many bytes, its answer only counted. */
function transfer(port: number, path: string, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': bytes };
    const outgoing = request({ port, path, headers, method: 'POST', agent: false, host: '127.0.0.1' }, (response) => {
      response.resume();
      response.on('end', resolve);
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    const block = Buffer.alloc(256 * 1024);
    let left = bytes;
    const more = (): void => {
      while (left > 0) {
        left -= block.length;
        if (!outgoing.write(block)) {
          outgoing.once('drain', more);
          return;
        }
      }
      outgoing.end();
    };
    more();
  });
}
