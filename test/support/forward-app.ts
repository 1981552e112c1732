/** What speaks through a forwarded port in the tests: servers of this machine, and clients that notice each wrong byte. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { request, type Agent, type IncomingHttpHeaders } from 'node:http';

export async function listening(server: Server, port = 0): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Says back what it hears, and ends when the other side ends. */
export function echoServer(): Server {
  return createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Call {
  readonly port: number;
  readonly path?: string;
  readonly method?: string;
  readonly host?: string;
  readonly body?: string;
  readonly agent?: Agent;
}

/** One request. @throws the socket's error */
export function call({ port, path = '/', method = 'GET', host = '127.0.0.1', body, agent }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ port, path, method, host, agent: agent ?? false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      response.on('error', reject);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body: text, headers: response.headers });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export async function dial(port: number, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host, allowHalfOpen: true });
  await once(socket, 'connect');
  // Who cares for its end waits for it.
  socket.on('error', () => undefined);
  return socket;
}

/** All that comes until the end. @throws the socket's error */
export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Says so many random bytes, ends, and hears them all again. */
export async function echoed(port: number, bytes: number): Promise<boolean> {
  const socket = await dial(port);
  const sent = createHash('sha256');
  const block = randomBytes(Math.min(bytes, 256 * 1024));
  const speak = async (): Promise<void> => {
    for (let left = bytes; left > 0;) {
      const part = block.subarray(0, Math.min(left, block.length));
      left -= part.length;
      sent.update(part);
      if (!socket.write(part)) await once(socket, 'drain');
    }
    socket.end();
  };
  const heard = createHash('sha256');
  const listen = async (): Promise<void> => {
    for await (const chunk of socket) heard.update(chunk as Buffer);
  };
  await Promise.all([speak(), listen()]);
  return sent.digest('hex') === heard.digest('hex');
}

export interface Load {
  /** Answers of the app, by how often. */
  readonly right: number;
  readonly unavailable: number;
  /** Bodies and statuses that the app would not have given. */
  readonly wrong: readonly string[];
  /** Connections that ended without a whole answer, by the error. */
  readonly cut: readonly string[];
  /** The longest that an answer took, ms. */
  readonly longest: number;
}

/**
 * Asks without a pause on so many connections at once, each request on a connection of its own, until it is told to stop.
 * `right`: what a good answer is for request number `n`.
 */
export function load(
  port: number,
  clients: number,
  ask: (n: number) => { readonly path: string; readonly right: (body: string) => boolean },
): () => Promise<Load> {
  const seen = { right: 0, unavailable: 0, wrong: [] as string[], cut: [] as string[], longest: 0 };
  let stopped = false;
  let count = 0;
  const client = async (): Promise<void> => {
    while (!stopped) {
      count += 1;
      const { path, right } = ask(count);
      const begin = performance.now();
      try {
        const { status, body } = await call({ port, path });
        if (status === 200 && right(body)) seen.right += 1;
        else if (status === 503 && body.startsWith('debugwand: ')) seen.unavailable += 1;
        else seen.wrong.push(`${String(status)} ${body}`);
      } catch (error) {
        seen.cut.push(error instanceof Error ? error.message : String(error));
      }
      seen.longest = Math.max(seen.longest, performance.now() - begin);
    }
  };
  const running = Promise.all(Array.from({ length: clients }, client));
  return async () => {
    stopped = true;
    await running;
    return seen;
  };
}
