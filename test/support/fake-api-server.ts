/**
 * An API server of one collection that fails on command: for the faults that a real one shows too seldom to be tested with.
 * What an API server really does is tested with a real one.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export type Fault =
  /** Answered with this status and a Status object. */
  | { readonly status: number; readonly reason?: string; readonly message?: string }
  /** The connection is cut before an answer, or in the midst of one. */
  | 'reset'
  | 'cut-body'
  /** Nothing is answered, ever. */
  | 'hang'
  | 'html';

interface FakeObject {
  readonly metadata: { readonly uid: string; readonly name: string; readonly resourceVersion: string };
  readonly value: number;
}

interface Watcher {
  readonly response: ServerResponse;
  /** Sent up to here. */
  version: number;
}

export class FakeApiServer implements AsyncDisposable {
  readonly requests: { readonly path: string; readonly query: URLSearchParams; readonly authorization: string }[] = [];
  /** Consumed one a request, first come first served. */
  readonly faults: Fault[] = [];
  /** Null: any will do. */
  token: string | null = null;
  /** How many bytes a write to a watch has at most; the next follows in another turn. */
  chunk = Number.POSITIVE_INFINITY;
  pageSize = Number.POSITIVE_INFINITY;
  /** No watch is told anything, but all stay open. */
  silent = false;
  readonly objects = new Map<string, FakeObject>();
  #version = 100;
  #oldest = 0;
  readonly #log: { readonly version: number; readonly type: string; readonly object: FakeObject }[] = [];
  readonly #watchers = new Set<Watcher>();
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((request, response) => {
    this.#answer(request, response);
  });

  static async start(port = 0): Promise<FakeApiServer> {
    const fake = new FakeApiServer();
    fake.#server.on('connection', (socket) => {
      fake.#sockets.add(socket);
      socket.on('close', () => fake.#sockets.delete(socket)).on('error', () => undefined);
    });
    await new Promise<void>((resolve) => fake.#server.listen(port, '127.0.0.1', resolve));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  get watching(): number {
    return this.#watchers.size;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  set(name: string, value: number): void {
    const former = this.objects.get(name);
    this.#version += 1;
    const metadata = { uid: `uid-${name}`, name, resourceVersion: String(this.#version) };
    const object = { metadata, value };
    this.objects.set(name, object);
    this.#tell(former === undefined ? 'ADDED' : 'MODIFIED', object);
  }

  delete(name: string): void {
    const former = this.objects.get(name);
    if (former === undefined) return;
    this.#version += 1;
    this.objects.delete(name);
    this.#tell('DELETED', { ...former, metadata: { ...former.metadata, resourceVersion: String(this.#version) } });
  }

  /** Watches from before now are answered 410 from now on. */
  compact(): void {
    this.#oldest = this.#version;
    this.#log.length = 0;
  }

  bookmark(): void {
    const object = { metadata: { resourceVersion: String(this.#version) } };
    for (const watcher of this.#watchers) this.#write(watcher, 'BOOKMARK', object);
  }

  /** To all watches, which stay open as a real server's do not. */
  errorEvent(code: number, reason: string): void {
    for (const watcher of this.#watchers)
      this.#write(watcher, 'ERROR', { kind: 'Status', code, reason, message: reason });
  }

  /** Bytes as they are, to all watches. */
  raw(text: string): void {
    for (const { response } of this.#watchers) response.write(text);
  }

  endWatches(): void {
    for (const { response } of this.#watchers) response.end();
  }

  cutAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://x');
    const authorization = request.headers.authorization ?? '';
    this.requests.push({ path: url.pathname, query: url.searchParams, authorization });
    const fault = this.faults.shift();
    if (fault !== undefined) {
      this.#fail(fault, request, response);
    } else if (this.token !== null && authorization !== `Bearer ${this.token}`) {
      refuse(response, 401, 'Unauthorized');
    } else if (url.searchParams.get('watch') === 'true') {
      this.#watch(url.searchParams, response);
    } else {
      this.#list(url.searchParams, response);
    }
  }

  #fail(fault: Fault, request: IncomingMessage, response: ServerResponse): void {
    if (typeof fault === 'object') {
      refuse(response, fault.status, fault.reason ?? '', fault.message);
    } else if (fault === 'reset') {
      request.socket.resetAndDestroy();
    } else if (fault === 'cut-body') {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"metadata":{"resourceVersion":"1"},"items":[{"metadata":', () => request.socket.destroy());
    } else if (fault === 'html') {
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('<html><h1>Please log in</h1></html>\n');
    }
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const from = Number(query.get('continue') ?? 0);
    const size = Math.min(this.pageSize, Number(query.get('limit') ?? this.pageSize));
    const all = [...this.objects.values()];
    const next = from + size < all.length ? { continue: String(from + size) } : {};
    const metadata = { resourceVersion: String(this.#version), ...next };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ metadata, items: all.slice(from, from + size) }));
  }

  #watch(query: URLSearchParams, response: ServerResponse): void {
    const version = Number(query.get('resourceVersion'));
    if (version < this.#oldest) {
      // Real servers do either.
      if (version % 2 === 0) {
        refuse(response, 410, 'Expired');
        return;
      }
      response.writeHead(200);
      response.end(`${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } })}\n`);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const watcher = { response, version };
    this.#watchers.add(watcher);
    response.on('close', () => this.#watchers.delete(watcher)).on('error', () => undefined);
    for (const event of this.#log) if (event.version > version) this.#write(watcher, event.type, event.object);
  }

  #tell(type: string, object: FakeObject): void {
    this.#log.push({ version: this.#version, type, object });
    if (!this.silent) for (const watcher of this.#watchers) this.#write(watcher, type, object);
  }

  #write({ response }: Watcher, type: string, object: unknown): void {
    const line = `${JSON.stringify({ type, object })}\n`;
    for (let from = 0; from < line.length; from += this.chunk) {
      response.write(line.slice(from, Math.min(line.length, from + this.chunk)));
    }
  }
}

function refuse(response: ServerResponse, code: number, reason: string, message = reason): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message }));
}
