/** A forwarded port as clients see it: everything passes unchanged, nobody is left without an answer, nothing is left. */
import { once } from 'node:events';
import { Agent, createServer as createHttpServer } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { ForwardConfig, Replica } from '../../src/core/types.ts';
import { Forwards } from '../../src/daemon/forwards.ts';
import { FakeTarget } from '../support/fake-target.ts';
import { call, dial, echoed, echoServer, listening, readAll } from '../support/forward-app.ts';
import { freePort } from '../support/machine.ts';
import { until } from '../support/until.ts';

const REPLICA: Replica = {
  id: 'fake-1',
  name: 'fake',
  state: 'running',
  startedAt: 'start 1',
  scope: { kind: 'namespace' },
};

describe('a forwarded port', () => {
  let target: FakeTarget;
  let forwards: Forwards;
  let local: number;
  const servers: { readonly close: () => unknown }[] = [];

  const serve = async (server: Server, port = 0): Promise<number> => {
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    servers.push({
      close: () => {
        server.close();
        for (const socket of sockets) socket.destroy();
      },
    });
    return listening(server, port);
  };
  const forwardTo = (remotePort: number | string, more: readonly ForwardConfig[] = []): void => {
    forwards.configure([{ localPort: local, remotePort }, ...more]);
  };
  /** Forwards to that server, in a replica that is there. */
  const through = async (server: Server): Promise<void> => {
    forwardTo(await serve(server));
    forwards.follow(REPLICA);
    await until(() => forwards.reports()[0]?.state === 'ready', 'a way into the replica');
  };

  beforeEach(async () => {
    target = new FakeTarget();
    target.start();
    forwards = new Forwards(target, { onChange: () => undefined, log: () => undefined });
    local = await freePort();
  });
  afterEach(async () => {
    await forwards.close();
    for (const server of servers.splice(0)) await server.close();
    await target.close();
  });

  describe('passes unchanged', () => {
    it('plain TCP with a half that ends first, on both addresses of the loopback', async () => {
      await through(echoServer());
      for (const host of ['127.0.0.1', '::1']) {
        const socket = await dial(local, host);
        socket.end('to and fro');
        expect((await readAll(socket)).toString()).toBe('to and fro');
      }
    });

    it('an app that ends its half first and reads on', async () => {
      const heard: Buffer[] = [];
      await through(
        createServer({ allowHalfOpen: true }, (socket) => {
          socket.end('all I have');
          socket.on('data', (chunk: Buffer) => heard.push(chunk));
        }),
      );
      const socket = await dial(local);
      expect((await readAll(socket)).toString()).toBe('all I have');
      socket.end('and this is mine');
      await until(() => Buffer.concat(heard).toString() === 'and this is mine', 'the app heard it');
    });

    it('an app that speaks first', async () => {
      await through(createServer((socket) => socket.end('220 at your service')));
      expect((await readAll(await dial(local))).toString()).toBe('220 at your service');
    });

    it('50 MB both ways', async () => {
      await through(echoServer());
      expect(await echoed(local, 50_000_000)).toBe(true);
    });

    it('HTTP on one connection that is kept', async () => {
      let connections = 0;
      const server = createHttpServer((request, response) => response.end(request.url));
      server.on('connection', () => (connections += 1));
      await through(server);
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (let n = 0; n < 50; n += 1) {
        const path = `/${String(n)}`;
        expect(await call({ port: local, path, agent })).toMatchObject({ status: 200, body: path });
      }
      agent.destroy();
      expect(connections).toBe(1);
    });

    it('WebSocket', async () => {
      const http = createHttpServer();
      const sockets = new WebSocketServer({ server: http });
      sockets.on('connection', (ws) => {
        ws.on('message', (data: Buffer, isBinary) => {
          ws.send(data, { binary: isBinary });
        });
      });
      await through(http);
      const client = new WebSocket(`ws://127.0.0.1:${String(local)}/chat`);
      await once(client, 'open');
      for (const size of [1, 1_000, 300_000]) {
        client.send(Buffer.alloc(size, size % 251));
        const [data] = (await once(client, 'message')) as [Buffer];
        expect(data.equals(Buffer.alloc(size, size % 251))).toBe(true);
      }
      client.close();
      const [code] = (await once(client, 'close')) as [number];
      expect(code).toBe(1005);
    });

    it('HTTP/2 without TLS, as gRPC speaks it: many streams at once, trailers, both ways', async () => {
      const server = createHttp2Server();
      server.on('stream', (stream) => {
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => {
          stream.sendTrailers({ 'grpc-status': '0' });
        });
        stream.pipe(stream);
      });
      await through(server);
      const session = connectHttp2(`http://127.0.0.1:${String(local)}`);
      const one = async (n: number): Promise<string> => {
        const stream = session.request({ ':method': 'POST', ':path': '/shop.Prices/Stream' });
        const trailers = once(stream, 'trailers') as Promise<[Record<string, string>]>;
        for (let part = 0; part < 3; part += 1) stream.write(`${String(n)},`);
        stream.end();
        let text = '';
        for await (const chunk of stream) text += String(chunk);
        return text + String((await trailers)[0]['grpc-status']);
      };
      const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => one(n)));
      expect(answers).toEqual(Array.from({ length: 30 }, (_, n) => `${`${String(n)},`.repeat(3)}0`));
      session.close();
    });

    it('200 connections at once', async () => {
      await through(echoServer());
      const answers = await Promise.all(Array.from({ length: 200 }, () => echoed(local, 20_000)));
      expect(answers.filter(Boolean)).toHaveLength(200);
      await until(() => forwards.reports()[0]?.connections === 0, 'no connection is left');
    });

    it('a reset, in both directions', async () => {
      const errors: string[] = [];
      await through(
        createServer((socket) => {
          socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? ''));
          socket.on('data', (chunk: Buffer) => {
            if (chunk.toString() === 'reset me') socket.resetAndDestroy();
            else socket.write('ok');
          });
        }),
      );
      const first = await dial(local);
      first.write('reset me');
      const [error] = (await once(first, 'error')) as [NodeJS.ErrnoException];
      expect(error.code).toBe('ECONNRESET');
      const second = await dial(local);
      second.write('hello');
      await once(second, 'data');
      second.resetAndDestroy();
      await until(() => errors.includes('ECONNRESET'), 'the app is told');
    });
  });

  describe('keeps apart', () => {
    it('a client that does not read holds up nobody, and costs no more than its share', async () => {
      let written = 0;
      const server = createHttpServer((request, response) => {
        if (request.url !== '/endless') return void response.end('quick');
        const block = Buffer.alloc(65_536);
        const more = (): void => {
          while (!response.destroyed && response.write(block)) written += block.length;
          written += block.length;
          response.once('drain', more);
        };
        more();
      });
      await through(server);
      const slow = await dial(local);
      slow.pause();
      slow.write('GET /endless HTTP/1.1\r\nHost: x\r\n\r\n');
      // It has come to rest when two looks see the same.
      let before = -1;
      await until(async () => {
        const same = written === before && written > 0;
        before = written;
        expect(await call({ port: local })).toMatchObject({ status: 200, body: 'quick' });
        return same;
      }, 'the app is held up');
      expect(written).toBeLessThan(30_000_000);
      slow.destroy();
      await until(() => forwards.reports()[0]?.connections === 0, 'its connection is gone');
    });

    it('an app that does not read holds up nobody', async () => {
      const other = await freePort();
      const deaf = await serve(
        createServer((socket) => {
          socket.on('error', () => undefined);
          socket.pause();
        }),
      );
      await through(echoServer());
      forwards.configure([...forwards.reports(), { localPort: other, remotePort: deaf }]);
      await until(() => forwards.reports().every(({ state }) => state === 'ready'), 'both ports');
      const talker = await dial(other);
      let said = 0;
      const speak = (): void => {
        do said += 65_536;
        while (talker.write(Buffer.alloc(65_536)));
        talker.once('drain', speak);
      };
      speak();
      let before = 0;
      await until(async () => {
        const same = said === before;
        before = said;
        expect(await echoed(local, 100_000)).toBe(true);
        return same;
      }, 'the talker is held up');
      expect(said).toBeLessThan(30_000_000);
      talker.destroy();
    });
  });

  describe('without an app', () => {
    it('a request waits until one runs', async () => {
      const port = await freePort();
      forwardTo(port);
      const answer = call({ port: local, path: '/late', method: 'POST', body: 'kept' });
      await until(() => forwards.reports()[0]?.connections === 1, 'it waits');
      expect(forwards.reports()[0]).toMatchObject({ state: 'waiting' });
      forwards.follow(REPLICA);
      await until(
        () => forwards.reports()[0]?.message.includes('nothing answers') === true,
        'the app is not there yet',
      );
      await serve(
        createHttpServer((request, response) => {
          let body = '';
          request.on('data', (chunk: Buffer) => (body += chunk.toString()));
          request.on('end', () => response.end(`${String(request.url)} ${body}`));
        }),
        port,
      );
      expect(await answer).toMatchObject({ status: 200, body: '/late kept' });
      await until(() => forwards.reports()[0]?.state === 'ready', 'it is known to answer');
    });

    it('a request gets a clear 503 after 10 s, everything else is closed', { timeout: 30_000 }, async () => {
      forwardTo(await freePort());
      forwards.waitingFor('container `api` does not exist');
      const begin = performance.now();
      const tcp = await dial(local);
      tcp.write('\u0016\u0003\u0001');
      const silent = await dial(local);
      const [answer, closed, silence] = await Promise.all([call({ port: local }), readAll(tcp), readAll(silent)]);
      const waited = performance.now() - begin;
      expect(answer).toMatchObject({
        status: 503,
        body: `debugwand: port ${String(local)} leads nowhere yet: container \`api\` does not exist\n`,
        headers: { connection: 'close', 'retry-after': '2', 'content-type': 'text/plain; charset=utf-8' },
      });
      expect([closed.length, silence.length]).toEqual([0, 0]);
      expect(waited).toBeGreaterThan(9_500);
      expect(waited).toBeLessThan(12_000);
    });

    it('a name that the replica does not know is said', async () => {
      forwardTo('http');
      forwards.follow({ ...REPLICA, ports: [{ name: 'web', port: 80 }] });
      expect(forwards.reports()).toMatchObject([
        { state: 'blocked', message: 'fake has no port called "http": there are web (80)' },
      ]);
    });
  });

  describe('when its end changes', () => {
    it('a port that leads elsewhere from now on: connections that are open stay', async () => {
      await through(echoServer());
      const old = await dial(local);
      old.write('one');
      await once(old, 'data');
      const port = await serve(createHttpServer((_, response) => response.end('second')));
      forwardTo(port);
      await until(async () => (await call({ port: local })).body === 'second', 'the other port');
      old.write('two');
      const [more] = (await once(old, 'data')) as [Buffer];
      expect(more.toString()).toBe('two');
      old.destroy();
    });

    it('a replica that dies ends its connections; idle ones go on to the next', async () => {
      await through(echoServer());
      const busy = await dial(local);
      const idle = await dial(local);
      busy.write('said');
      await once(busy, 'data');
      target.cut('kill');
      const [error] = (await once(busy, 'error')) as [NodeJS.ErrnoException];
      expect(error.code).toBe('ECONNRESET');
      idle.end('carried over');
      expect((await readAll(idle)).toString()).toBe('carried over');
    });

    it('a replica that is left serves its connections to their end, and is left then', async () => {
      await through(echoServer());
      const old = await dial(local);
      old.write('one');
      await once(old, 'data');
      forwards.follow(null);
      old.write('two');
      await once(old, 'data');
      expect(target.execs).toHaveLength(1);
      old.end();
      await readAll(old);
      await until(() => target.open === 0, 'its relay has left');
    });
  });

  it('leaves nothing: 200 connections are gone at once, the port is free, the relay has left', async () => {
    await through(echoServer());
    const sockets = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const socket = await dial(local);
        socket.on('error', () => undefined);
        socket.write('x');
        await once(socket, 'data');
        return socket;
      }),
    );
    const begin = performance.now();
    await forwards.close();
    expect(performance.now() - begin).toBeLessThan(1_000);
    await until(() => sockets.every((socket) => socket.destroyed), 'every client knows');
    await serve(echoServer(), local);
    await until(() => target.open === 0, 'its relay has left');
  });

  it('a port that is taken is named, and had as soon as it is free', async () => {
    const thief = createServer();
    await listening(thief, local);
    forwardTo(await serve(echoServer()));
    forwards.follow(REPLICA);
    await until(() => forwards.reports()[0]?.state === 'blocked', 'the port is taken');
    expect(forwards.reports()[0]?.message).toContain(
      `port ${String(local)} is taken by process ${String(process.pid)}`,
    );
    thief.close();
    await until(() => forwards.reports()[0]?.state === 'ready', 'the port is ours', 5_000);
    expect(await echoed(local, 10)).toBe(true);
  });

  it('a config that changes touches only what changed', async () => {
    await through(echoServer());
    const kept = await dial(local);
    kept.write('one');
    await once(kept, 'data');
    const other = await freePort();
    const [first] = forwards.reports();
    if (first === undefined) throw new Error('no forward');
    forwards.configure([first, { localPort: other, remotePort: first.remotePort }]);
    await until(async () => echoed(other, 10).catch(() => false), 'the new port');
    forwards.configure([first]);
    await until(
      async () =>
        dial(other).then(
          () => false,
          () => true,
        ),
      'the port is free',
    );
    kept.end('two');
    expect((await readAll(kept)).toString()).toBe('two');
  });

  it('is not needed for what runs on this machine', async () => {
    const here = new Forwards(Object.assign(new FakeTarget(), { kind: 'local' as never }), {
      onChange: () => undefined,
      log: () => undefined,
    });
    here.configure([{ localPort: local, remotePort: 8000 }]);
    expect(here.reports()).toMatchObject([{ state: 'ready', message: 'not needed: the app runs on this machine' }]);
    await expect(dial(local)).rejects.toThrow('ECONNREFUSED');
    await here.close();
  });
});
