/**
 * A DAP client that plays the editor in tests, the demo and the bench. It records every message, checks each against the
 * official schema when it is given one, and keeps count of what must never happen: a request with two responses, or none.
 */
import { createConnection, type Socket } from 'node:net';
import type { DapSchema } from './dap-schema.ts';
import { until } from './until.ts';

export interface DapMessage {
  readonly seq: number;
  readonly type: 'request' | 'response' | 'event';
  readonly event?: string;
  readonly command?: string;
  readonly request_seq?: number;
  readonly success?: boolean;
  readonly message?: string;
  readonly body?: unknown;
  readonly arguments?: unknown;
}

/** What a client does when it is asked for something; null: it never answers. */
export type Answer = { readonly success: boolean; readonly message?: string } | null;

export interface DapClientOptions {
  readonly host?: string;
  readonly schema?: DapSchema;
  /** What becomes of the other side's requests; without it each is a violation. */
  readonly onRequest?: (command: string, args: unknown) => Answer | Promise<Answer>;
  readonly onEvent?: (name: string, body: unknown) => void;
  /** Milliseconds for a response or an event; default 10,000. */
  readonly timeoutMs?: number;
}

/** A response with `success: false`. */
export class DapFailure extends Error {
  readonly response: DapMessage;

  constructor(response: DapMessage, recent: string) {
    super(`${String(response.command)}: ${String(response.message)}\n${recent}`);
    this.name = 'DapFailure';
    this.response = response;
  }
}

interface Waiter {
  resolve(message: DapMessage): void;
  reject(error: Error): void;
}

interface Watcher {
  offer(message: DapMessage): void;
  closed(): void;
}

function bodyOf(message: DapMessage): Record<string, unknown> {
  return (message.body ?? {}) as Record<string, unknown>;
}

export class DapClient {
  /** Everything received, in order. */
  readonly received: DapMessage[] = [];
  /** What broke the protocol: empty at the end of a good conversation. */
  readonly violations: string[] = [];
  readonly #socket: Socket;
  readonly #options: DapClientOptions;
  readonly #open = new Map<number, Waiter & { readonly command: string }>();
  readonly #watchers = new Set<Watcher>();
  #buffer: Buffer = Buffer.alloc(0);
  #seq = 0;
  #closed = false;

  private constructor(socket: Socket, options: DapClientOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
      for (const [seq, waiter] of this.#open)
        waiter.reject(new Error(`closed before request ${String(seq)} (${waiter.command}) was answered`));
      this.#open.clear();
      for (const watcher of Array.from(this.#watchers)) watcher.closed();
    });
  }

  static connect(port: number, options: DapClientOptions = {}): Promise<DapClient> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ port, host: options.host ?? '127.0.0.1' });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new DapClient(socket, options));
      });
    });
  }

  /** The other side has ended the connection. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Commands of the requests that have no response yet. */
  get unanswered(): string[] {
    return [...this.#open.values()].map(({ command }) => command);
  }

  /** The place in the record up to here, for `waitFor`. */
  mark(): number {
    return this.received.length;
  }

  /** Sends a request; gives the body of its response. @throws DapFailure when the answer is no */
  async request<T = Record<string, unknown>>(command: string, args: unknown = {}): Promise<T> {
    const response = await this.ask(command, args);
    if (response.success !== true) throw new DapFailure(response, this.recent());
    return response.body as T;
  }

  /** The same; gives the whole response, also one that says no. */
  ask(command: string, args: unknown = {}): Promise<DapMessage> {
    return this.askAs({ command, arguments: args });
  }

  /** The same with just these fields, whatever they are, beside `seq` and `type`. */
  askAs(fields: { readonly command: string; readonly arguments?: unknown }): Promise<DapMessage> {
    const { command } = fields;
    const seq = ++this.#seq;
    return new Promise((resolve, reject) => {
      const timeoutMs = this.#options.timeoutMs ?? 10_000;
      const timer = setTimeout(
        () => reject(new Error(`no response to ${command} within ${String(timeoutMs)} ms`)),
        timeoutMs,
      );
      const settled =
        <A>(act: (value: A) => void) =>
        (value: A): void => {
          clearTimeout(timer);
          act(value);
        };
      this.#open.set(seq, { command, resolve: settled(resolve), reject: settled(reject) });
      this.write(JSON.stringify({ seq, type: 'request', ...fields }));
    });
  }

  /** Sends one frame as it is. */
  write(text: string): void {
    this.#socket.write(`Content-Length: ${String(Buffer.byteLength(text))}\r\n\r\n${text}`);
  }

  /** The next event of that name from now on; resolves as the message arrives. */
  next(
    event: string,
    predicate: (body: Record<string, unknown>) => boolean = () => true,
    options: { readonly timeoutMs?: number } = {},
  ): Promise<DapMessage> {
    return this.waitFor(event, predicate, { ...options, after: this.mark() });
  }

  /** An event that came since a mark (default: ever) or comes yet; resolves as the message arrives. */
  waitFor(
    event: string,
    predicate: (body: Record<string, unknown>) => boolean = () => true,
    options: { readonly after?: number; readonly timeoutMs?: number } = {},
  ): Promise<DapMessage> {
    const fits = (message: DapMessage): boolean => message.event === event && predicate(bodyOf(message));
    const known = this.received.slice(options.after ?? 0).find(fits);
    if (known !== undefined) return Promise.resolve(known);
    if (this.#closed) return Promise.reject(new Error(`the connection ended before "${event}"`));
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs ?? 10_000;
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(watcher);
      };
      const watcher: Watcher = {
        offer: (message) => {
          if (!fits(message)) return;
          done();
          resolve(message);
        },
        closed: () => {
          done();
          reject(new Error(`the connection ended before "${event}"`));
        },
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`timed out after ${String(timeoutMs)} ms: the event "${event}"\n${this.recent()}`));
      }, timeoutMs);
      this.#watchers.add(watcher);
    });
  }

  /** The last messages received, one a line, for the text of a failure. */
  recent(): string {
    const line = (m: DapMessage): string =>
      `  ${m.event ?? `${String(m.command)} ${m.success === true ? 'ok' : String(m.message)}`} ${JSON.stringify(m.body ?? {})}`;
    const last = this.received.slice(-12).map((message) => line(message).slice(0, 200));
    return ['the last messages received:', ...last].join('\n');
  }

  /** Events of that name since a mark. */
  events(event: string, after = 0): Record<string, unknown>[] {
    return this.received.slice(after).flatMap((m) => (m.event === event ? [bodyOf(m)] : []));
  }

  /** `initialize`, `attach`, breakpoints, `configurationDone`: what every editor does when its user presses F5. */
  async attach(
    breakpoints: Readonly<Record<string, readonly object[]>> = {},
    args: { readonly initialize?: object; readonly attach?: object } = {},
  ): Promise<Map<string, unknown>> {
    const initialize = {
      adapterID: 'debugpy',
      clientID: 'test',
      clientName: 'a test',
      linesStartAt1: true,
      columnsStartAt1: true,
      pathFormat: 'path',
      supportsProgressReporting: true,
    };
    await this.request('initialize', { ...initialize, ...args.initialize });
    const attached = this.request('attach', { justMyCode: true, ...args.attach });
    await this.waitFor('initialized');
    const set = new Map<string, unknown>();
    for (const [path, list] of Object.entries(breakpoints)) {
      set.set(path, await this.request('setBreakpoints', { source: { path }, breakpoints: list }));
    }
    await this.request('setExceptionBreakpoints', { filters: [] });
    await this.request('configurationDone');
    await attached;
    return set;
  }

  /** Says goodbye, and waits for the other side to hang up. */
  async disconnect(args: object = {}): Promise<void> {
    await this.request('disconnect', args);
    await until(() => this.#closed, 'the end of the connection');
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Reads nothing more until `resume`. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  #read(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    for (;;) {
      const end = this.#buffer.indexOf('\r\n\r\n');
      if (end === -1) return;
      const length = Number(/Content-Length: (\d+)/i.exec(this.#buffer.toString('latin1', 0, end))?.[1]);
      if (!Number.isInteger(length)) throw new Error(`not a DAP header: ${this.#buffer.toString('latin1', 0, end)}`);
      if (this.#buffer.length < end + 4 + length) return;
      const text = this.#buffer.toString('utf8', end + 4, end + 4 + length);
      this.#buffer = this.#buffer.subarray(end + 4 + length);
      this.#message(JSON.parse(text) as DapMessage);
    }
  }

  async #asked(request: DapMessage): Promise<void> {
    const { onRequest } = this.#options;
    const { seq, command = '' } = request;
    if (onRequest === undefined) {
      this.violations.push(`an unexpected request "${command}"`);
      return;
    }
    const answer = await onRequest(command, request.arguments);
    if (answer === null) return;
    this.write(JSON.stringify({ seq: ++this.#seq, type: 'response', request_seq: seq, command, ...answer }));
  }

  #message(message: DapMessage): void {
    this.received.push(message);
    if (message.seq !== this.received.length)
      this.violations.push(`seq ${String(message.seq)} as message ${String(this.received.length)}`);
    for (const fault of this.#options.schema?.check(message) ?? []) this.violations.push(fault);
    for (const watcher of Array.from(this.#watchers)) watcher.offer(message);
    if (message.type === 'event') this.#options.onEvent?.(message.event ?? '', message.body);
    if (message.type === 'request') void this.#asked(message);
    if (message.type !== 'response') return;
    const seq = message.request_seq ?? -1;
    const waiter = this.#open.get(seq);
    if (waiter === undefined) {
      this.violations.push(`a response to ${String(seq)} (${String(message.command)}), which is not open`);
      return;
    }
    this.#open.delete(seq);
    if (waiter.command !== message.command)
      this.violations.push(`"${waiter.command}" answered as "${String(message.command)}"`);
    waiter.resolve(message);
  }
}
