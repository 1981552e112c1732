// Owns the stable port of a target: the sockets that listen, and which debug session each connection belongs to: the
// first one (number 0), or the one of a further worker (from 1). What a session does is keeper.ts.
import type { Socket } from 'node:net';
import { editorName } from './attach-arguments.ts';
import { capabilities } from './capabilities.ts';
import { childConfiguration, childWay } from './child-session.ts';
import { EditorConnection, FIRST_MESSAGE_MS } from './editor-connection.ts';
import { PortListener } from './editor-listener.ts';
import { event, type DapRequest, type DapResponse } from './messages.ts';
import { route, type Route } from './routing.ts';
import { GOODBYE_MS, SessionKeeper, type WorkerLink } from './keeper.ts';
import type { LossReason, SessionEvent, SessionOptions, SessionReport } from './session-types.ts';
import { StopAll } from './stop-all.ts';

export type { WorkerLink } from './keeper.ts';

export interface EditorPortOptions {
  /** Of the target: for people. */
  readonly name: string;
  /** On 127.0.0.1 and ::1. 0: any free one (tests). */
  readonly port: number;
  readonly terminateOnDisconnect: boolean;
  /** A stop in one worker stops the others. Default: false. */
  readonly stopAll?: boolean;
  /** What the target waits for while no worker is there: "container `api` is stopped". */
  readonly waitingFor?: string | null;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** How long a connection may take for its first message, in milliseconds; default 10,000. */
  readonly firstMessageMs?: number;
}

export type EditorPortEvent =
  | { readonly type: 'listening'; readonly port: number }
  /** The editor said that it opens no session for a further worker. */
  | { readonly type: 'child-refused'; readonly why: string }
  | SessionEvent;

/** Connections beside the editors'; when there are more the oldest has to go. */
const MAX_STRANGERS = 64;
const ROOT = 0;
/** How long one that is refused may take to read why, before it is hung up on. */
const REFUSAL_READ_MS = 300;

export class EditorPort {
  #options: EditorPortOptions;
  readonly #onEvent: (event: EditorPortEvent, slot: number) => void;
  readonly #sessions = new Map<number, SessionKeeper>();
  readonly #root: SessionKeeper;
  readonly #listener: PortListener;
  readonly #connections = new Set<EditorConnection>();
  /** Connections that have not said yet which session they belong to, with their `initialize`. */
  readonly #undecided = new Map<EditorConnection, DapRequest>();
  /** Sessions asked for by a request of ours, by its seq. */
  readonly #asked = new Map<number, number>();
  readonly #stopAll = new StopAll();
  #heldSince = 0;
  #port = 0;
  #closed = false;

  /** `onEvent` gets the number of the session with each event. */
  constructor(options: EditorPortOptions, onEvent: (event: EditorPortEvent, slot: number) => void) {
    this.#options = options;
    this.#onEvent = onEvent;
    this.#root = this.#newSession(ROOT);
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
    this.#onEvent({ type: 'listening', port: this.#port }, ROOT);
  }

  /** A worker can be debugged from now on; it takes the place of the one that the session had before. */
  workerUp(link: WorkerLink, slot = ROOT): void {
    (this.#sessions.get(slot) ?? this.#newSession(slot)).workerUp(link);
  }

  /** A worker is gone, or no longer to be debugged: it is let go if it can still be reached. */
  workerDown(generation: number, reason: LossReason, slot = ROOT): void {
    this.#sessions.get(slot)?.workerDown(generation, reason);
  }

  /** Asks the editor of the first session for one more. `name`: for people. It comes as a connection, or never. */
  openChild(slot: number, name: string): void {
    const { holder, editor } = this.#root;
    if (holder === null || editor === null) return;
    if (!this.#sessions.has(slot)) this.#newSession(slot);
    const configuration = childConfiguration(editor.attachArguments, { name, slot, port: this.#port });
    if (childWay(editor.initialize, editor.attachArguments) === 'startDebugging') {
      this.#asked.set(holder.ask('startDebugging', { request: 'attach', configuration }), slot);
    } else {
      holder.send([event('debugpyAttach', configuration)]);
    }
  }

  /** Ends the session of a further worker, if it has an editor; the number is known no more. */
  endChild(slot: number): void {
    const session = this.#sessions.get(slot);
    if (session === undefined || slot === ROOT) return;
    this.#sessions.delete(slot);
    void session.close();
  }

  /** A line for the debug console of the first session. */
  say(text: string): void {
    this.#root.say(text);
  }

  /** New settings; the port itself cannot change. */
  update(options: Partial<Omit<EditorPortOptions, 'port' | 'now'>>): void {
    this.#options = { ...this.#options, ...options };
    if (this.#options.stopAll !== true) this.#stopAll.forget();
    for (const [slot, session] of this.#sessions) session.update(sessionOptions(this.#options, slot));
  }

  /** Of the first session. */
  report(): SessionReport {
    return this.#root.report();
  }

  /** Editors get `terminated` and their end, workers are let go first; takes at most about a second. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const ends = [...this.#sessions.values()].map((session) => session.close());
    for (const connection of this.#connections) connection.finish(GOODBYE_MS);
    await Promise.all([...ends, this.#listener.close()]);
  }

  #newSession(slot: number): SessionKeeper {
    const session = new SessionKeeper(
      sessionOptions(this.#options, slot),
      () => this.#now(),
      (what) => {
        this.#onSession(what, slot);
      },
    );
    this.#sessions.set(slot, session);
    return session;
  }

  #onSession(what: SessionEvent, slot: number): void {
    this.#onEvent(what, slot);
    if (what.type === 'stopped' && this.#options.stopAll === true) this.#moved(slot, what.where !== null);
    // Whoever leaves the first session has left them all.
    if (what.type !== 'editor' || what.connected || slot !== ROOT) return;
    this.#asked.clear();
    for (const one of this.#sessions.keys()) this.endChild(one);
  }

  #moved(slot: number, stopped: boolean): void {
    const { stop, run } = this.#stopAll.moved(slot, stopped, [...this.#sessions.keys()]);
    for (const one of stop) this.#sessions.get(one)?.run(false);
    for (const one of run) this.#sessions.get(one)?.run(true);
  }

  #accept(socket: Socket): void {
    if (this.#closed) {
      socket.destroy();
      return;
    }
    const strangers = [...this.#connections].filter((connection) => this.#sessionOf(connection) === null);
    if (strangers.length >= MAX_STRANGERS) strangers[0]?.destroy('too many connections');
    const connection: EditorConnection = new EditorConnection(
      socket,
      {
        request: (request) => {
          this.#request(connection, request);
        },
        response: (response) => {
          if (connection === this.#root.holder) this.#answered(response);
        },
        gone: (why) => {
          this.#gone(connection, why);
        },
        drained: () => this.#sessionOf(connection)?.drained(),
      },
      this.#options.firstMessageMs ?? FIRST_MESSAGE_MS,
    );
    this.#connections.add(connection);
  }

  #sessionOf(connection: EditorConnection): SessionKeeper | null {
    for (const session of this.#sessions.values()) if (session.holder === connection) return session;
    return null;
  }

  #request(connection: EditorConnection, request: DapRequest): void {
    const own = this.#sessionOf(connection);
    if (own !== null) return own.request(request);
    const initialize = this.#undecided.get(connection) ?? null;
    this.#send(connection, request, initialize, this.#route(initialize, request));
  }

  #route(initialize: DapRequest | null, request: DapRequest): Route {
    const { holder, editor } = this.#root;
    // One that asked for `initialize` and no more keeps nobody out for long.
    const waited = this.#now() - this.#heldSince > (this.#options.firstMessageMs ?? FIRST_MESSAGE_MS);
    const root =
      holder === null
        ? null
        : { client: editor?.client ?? 'another editor', idle: editor?.attached === false && waited };
    const children = [...this.#sessions].filter(([slot]) => slot !== ROOT);
    const held = new Map(children.map(([slot, session]) => [slot, session.holder !== null]));
    return route({ root, children: held }, initialize, request, this.#options.name);
  }

  #send(connection: EditorConnection, request: DapRequest, initialize: DapRequest | null, way: Route): void {
    switch (way.to) {
      case 'root':
        if (way.replaces) this.#root.holder?.destroy('another editor came, and it had not attached');
        this.#heldSince = this.#now();
        return this.#hand(connection, request, this.#root, null);
      case 'child': {
        const session = this.#sessions.get(way.slot);
        if (session !== undefined) this.#hand(connection, request, session, initialize);
        return;
      }
      case 'undecided':
        this.#undecided.set(connection, request);
        connection.hearAttach();
        return connection.send([
          answer(request, { success: true, body: capabilities(this.#options.terminateOnDisconnect) }),
        ]);
      case 'end':
        connection.send([answer(request, { success: true })]);
        return connection.finish(GOODBYE_MS);
      case 'nowhere':
        return this.#refuse(connection, request, initialize ?? request, way.why);
      default:
        return way satisfies never;
    }
  }

  #hand(
    connection: EditorConnection,
    request: DapRequest,
    session: SessionKeeper,
    initialize: DapRequest | null,
  ): void {
    this.#undecided.delete(connection);
    session.hold(connection, initialize);
    connection.accept();
    session.request(request);
  }

  #refuse(connection: EditorConnection, request: DapRequest, initialize: DapRequest, why: string): void {
    const body = { error: { id: 1, format: why, showUser: true } };
    connection.send([answer(request, { success: false, message: why, body })]);
    connection.finish(GOODBYE_MS, REFUSAL_READ_MS);
    // What it asks for meanwhile is no news: dape says goodbye.
    if (request.command === 'initialize' || request.command === 'attach')
      this.#log('warn', `refused a second editor (${editorName(initialize.arguments)}): ${why}`);
  }

  #answered(response: DapResponse): void {
    const slot = this.#asked.get(response.request_seq);
    if (slot === undefined) return;
    this.#asked.delete(response.request_seq);
    if (response.success) return;
    this.#onEvent({ type: 'child-refused', why: response.message ?? 'it gave no reason' }, slot);
  }

  #gone(connection: EditorConnection, why: string): void {
    this.#connections.delete(connection);
    this.#undecided.delete(connection);
    const session = this.#sessionOf(connection);
    if (session === null) return;
    this.#log('info', `the editor's connection ended: ${why}`);
    session.gone();
  }

  #log(level: 'debug' | 'info' | 'warn', text: string): void {
    this.#onEvent({ type: 'log', level, text }, ROOT);
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now();
  }
}

function answer({ seq, command }: DapRequest, rest: Pick<DapResponse, 'success' | 'message' | 'body'>): DapResponse {
  return { type: 'response', request_seq: seq, command, ...rest };
}

function sessionOptions(options: EditorPortOptions, slot: number): SessionOptions {
  const child = slot !== ROOT;
  return {
    name: options.name,
    // The app's end is the first session's to ask for.
    terminateOnDisconnect: options.terminateOnDisconnect && !child,
    windows: process.platform === 'win32',
    waitingFor: child ? null : (options.waitingFor ?? null),
    child,
  };
}
