import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocketServer, type WebSocket } from 'ws';
import { KubernetesFailure, type ClusterApi } from '../../../src/targets/kubernetes-api.ts';
import type { SocketTimes } from '../../../src/targets/kubernetes-socket-life.ts';
import { openSocket, type ApiSocket } from '../../../src/targets/kubernetes-socket.ts';
import { until } from '../../support/until.ts';

const never = new AbortController().signal;
const TIMES: SocketTimes = { handshake: 200, ping: 50, pong: 100, busyPong: 1_000 };

function apiAt(port: number, renew?: () => void): ClusterApi {
  const unused = (): Promise<never> => Promise.reject(new Error('not asked'));
  return {
    place: { context: '', namespace: '', server: '', guard: { allowed: true, reason: '' } },
    request: unused,
    stream: unused,
    socketOptions: () =>
      Promise.resolve({
        baseUrl: `ws://127.0.0.1:${String(port)}`,
        headers: { 'x-token': 't' },
        rejectUnauthorized: true,
      }),
    ...(renew === undefined
      ? {}
      : {
          renew: () => {
            renew();
            return Promise.resolve();
          },
        }),
  };
}

function portOf(server: { address(): AddressInfo | string | null }): number {
  return (server.address() as AddressInfo).port;
}

describe('a WebSocket to the API server', () => {
  let http: Server;
  let server: WebSocketServer;
  let port: number;
  let peers: WebSocket[];
  let asked: IncomingMessage[];
  let greeting: Buffer | null;
  let refuse: ((path: string) => { status: number; body: string } | null) | null;

  beforeEach(async () => {
    peers = [];
    asked = [];
    greeting = null;
    refuse = null;
    http = createServer();
    server = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered].at(-1) ?? false });
    http.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      asked.push(request);
      const no = refuse?.(request.url ?? '') ?? null;
      if (no !== null) {
        const head = `HTTP/1.1 ${String(no.status)} No\r\nContent-Length: ${String(Buffer.byteLength(no.body))}\r\n\r\n`;
        socket.end(head + no.body);
        return;
      }
      server.handleUpgrade(request, socket, head, (peer) => {
        peers.push(peer);
        if (greeting !== null) peer.send(greeting);
      });
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    port = portOf(http);
  });
  afterEach(async () => {
    for (const peer of peers) peer.terminate();
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  });

  const open = (
    onMessage: (channel: number, bytes: Buffer) => void = () => undefined,
    signal = never,
  ): Promise<ApiSocket> =>
    openSocket(apiAt(port), { path: '/x?y=1', protocols: ['v5', 'v4'], onMessage, times: TIMES }, signal);

  it('says which protocol the server chose, and sends what proves who asks', async () => {
    const socket = await open();
    expect(socket.protocol).toBe('v4');
    expect(asked[0]).toMatchObject({ url: '/x?y=1', headers: { 'x-token': 't' } });
    expect(asked[0]?.headers['sec-websocket-extensions']).toBeUndefined();
    socket.destroy();
    await socket.closed;
  });

  it('gives messages by channel, also one that came with the handshake', async () => {
    const seen: [number, string][] = [];
    greeting = Buffer.from('\u0001hello');
    const socket = await open((channel, bytes) => seen.push([channel, bytes.toString()]));
    const peer = await until(() => peers[0], 'the peer');
    peer.send(Buffer.from([3]));
    peer.send(Buffer.alloc(0));
    peer.send(Buffer.from('\u0002x'));
    await until(() => seen.length === 3, 'three messages');
    expect(seen).toEqual([
      [1, 'hello'],
      [3, ''],
      [2, 'x'],
    ]);
    socket.destroy();
  });

  it('sends what is large in parts, and says when it is on its way', async () => {
    const socket = await open();
    const parts: Buffer[] = [];
    peers[0]?.on('message', (data: Buffer) => parts.push(data));
    const bytes = Buffer.alloc(1_000_000, 'debugwand');
    await new Promise<void>((resolve) => {
      socket.send(7, bytes, () => {
        resolve();
      });
    });
    await until(() => parts.reduce((sum, part) => sum + part.length - 1, 0) === bytes.length, 'all of it');
    expect(parts.every((part) => part[0] === 7 && part.length <= 256 * 1024 + 1)).toBe(true);
    expect(Buffer.concat(parts.map((part) => part.subarray(1))).equals(bytes)).toBe(true);
    socket.destroy();
  });

  it.each([
    [
      403,
      JSON.stringify({ kind: 'Status', status: 'Failure', reason: 'Forbidden', message: 'may not', code: 403 }),
      'Forbidden',
      'may not',
    ],
    [500, 'container not found ("app")', '', 'container not found ("app")'],
    [502, '', '', 'status 502'],
    [200, '<html>', '', '<html>'],
    [400, 'x'.repeat(100_000), '', 'x'.repeat(500)],
  ])('that is refused with %i says why', async (status, body, reason, message) => {
    refuse = () => ({ status, body });
    const failure = await open().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(KubernetesFailure);
    expect(failure).toMatchObject({ status, reason, message });
  });

  it('asks once more with fresh credentials after a 401', async () => {
    let isOld = true;
    refuse = () => (isOld ? { status: 401, body: '' } : null);
    const api = apiAt(port, () => (isOld = false));
    const socket = await openSocket(api, { path: '/', protocols: ['v4'], onMessage: () => undefined }, never);
    expect(asked).toHaveLength(2);
    socket.destroy();
  });

  it('does not wait for ever for the server to answer', async () => {
    const silent = createTcpServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const request = { path: '/', protocols: ['v4'], onMessage: () => undefined, times: TIMES };
    await expect(openSocket(apiAt(portOf(silent)), request, never)).rejects.toThrow(/timed out/);
    silent.close();
  });

  it('is not opened for a signal that aborted', async () => {
    await expect(open(undefined, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    const abort = new AbortController();
    const opening = open(undefined, abort.signal);
    abort.abort(new Error('no more'));
    await expect(opening).rejects.toThrow('no more');
  });

  it('outlives silence, as the server answers pings', async () => {
    const socket = await open();
    let pings = 0;
    peers[0]?.on('ping', () => (pings += 1));
    await until(() => pings >= 4, 'pings');
    expect(await Promise.race([socket.closed, Promise.resolve('open')])).toBe('open');
    socket.destroy();
    expect(await socket.closed).toEqual({ code: 1006 });
  });

  it('ends when the server does not answer a ping', async () => {
    const socket = await open();
    const begin = performance.now();
    for (const peer of peers) peer.pause();
    const { error } = await socket.closed;
    expect(error?.message).toMatch(/does not answer/);
    expect(performance.now() - begin).toBeLessThan(TIMES.busyPong);
  });

  it('waits longer for a server whose program does not read', async () => {
    const socket = await open();
    for (const peer of peers) peer.pause();
    const begin = performance.now();
    socket.send(0, Buffer.alloc(64 * 1024), () => undefined);
    await socket.closed;
    expect(performance.now() - begin).toBeGreaterThan(TIMES.busyPong);
  });

  it('expects nothing while it does not listen itself', async () => {
    const seen: number[] = [];
    const socket = await open((channel) => seen.push(channel));
    let pings = 0;
    peers[0]?.on('ping', () => (pings += 1));
    await until(() => pings > 0, 'a ping');
    socket.pause();
    peers[0]?.send(Buffer.from([9]));
    const begin = performance.now();
    await until(() => performance.now() - begin > TIMES.ping + TIMES.pong + 100, 'longer than any deadline');
    expect(seen).toEqual([]);
    socket.resume();
    await until(() => seen.length === 1, 'what was sent meanwhile');
    socket.destroy();
  });

  it.each(['close', 'destroy'] as const)('leaves nothing after %s', async (how) => {
    const cycle = async (): Promise<void> => {
      const socket = await open();
      socket[how]();
      await socket.closed;
    };
    await cycle();
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    for (let i = 0; i < 10; i++) await cycle();
    await until(() => descriptors() <= before + 1, 'no more descriptors than before');
  });

  it('says goodbye, but does not wait for a server that is gone', async () => {
    const socket = await open();
    socket.close();
    expect(await socket.closed).toEqual({ code: 1000 });
  });
});
