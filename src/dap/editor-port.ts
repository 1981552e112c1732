// Owns the stable port of a target: the sockets that listen, who on them is the editor, the connection to the present
// worker, and the clock of the session between the two. Decides nothing about the debugging itself: session.ts.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { messageOf } from '../lib/errors.ts';
import { editorName } from './attach-arguments.ts';
import { EditorConnection, FIRST_MESSAGE_MS } from './editor-connection.ts';
import type { DapRequest, Outgoing } from './messages.ts';
import { PortListener } from './editor-listener.ts';
import { Session } from './session.ts';
import type {
  LossReason,
  SessionEvent,
  SessionInput,
  SessionOptions,
  SessionOutput,
  SessionReport,
  WorkerFacts,
} from './session-types.ts';
import { UpstreamConnection } from './upstream.ts';

/** A worker that can be debugged, and the way to its debugpy. */
export interface WorkerLink extends WorkerFacts {
  /** Bytes to and from debugpy. Called when an editor is attached; not before, and never twice at a time. */
  open(signal: AbortSignal): Promise<Duplex>;
}

export interface EditorPortOptions {
  /** Of the target: for people. */
  readonly name: string;
  /** On 127.0.0.1 and ::1. 0: any free one (tests). */
  readonly port: number;
  readonly terminateOnDisconnect: boolean;
  /** What the target waits for while no worker is there: "container `api` is stopped". */
  readonly waitingFor?: string | null;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** How long a connection may take for its first message, in milliseconds; default 10,000. */
  readonly firstMessageMs?: number;
}

export type EditorPortEvent = { readonly type: 'listening'; readonly port: number } | SessionEvent;

/** Connections beside the editor's; when there are more the oldest has to go. */
const MAX_STRANGERS = 64;
const GOODBYE_MS = 1000;

export class EditorPort {
  #options: EditorPortOptions;
  readonly #onEvent: (event: EditorPortEvent) => void;
  readonly #session: Session;
  readonly #listener: PortListener;
  readonly #connections = new Set<EditorConnection>();
  readonly #links = new Map<number, WorkerLink>();
  readonly #upstreams = new Map<number, UpstreamConnection>();
  readonly #inputs: SessionInput[] = [];
  #running = false;
  #holder: EditorConnection | null = null;
  #heldSince = 0;
  #port = 0;
  #timer: NodeJS.Timeout | null = null;
  #wakeAt: number | null = null;
  #closed = false;

  constructor(options: EditorPortOptions, onEvent: (event: EditorPortEvent) => void) {
    this.#options = options;
    this.#onEvent = onEvent;
    this.#session = new Session(sessionOptions(options));
    this.#listener = new PortListener((socket) => {
      this.#accept(socket);
    });
  }

  /** The port in use; 0 before `listen`. */
  get port(): number {
    return this.#port;
  }

  /**
   * Binds the port on 127.0.0.1, and on ::1 where there is such a thing.
   * @throws DebugwandError `port-taken` naming who has it, `port-denied`; the signal's reason
   */
  async listen(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const otherwise = `give the target "${this.#options.name}" another port (\`port\` in the config, or --port)`;
    const port = this.#closed ? null : await this.#listener.bind(this.#options.port, otherwise);
    if (port === null || this.#closed || signal.aborted) {
      // It may have come to an end while it was bound: that end saw no listener yet.
      await Promise.all([this.#listener.close(), this.close()]);
      signal.throwIfAborted();
      throw new Error('the port was closed');
    }
    this.#port = port;
    signal.addEventListener('abort', () => void this.close(), { once: true });
    this.#onEvent({ type: 'listening', port: this.#port });
  }

  /** A worker can be debugged from now on; it takes the place of the one before. */
  workerUp(link: WorkerLink): void {
    this.#links.clear();
    this.#links.set(link.generation, link);
    this.#feed({ type: 'worker-up', worker: link });
  }

  /** A worker is gone, or no longer to be debugged: it is let go if it can still be reached. */
  workerDown(generation: number, reason: LossReason): void {
    this.#links.delete(generation);
    this.#feed({ type: 'worker-down', generation, reason });
  }

  /** New settings; the port itself cannot change. */
  update(options: Partial<Omit<EditorPortOptions, 'port' | 'now'>>): void {
    this.#options = { ...this.#options, ...options };
    this.#session.update(sessionOptions(this.#options));
  }

  report(): SessionReport {
    return this.#session.report();
  }

  /** The editor gets `terminated` and its end, the worker is let go first; takes at most about a second. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#feed({ type: 'close' });
    if (this.#timer !== null) clearTimeout(this.#timer);
    const upstreams = [...this.#upstreams.values()];
    for (const upstream of upstreams) upstream.release('disconnect');
    for (const connection of this.#connections) connection.finish(GOODBYE_MS);
    await Promise.all([...upstreams.map((upstream) => upstream.closed), this.#listener.close()]);
  }

  #accept(socket: Socket): void {
    if (this.#closed) {
      socket.destroy();
      return;
    }
    const strangers = [...this.#connections].filter((connection) => connection !== this.#holder);
    if (strangers.length >= MAX_STRANGERS) strangers[0]?.destroy('too many connections');
    const connection: EditorConnection = new EditorConnection(
      socket,
      {
        request: (request) => this.#request(connection, request),
        gone: (why) => this.#gone(connection, why),
        drained: () => this.#setPaused(false),
      },
      this.#options.firstMessageMs ?? FIRST_MESSAGE_MS,
    );
    this.#connections.add(connection);
  }

  #request(connection: EditorConnection, request: DapRequest): void {
    if (connection !== this.#holder) {
      if (this.#holder !== null && !this.#mayReplace()) return this.#refuse(connection, request);
      if (this.#holder !== null) this.#holder.destroy('another editor came, and it had not attached');
      this.#holder = connection;
      this.#heldSince = this.#now();
      connection.accept();
    }
    this.#feed({ type: 'editor-request', request });
    for (const upstream of this.#upstreams.values()) if (upstream.congested) connection.pause(true);
  }

  /** One that asked for `initialize` and no more keeps nobody out for long. */
  #mayReplace(): boolean {
    const waited = this.#now() - this.#heldSince;
    return this.#session.editor?.attached === false && waited > (this.#options.firstMessageMs ?? FIRST_MESSAGE_MS);
  }

  #refuse(connection: EditorConnection, request: DapRequest): void {
    const first = this.#session.editor?.client ?? 'another editor';
    const format =
      `${first} is attached to "${this.#options.name}" already, and one editor at a time can be: ` +
      'end its debug session first';
    const body = { error: { id: 1, format, showUser: true } };
    const { seq, command } = request;
    connection.send([{ type: 'response', request_seq: seq, command, success: false, message: format, body }]);
    connection.finish(GOODBYE_MS);
    this.#log('warn', `refused a second editor (${editorName(request.arguments)}): ${first} is attached`);
  }

  #gone(connection: EditorConnection, why: string): void {
    this.#connections.delete(connection);
    if (connection !== this.#holder) return;
    this.#holder = null;
    this.#log('info', `the editor's connection ended: ${why}`);
    this.#feed({ type: 'editor-gone' });
  }

  /** Hands the session what happened, one at a time, and does what it says. */
  #feed(input: SessionInput): void {
    this.#inputs.push(input);
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      try {
        this.#perform(this.#session.handle(next, this.#now()));
      } catch (error) {
        // A fault of ours ends one debug session, not the daemon with all its targets.
        this.#log('warn', `fault in the session keeper (${next.type}): ${messageOf(error)}`);
        this.#holder?.destroy('fault in the session keeper');
      }
    }
    this.#running = false;
    this.#schedule();
  }

  #perform(outputs: readonly SessionOutput[]): void {
    const holder = this.#holder;
    let messages: Outgoing[] = [];
    const flush = (): void => {
      if (messages.length > 0) holder?.send(messages);
      messages = [];
    };
    for (const output of outputs) {
      if (output.type === 'to-editor') {
        messages.push(output.message);
        continue;
      }
      flush();
      switch (output.type) {
        case 'to-upstream':
          this.#upstreams.get(output.epoch)?.send(output.seq, output.request.command, output.request.arguments);
          break;
        case 'open':
          this.#open(output.epoch, output.generation);
          break;
        case 'close-upstream':
          this.#upstreams.get(output.epoch)?.release(output.how);
          break;
        case 'end-editor':
          this.#holder = null;
          holder?.finish(GOODBYE_MS);
          break;
        case 'event':
          this.#onEvent(output.event);
          break;
        default:
          output satisfies never;
      }
    }
    flush();
    if (holder?.congested === true) this.#setPaused(true);
  }

  #open(epoch: number, generation: number): void {
    const link = this.#links.get(generation);
    const after = Promise.all([...this.#upstreams.values()].map((upstream) => upstream.closed));
    const upstream = new UpstreamConnection({
      opened: () => this.#feed({ type: 'upstream-open', epoch }),
      message: (message) => this.#feed({ type: 'upstream-message', epoch, message }),
      oversized: (requestSeq, bytes) => this.#feed({ type: 'upstream-oversized', epoch, requestSeq, bytes }),
      closed: (why) => {
        this.#upstreams.delete(epoch);
        this.#holder?.pause(false);
        this.#feed({ type: 'upstream-closed', epoch, why });
      },
      drained: () => this.#holder?.pause(false),
    });
    this.#upstreams.set(epoch, upstream);
    const open = link === undefined ? () => Promise.reject(new Error('the worker is gone')) : link.open.bind(link);
    void upstream.connect(open, after);
  }

  #setPaused(paused: boolean): void {
    for (const upstream of this.#upstreams.values()) upstream.pause(paused);
  }

  #schedule(): void {
    const { wakeAt } = this.#session;
    if (wakeAt === this.#wakeAt) return;
    this.#wakeAt = wakeAt;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (wakeAt === null || this.#closed) return;
    this.#timer = setTimeout(() => this.#wake(), Math.max(1, wakeAt - this.#now()));
  }

  #wake(): void {
    this.#wakeAt = null;
    this.#feed({ type: 'tick' });
  }

  #log(level: 'debug' | 'info' | 'warn', text: string): void {
    this.#onEvent({ type: 'log', level, text });
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now();
  }
}

function sessionOptions(options: EditorPortOptions): SessionOptions {
  return {
    name: options.name,
    terminateOnDisconnect: options.terminateOnDisconnect,
    windows: process.platform === 'win32',
    waitingFor: options.waitingFor ?? null,
  };
}
