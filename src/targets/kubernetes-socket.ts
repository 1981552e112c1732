// Owns one WebSocket to the API server: its handshake, its bounds, and what goes through it.
// The only importer of `ws`. Must not know what the channels mean.
import type { IncomingMessage } from 'node:http';
import { WebSocket, type ClientOptions } from 'ws';
import { KubernetesFailure, type ClusterApi, type SocketOptions } from './kubernetes-api.ts';
import { parseStatusText } from './kubernetes-channels.ts';
import { SocketLife, TIMES, type SocketEnd, type SocketTimes } from './kubernetes-socket-life.ts';

/** Servers send 32 KiB at a time. */
const MAX_PAYLOAD = 4 * 1024 * 1024;
/** What is sent at a time. */
const MAX_MESSAGE = 256 * 1024;
const MAX_ERROR_BODY = 64 * 1024;

export interface ApiSocket {
  /** The one that the server chose. */
  readonly protocol: string;
  /** Resolves once, after the last message; never rejects. */
  readonly closed: Promise<SocketEnd>;
  /** `done` comes when the bytes are on their way: wait for it before sending more. */
  send(channel: number, bytes: Uint8Array, done: (error?: Error | null) => void): void;
  /** Nothing more is read from the wire, but for what is under way. */
  pause(): void;
  resume(): void;
  /** Says goodbye: what was sent arrives. */
  close(): void;
  /** At once. */
  destroy(): void;
}

/** `path` has its query in it. `onMessage` may be called before this resolves; messages have their channel's number. */
export interface SocketRequest {
  readonly path: string;
  readonly protocols: readonly string[];
  readonly onMessage: (channel: number, bytes: Buffer) => void;
  readonly times?: SocketTimes;
}

/**
 * Opens a WebSocket.
 * @param signal covers the start only
 * @throws KubernetesFailure when the server says no, the error of the wire, or the signal's reason
 */
export async function openSocket(api: ClusterApi, request: SocketRequest, signal: AbortSignal): Promise<ApiSocket> {
  try {
    return await open(api, request, signal);
  } catch (error) {
    // A token that has just expired.
    if (api.renew === undefined || !(error instanceof KubernetesFailure) || error.status !== 401) throw error;
    await api.renew(signal);
    return open(api, request, signal);
  }
}

async function open(api: ClusterApi, request: SocketRequest, signal: AbortSignal): Promise<ApiSocket> {
  const options = await api.socketOptions(signal);
  signal.throwIfAborted();
  const { times = TIMES } = request;
  const ws = new WebSocket(`${options.baseUrl}${request.path}`, [...request.protocols], {
    headers: { ...options.headers },
    perMessageDeflate: false,
    maxPayload: MAX_PAYLOAD,
    handshakeTimeout: times.handshake,
    followRedirects: false,
    ...tlsOf(options),
  });
  const life = new SocketLife(ws, times);
  ws.on('message', (data: Buffer | ArrayBuffer | Buffer[]) => {
    life.seen();
    const bytes = Buffer.isBuffer(data) ? data : Buffer.concat(Array.isArray(data) ? data : [Buffer.from(data)]);
    const channel = bytes[0];
    if (channel !== undefined) request.onMessage(channel, bytes.subarray(1));
  });
  await handshake(ws, times, signal);
  life.start();
  return {
    protocol: ws.protocol,
    closed: life.closed,
    send: (channel, bytes, done) => {
      life.sent(bytes.length);
      send(ws, channel, bytes, done);
    },
    pause: () => {
      life.pause();
    },
    resume: () => {
      life.resume();
    },
    close: () => {
      life.close();
    },
    destroy: () => {
      ws.terminate();
    },
  };
}

function tlsOf({ ca, cert, key, servername, rejectUnauthorized, agent }: SocketOptions): ClientOptions {
  return {
    rejectUnauthorized,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(servername === undefined ? {} : { servername }),
    ...(agent === undefined ? {} : { agent }),
  };
}

function send(ws: WebSocket, channel: number, bytes: Uint8Array, done: (error?: Error | null) => void): void {
  // One frame a message: servers do not put fragments together.
  const part = bytes.subarray(0, MAX_MESSAGE);
  const message = Buffer.allocUnsafe(part.length + 1);
  message[0] = channel;
  message.set(part, 1);
  ws.send(message, { binary: true }, (error) => {
    if (error !== undefined && error !== null) done(error);
    else if (bytes.length > MAX_MESSAGE) send(ws, channel, bytes.subarray(MAX_MESSAGE), done);
    else done();
  });
}

function handshake(ws: WebSocket, times: SocketTimes, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = (): void => {
    reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
    ws.terminate();
  };
  signal.addEventListener('abort', abort, { once: true });
  ws.once('open', resolve);
  ws.on('error', reject);
  ws.once('unexpected-response', (request, response) => {
    void refusal(response, times.handshake)
      .then(reject, reject)
      .finally(() => {
        request.destroy();
        ws.terminate();
      });
  });
  return promise.finally(() => {
    signal.removeEventListener('abort', abort);
  });
}

/** The server's no, out of the answer's body. */
async function refusal(response: IncomingMessage, patienceMs: number): Promise<KubernetesFailure> {
  const status = response.statusCode ?? 0;
  let text = '';
  const timer = setTimeout(() => {
    response.destroy();
  }, patienceMs);
  try {
    for await (const chunk of response) {
      text += String(chunk);
      if (text.length > MAX_ERROR_BODY) break;
    }
  } catch {
    // What came of it must do.
  } finally {
    clearTimeout(timer);
  }
  const said = parseStatusText(text);
  const fallback = text.trim().split('\n')[0]?.slice(0, 500) ?? '';
  const message = said?.message ?? fallback;
  return new KubernetesFailure(status, said?.reason ?? '', message === '' ? `status ${String(status)}` : message);
}
