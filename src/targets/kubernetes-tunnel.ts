// Owns one TCP connection into a pod the way kubectl made it for years: an upgraded request that speaks SPDY. It costs half
// of what a WebSocket does, on both sides, and ends each direction by itself. Must not decide what is forwarded.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Duplex } from 'node:stream';
import type { Socket } from 'node:net';
import { KubernetesFailure, type ClusterApi, type SocketOptions } from './kubernetes-api.ts';
import { podPath } from './kubernetes-channels.ts';
import { portForward } from './kubernetes-port-forward.ts';
import { portFailure } from './kubernetes-port-errors.ts';
import {
  DATA_STREAM,
  dataHead,
  endOf,
  ERROR_STREAM,
  openStreams,
  SpdyDecoder,
  type SpdyEvent,
} from './kubernetes-spdy.ts';

const HANDSHAKE_MS = 10_000;
const MAX_SAID = 4_096;
const BLOCK_BYTES = 160 * 1024;
const MAX_BLOCKS = 4;
/** A frame's length has 24 bits; what waits for a slow wire may be more. */
const MAX_FRAME_BYTES = 8 * 1024 * 1024;

/** The quick way, or a WebSocket: between here and the server may be what knows no SPDY. As these. */
export async function dialPod(
  api: ClusterApi,
  place: { readonly namespace: string; readonly pod: string },
  port: number,
  signal: AbortSignal,
): Promise<Duplex> {
  try {
    return await tunnel(api, place, port, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof KubernetesFailure && (error.status === 403 || error.status === 404)) throw error;
    return portForward(api, place, port, signal);
  }
}

/**
 * As `portForward` does: it resolves before anything is known to listen.
 * @param signal covers the start only
 * @throws KubernetesFailure when the server says no, or knows no SPDY; the wire's error
 */
async function tunnel(
  api: ClusterApi,
  place: { readonly namespace: string; readonly pod: string },
  port: number,
  signal: AbortSignal,
): Promise<Duplex> {
  const options = await api.socketOptions(signal);
  signal.throwIfAborted();
  const [path = ''] = podPath(place, 'portforward', []).split('?');
  const { socket, head } = await upgrade(options, path, signal);
  return new Tunnel(socket, head, port, `port ${String(port)} of pod \`${place.pod}\``);
}

interface Upgraded {
  readonly socket: Socket;
  readonly head: Buffer;
}

function upgrade(options: SocketOptions, path: string, signal: AbortSignal): Promise<Upgraded> {
  const { promise, resolve, reject } = Promise.withResolvers<Upgraded>();
  const { baseUrl, headers, ...tls } = options;
  const url = new URL(`${baseUrl.replace(/^ws/, 'http')}${path}`);
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
    ...tls,
    method: 'POST',
    agent: options.agent ?? false,
    timeout: HANDSHAKE_MS,
    signal,
    headers: {
      ...headers,
      connection: 'Upgrade',
      upgrade: 'SPDY/3.1',
      'x-stream-protocol-version': 'portforward.k8s.io',
    },
  });
  request.once('upgrade', (response: IncomingMessage, socket: Socket, head: Buffer) => {
    if (response.headers.upgrade?.toLowerCase() === 'spdy/3.1') resolve({ socket, head });
    else {
      socket.destroy();
      reject(new KubernetesFailure(400, '', 'the server knows no SPDY'));
    }
  });
  request.once('response', (response) => {
    response.destroy();
    const status = response.statusCode ?? 0;
    reject(new KubernetesFailure(status, '', `the server answered ${String(status)} to a port-forward`));
  });
  request.once('timeout', () => request.destroy(new Error('the API server did not answer in time')));
  request.on('error', reject);
  request.end();
  return promise;
}

class Tunnel extends Duplex {
  readonly #socket: Socket;
  readonly #what: string;
  readonly #decoder = new SpdyDecoder((event) => {
    this.#event(event);
  });
  readonly #blocks: Buffer[] = [];
  #said = '';

  constructor(socket: Socket, head: Buffer, port: number, what: string) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    this.#what = what;
    socket.setTimeout(0);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 20_000);
    socket.on('data', (chunk: Buffer) => {
      this.#decoder.push(chunk);
    });
    socket.on('error', (error) => {
      this.destroy(error);
    });
    socket.on('close', () => {
      if (!this.readableEnded) this.destroy(portFailure(this.#said, this.#what) ?? new Error('the connection was cut'));
    });
    socket.write(openStreams(port));
    if (head.length > 0) this.#decoder.push(head);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send([chunk], done);
  }

  override _writev(parts: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#send(
      parts.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.write(endOf(DATA_STREAM));
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #send(chunks: readonly Buffer[], done: () => void): void {
    let batch: Buffer[] = [];
    let length = 0;
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at += MAX_FRAME_BYTES) {
        const part = chunk.subarray(at, at + MAX_FRAME_BYTES);
        if (length + part.length > MAX_FRAME_BYTES) {
          this.#frame(batch, length);
          batch = [];
          length = 0;
        }
        batch.push(part);
        length += part.length;
      }
    }
    if (length > 0) this.#frame(batch, length);
    if (this.#socket.writableNeedDrain) this.#socket.once('drain', done);
    else done();
  }

  #frame(chunks: readonly Buffer[], length: number): void {
    const head = dataHead(DATA_STREAM, length);
    const size = head.length + length;
    // Put together in a block that is used again: encryption takes one piece without copying it once more, and big pieces
    // of memory that come and go cost as much as all the rest.
    const block =
      size <= BLOCK_BYTES ? (this.#blocks.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)) : Buffer.alloc(size);
    let at = head.copy(block);
    for (const chunk of chunks) at += chunk.copy(block, at);
    this.#socket.write(block.subarray(0, size), () => {
      if (size <= BLOCK_BYTES && this.#blocks.length < MAX_BLOCKS) this.#blocks.push(block);
    });
  }

  #event(event: SpdyEvent): void {
    if (this.destroyed) return;
    switch (event.type) {
      case 'data':
        if (event.stream === ERROR_STREAM) this.#said = (this.#said + event.bytes.toString('utf8')).slice(0, MAX_SAID);
        else if (event.stream === DATA_STREAM && !this.push(event.bytes)) this.#socket.pause();
        return;
      case 'end':
        // Of the error stream: whatever it says has been said.
        if (event.stream === ERROR_STREAM) this.#failed();
        else if (event.stream === DATA_STREAM && !this.#failed()) this.push(null);
        return;
      case 'reset':
        if (event.stream === DATA_STREAM) this.destroy(new Error(`the connection to ${this.#what} was reset`));
        return;
      case 'ping':
        this.#socket.write(event.answer);
        return;
      case 'goaway':
        this.destroy(new Error('the API server ended the connection'));
        return;
      default:
        event satisfies never;
    }
  }

  #failed(): boolean {
    const failure = portFailure(this.#said, this.#what);
    if (failure !== null) this.destroy(failure);
    return failure !== null;
  }
}
