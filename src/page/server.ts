// Owns the HTTP side of the status page: a server on a free port of 127.0.0.1, who gets in, which headers, and the streams
// of those who look. What is shown is not known here.
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { asDebugwandError, messageOf } from '../lib/errors.ts';
import { cookieValue, foreign, isToken } from './access.ts';
import { asset } from './assets.ts';

export interface PageServerOptions {
  /** What a page that was just opened must know, as an event of its stream. */
  readonly greet: () => ServerEvent;
  /** Does it, and says in words what it did. @throws DebugwandError */
  readonly restart: (target: string) => Promise<string>;
  readonly log: (text: string) => void;
  /** Default: any free one. */
  readonly port?: number;
  /** Default: made here. */
  readonly token?: string;
}

export interface ServerEvent {
  readonly name: string;
  /** Becomes JSON. */
  readonly data: unknown;
}

export interface PageServer {
  /** With the token. */
  readonly url: string;
  /** How many pages listen. */
  readonly streams: number;
  send(event: ServerEvent): void;
  close(): Promise<void>;
}

/** Everything lies below it, the cookie too: what else runs on 127.0.0.1 is sent our cookie only if asked for that path. */
const BASE = '/wand/';
const MOST_STREAMS = 32;
const MOST_BODY_BYTES = 4_096;
/** A page that does not take so much is cut off: its browser asks anew, and gets all of it. */
const MOST_BEHIND_BYTES = 4 * 1024 * 1024;
const RETRY_MS = 1_000;

const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const;

/** Its icon is named, or the browser asks for one where we have none. */
const GOES_ON = `<!doctype html><meta http-equiv="refresh" content="0;url=${BASE}"><link rel="icon" href="${BASE}icon.svg"><title>wand</title>\n`;

const NEEDS_TOKEN = 'this page needs the token of its daemon: open the address that `wand status` shows';

/** Listens. @throws Error when no port can be had */
export async function servePage(options: PageServerOptions): Promise<PageServer> {
  const token = options.token ?? randomBytes(24).toString('base64url');
  const streams = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      options.log(`status page: ${messageOf(error)}`);
      if (response.headersSent) response.destroy();
      else text(response, 500, 'a fault of debugwand: see `wand logs`');
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a server on a port has an address');
  const { port } = address;
  // Cookies know no ports: each daemon's has a name of its own.
  const cookie = `wand-${String(port)}`;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', headers } = request;
    const { host, origin } = headers;
    const fetchSite = headers['sec-fetch-site']?.toString();
    const refusal = foreign({ method, host, origin, fetchSite });
    if (refusal !== null) return text(response, refusal.status, refusal.text);
    // Only a proxy is asked for whole addresses.
    const url = request.url?.startsWith('/') === true ? URL.parse(request.url, `http://${String(host)}`) : null;
    const given = url?.searchParams.get('token');
    if (url?.pathname === BASE && typeof given === 'string') {
      if (!isToken(given, token)) return text(response, 403, NEEDS_TOKEN);
      // Not by 303: a browser that comes from another site (Tilt's page) leaves the strict cookie out on its way.
      response.setHeader('Set-Cookie', `${cookie}=${token}; Path=${BASE}; HttpOnly; SameSite=Strict`);
      response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/html; charset=utf-8' });
      response.end(GOES_ON);
      return;
    }
    if (!isToken(cookieValue(headers.cookie, cookie), token)) return text(response, 403, NEEDS_TOKEN);
    if (url === null || !url.pathname.startsWith(BASE)) return text(response, 404, 'there is no such page');
    const name = url.pathname.slice(BASE.length);
    if (method === 'POST') {
      return name === 'restart' ? restart(request, response) : text(response, 404, 'there is no such action');
    }
    if (name === 'events') return stream(method, response);
    const found = await asset(name);
    if (found === null) return text(response, 404, 'there is no such page');
    response.writeHead(200, { ...HEADERS, 'Content-Type': found.type, 'Content-Length': found.body.length });
    response.end(method === 'HEAD' ? undefined : found.body);
  }

  function stream(method: string, response: ServerResponse): void {
    if (streams.size >= MOST_STREAMS) {
      return text(response, 503, `${String(MOST_STREAMS)} pages are open already: close some`);
    }
    response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream' });
    if (method === 'HEAD') {
      response.end();
      return;
    }
    response.on('error', () => response.destroy());
    response.on('close', () => streams.delete(response));
    response.write(`retry: ${String(RETRY_MS)}\n${textOf(options.greet())}`);
    streams.add(response);
  }

  async function restart(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = targetOf(await bodyOf(request));
    if (target === null) return text(response, 400, 'the request does not name a target');
    try {
      text(response, 200, await options.restart(target));
    } catch (error) {
      const { message, fix } = asDebugwandError(error);
      text(response, 409, `${message}\nfix: ${fix}`);
    }
  }

  return {
    url: `http://127.0.0.1:${String(port)}${BASE}?token=${token}`,
    get streams() {
      return streams.size;
    },
    send(event) {
      const line = textOf(event);
      for (const one of streams) {
        if (one.writableLength > MOST_BEHIND_BYTES) one.destroy();
        else one.write(line);
      }
    },
    async close() {
      const closed = new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
      server.closeAllConnections();
      await closed;
    },
  };
}

function text(response: ServerResponse, status: number, body: string): void {
  // What is left of the request is not read: the connection goes with it.
  const end = status >= 400 ? { Connection: 'close' } : {};
  response.writeHead(status, { ...HEADERS, ...end, 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${body}\n`);
}

function textOf({ name, data }: ServerEvent): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    size += chunk.length;
    if (size > MOST_BODY_BYTES) return '';
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function targetOf(body: string): string | null {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value !== 'object' || value === null || !('target' in value)) return null;
    return typeof value.target === 'string' ? value.target : null;
  } catch {
    return null;
  }
}
