// Owns the connections to a target's port: how many there may be, which session each is for by what it says first
// (routing.ts), and who is refused. From then on what it says goes to that session.
import type { Socket } from 'node:net';
import { editorName } from './attach-arguments.ts';
import { capabilities } from './capabilities.ts';
import { EditorConnection, FIRST_MESSAGE_MS } from './editor-connection.ts';
import { GOODBYE_MS, type SessionKeeper } from './keeper.ts';
import type { DapRequest, DapResponse } from './messages.ts';
import { route, type Route } from './routing.ts';

export interface ConnectionsHost {
  readonly root: SessionKeeper;
  /** By number: the first one's is 0, from 1 on they are those of further workers. */
  readonly sessions: ReadonlyMap<number, SessionKeeper>;
  readonly options: () => {
    readonly name: string;
    readonly terminateOnDisconnect: boolean;
    /** How long a connection may take for its first message, ms; default 10,000. */
    readonly firstMessageMs?: number;
  };
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** The first session's editor answers a request of ours. */
  readonly onAnswer: (response: DapResponse) => void;
  readonly log: (level: 'info' | 'warn', text: string) => void;
}

/** Connections beside the editors'; when there are more the oldest has to go. */
const MAX_STRANGERS = 64;
/** How long one that is refused may take to read why, before it is hung up on. */
const REFUSAL_READ_MS = 300;

export class EditorConnections {
  readonly #host: ConnectionsHost;
  readonly #connections = new Set<EditorConnection>();
  /** Connections that have not said yet which session they belong to, with their `initialize`. */
  readonly #undecided = new Map<EditorConnection, DapRequest>();
  /** Since when the first session has had its editor, ms since the epoch. */
  #heldSince = 0;

  constructor(host: ConnectionsHost) {
    this.#host = host;
  }

  accept(socket: Socket): void {
    const strangers = [...this.#connections].filter((connection) => this.#sessionOf(connection) === null);
    if (strangers.length >= MAX_STRANGERS) strangers[0]?.destroy('too many connections');
    const connection: EditorConnection = new EditorConnection(
      socket,
      {
        request: (request) => {
          this.#request(connection, request);
        },
        response: (response) => {
          if (connection === this.#host.root.holder) this.#host.onAnswer(response);
        },
        gone: (why) => {
          this.#gone(connection, why);
        },
        drained: () => this.#sessionOf(connection)?.drained(),
      },
      this.#firstMessageMs,
    );
    this.#connections.add(connection);
  }

  /** Each is told goodbye, by force after that time. */
  finish(forceMs: number): void {
    for (const connection of this.#connections) connection.finish(forceMs);
  }

  get #firstMessageMs(): number {
    return this.#host.options().firstMessageMs ?? FIRST_MESSAGE_MS;
  }

  #sessionOf(connection: EditorConnection): SessionKeeper | null {
    for (const session of this.#host.sessions.values()) if (session.holder === connection) return session;
    return null;
  }

  #request(connection: EditorConnection, request: DapRequest): void {
    const own = this.#sessionOf(connection);
    if (own !== null) return own.request(request);
    const initialize = this.#undecided.get(connection) ?? null;
    this.#send(connection, request, initialize, this.#route(initialize, request));
  }

  #route(initialize: DapRequest | null, request: DapRequest): Route {
    const { root: first, sessions } = this.#host;
    const { holder, editor } = first;
    // One that asked for `initialize` and no more keeps nobody out for long.
    const waited = this.#host.now() - this.#heldSince > this.#firstMessageMs;
    const root =
      holder === null
        ? null
        : { client: editor?.client ?? 'another editor', idle: editor?.attached === false && waited };
    const further = [...sessions].filter(([, session]) => session !== first);
    const children = new Map(further.map(([slot, session]) => [slot, session.holder !== null]));
    return route({ root, children }, initialize, request, this.#host.options().name);
  }

  #send(connection: EditorConnection, request: DapRequest, initialize: DapRequest | null, way: Route): void {
    switch (way.to) {
      case 'root':
        if (way.replaces) this.#host.root.holder?.destroy('another editor came, and it had not attached');
        this.#heldSince = this.#host.now();
        return this.#hand(connection, request, this.#host.root, null);
      case 'child': {
        const session = this.#host.sessions.get(way.slot);
        if (session !== undefined) this.#hand(connection, request, session, initialize);
        return;
      }
      case 'undecided':
        this.#undecided.set(connection, request);
        connection.hearAttach();
        return connection.send([
          answer(request, { success: true, body: capabilities(this.#host.options().terminateOnDisconnect) }),
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
      this.#host.log('warn', `refused a second editor (${editorName(initialize.arguments)}): ${why}`);
  }

  #gone(connection: EditorConnection, why: string): void {
    this.#connections.delete(connection);
    this.#undecided.delete(connection);
    const session = this.#sessionOf(connection);
    if (session === null) return;
    this.#host.log('info', `the editor's connection ended: ${why}`);
    session.gone();
  }
}

function answer({ seq, command }: DapRequest, rest: Pick<DapResponse, 'success' | 'message' | 'body'>): DapResponse {
  return { type: 'response', request_seq: seq, command, ...rest };
}
