// Owns one HTTP request to an API server over the connection's pool: limits in time and size, what the server refuses as
// KubernetesFailure. Must not know credentials' origin, nor what the answers mean.
import { request as requestHttp, type Agent, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { KubernetesFailure, type RequestOptions } from './kubernetes-api.ts';

/** How long a server may take to begin its answer, ms; and the longest silence in the midst of one. */
const ANSWER_MS = 15_000;
/** One page of a list; objects have at most 1.5 MB, pages of them much less. */
const BODY_BYTES = 64 * 1024 * 1024;
/** A refusal. */
const FAILURE_BYTES = 64 * 1024;

/** Valid now; asked for anew before each request. */
export interface Credentials {
  /** "https://127.0.0.1:6443", with the server's base path, without a slash at the end. */
  readonly baseUrl: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: {
    readonly ca?: string | Buffer;
    readonly cert?: string | Buffer;
    readonly key?: string | Buffer;
    readonly servername?: string;
    readonly rejectUnauthorized: boolean;
  };
  /** `proxy-url` of the cluster. */
  readonly proxy: Agent | null;
}

export interface WireRequest {
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly path: string;
  readonly options: RequestOptions;
  readonly credentials: Credentials;
  readonly agent: Agent;
}

/** @throws KubernetesFailure, or the error of the wire */
export async function requestJson(request: WireRequest, signal: AbortSignal): Promise<unknown> {
  const answer = await send(request, true, signal);
  const text = (await readBody(answer, BODY_BYTES, signal)).toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    throw new KubernetesFailure(answer.statusCode ?? 0, 'NotJson', `no JSON came back, but: ${firstLine(text)}`);
  }
}

/** The body as it comes, until `signal` aborts. @throws KubernetesFailure, or the error of the wire */
export async function requestStream(request: WireRequest, signal: AbortSignal): Promise<Readable> {
  const answer = await send(request, false, signal);
  const abort = (): void => {
    answer.destroy();
  };
  signal.addEventListener('abort', abort, { once: true });
  answer.once('close', () => {
    signal.removeEventListener('abort', abort);
  });
  return answer;
}

/** Resolves with the headers of an answer that is no refusal. */
async function send(request: WireRequest, compressed: boolean, signal: AbortSignal): Promise<IncomingMessage> {
  const answer = await headersOf(request, compressed, signal);
  const status = answer.statusCode ?? 0;
  if (status >= 200 && status < 300) return answer;
  throw failureOf(status, (await readBody(answer, FAILURE_BYTES, signal)).toString('utf8'));
}

function headersOf(request: WireRequest, compressed: boolean, signal: AbortSignal): Promise<IncomingMessage> {
  const { method, path, options, credentials, agent } = request;
  signal.throwIfAborted();
  const url = new URL(`${credentials.baseUrl}${path}`);
  for (const [name, value] of Object.entries(options.query ?? {})) url.searchParams.set(name, String(value));
  const body = options.body === undefined ? null : Buffer.from(JSON.stringify(options.body));
  const headers = {
    accept: 'application/json',
    'user-agent': 'debugwand',
    ...(compressed ? { 'accept-encoding': 'gzip' } : {}),
    ...(body === null
      ? {}
      : { 'content-type': options.contentType ?? 'application/json', 'content-length': String(body.length) }),
    ...credentials.headers,
  };
  const start = (): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const pool = credentials.proxy ?? agent;
      const sent: ClientRequest =
        url.protocol === 'http:'
          ? requestHttp(url, { method, headers, agent: pool })
          : requestHttps(url, { method, headers, agent: pool, ...credentials.tls });
      const timer = setTimeout(() => {
        sent.destroy(Object.assign(new Error(`no answer within ${String(ANSWER_MS / 1000)} s`), { code: 'ETIMEDOUT' }));
      }, ANSWER_MS);
      const abort = (): void => {
        sent.destroy(new Error('aborted'));
      };
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
      };
      signal.addEventListener('abort', abort, { once: true });
      sent.once('response', (answer) => {
        settle();
        resolve(answer);
      });
      // Stays: an error after the answer is the answer's, and must not be thrown at the process.
      sent.on('error', (error: Error) => {
        settle();
        // The server closed an idle connection of the pool just then: nothing was done with the request.
        if (
          sent.reusedSocket &&
          method === 'GET' &&
          'code' in error &&
          error.code === 'ECONNRESET' &&
          !signal.aborted
        ) {
          resolve(start());
        } else {
          reject(signal.aborted ? abortReason(signal) : error);
        }
      });
      sent.end(body ?? undefined);
    });
  return start();
}

function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted');
}

function readBody(answer: IncomingMessage, limit: number, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const gunzip = answer.headers['content-encoding'] === 'gzip' ? createGunzip() : null;
    const body: Readable = gunzip === null ? answer : answer.pipe(gunzip);
    const fail = (error: Error): void => {
      settle();
      answer.destroy();
      gunzip?.destroy();
      reject(error);
    };
    const silence = (): void => {
      fail(Object.assign(new Error(`the answer stopped for ${String(ANSWER_MS / 1000)} s`), { code: 'ETIMEDOUT' }));
    };
    let timer = setTimeout(silence, ANSWER_MS);
    const abort = (): void => {
      fail(abortReason(signal));
    };
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    };
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener('abort', abort, { once: true });
    body.on('data', (chunk: Buffer) => {
      clearTimeout(timer);
      timer = setTimeout(silence, ANSWER_MS);
      size += chunk.length;
      if (size > limit) fail(new Error(`the answer is larger than ${String(limit)} bytes`));
      else chunks.push(chunk);
    });
    body.once('end', () => {
      settle();
      resolve(Buffer.concat(chunks));
    });
    answer.on('error', fail);
    gunzip?.on('error', fail);
    answer.once('close', () => {
      if (!answer.complete) fail(Object.assign(new Error('the answer was cut'), { code: 'ECONNRESET' }));
    });
  });
}

/** A Status object, or whatever stood between us and the server. */
export function failureOf(status: number, text: string): KubernetesFailure {
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    // HTML of a proxy, plain text of the server itself.
  }
  const known = typeof value === 'object' && value !== null ? value : {};
  const reason = 'reason' in known && typeof known.reason === 'string' ? known.reason : '';
  const message = 'message' in known && typeof known.message === 'string' ? known.message : firstLine(text);
  return new KubernetesFailure(status, reason, message.slice(0, 2000) || `HTTP status ${String(status)}`);
}

function firstLine(text: string): string {
  return text
    .replaceAll(/<(style|script)[^]*?<\/\1>/gi, ' ')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, 300);
}
