// Owns the stable port of a target and its debug sessions: the first one (number 0), and those of further workers (from 1).
// Which session a connection is for is editor-connections.ts, what a session does keeper.ts.
import type { Socket } from 'node:net';
import { childConfiguration, childWay } from './child-session.ts';
import { EditorConnections } from './editor-connections.ts';
import { PortListener } from './editor-listener.ts';
import { event, type DapResponse } from './messages.ts';
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
  /** `along`: because another worker stopped, whose stop is the one to look at. */
  | (Extract<SessionEvent, { type: 'stopped' }> & { readonly along: boolean })
  | Exclude<SessionEvent, { type: 'stopped' }>;

const ROOT = 0;

export class EditorPort {
  #options: EditorPortOptions;
  readonly #onEvent: (event: EditorPortEvent, slot: number) => void;
  readonly #sessions = new Map<number, SessionKeeper>();
  readonly #root: SessionKeeper;
  readonly #listener: PortListener;
  readonly #connections: EditorConnections;
  /** Sessions asked for by a request of ours, by its seq. */
  readonly #asked = new Map<number, number>();
  /** Sessions of further workers that are being ended. */
  readonly #ending = new Set<Promise<void>>();
  readonly #stopAll = new StopAll();
  #port = 0;
  #closed = false;

  /** `onEvent` gets the number of the session with each event. */
  constructor(options: EditorPortOptions, onEvent: (event: EditorPortEvent, slot: number) => void) {
    this.#options = options;
    this.#onEvent = onEvent;
    this.#root = this.#newSession(ROOT);
    this.#connections = new EditorConnections({
      root: this.#root,
      sessions: this.#sessions,
      options: () => this.#options,
      now: () => this.#now(),
      onAnswer: (response) => {
        this.#answered(response);
      },
      log: (level, text) => {
        this.#onEvent({ type: 'log', level, text }, ROOT);
      },
    });
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
    const end = session.close().finally(() => this.#ending.delete(end));
    this.#ending.add(end);
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
    this.#connections.finish(GOODBYE_MS);
    await Promise.all([...ends, ...this.#ending, this.#listener.close()]);
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
    // It was on its way when all were let go. Taken for a new one it would stop the others, whose stops would stop it, …
    if (what.type === 'stopped' && what.where !== null && this.#sessions.get(slot)?.runsOn === true) return;
    this.#onEvent(what.type === 'stopped' ? { ...what, along: this.#isAlong(slot) } : what, slot);
    if (what.type === 'stopped' && this.#options.stopAll === true) this.#moved(slot, what.where !== null);
    // Whoever leaves the first session has left them all.
    if (what.type !== 'editor' || what.connected || slot !== ROOT) return;
    this.#asked.clear();
    for (const one of this.#sessions.keys()) this.endChild(one);
  }

  /** One that came to a breakpoint of its own before it was told to stop did so by itself. */
  #isAlong(slot: number): boolean {
    return this.#stopAll.isAlong(slot) && this.#sessions.get(slot)?.isPaused === true;
  }

  #moved(slot: number, stops: boolean): void {
    const move = stops ? 'stops' : this.#sessions.get(slot)?.isLive === true ? 'runs' : 'ends';
    const { stop, run } = this.#stopAll.moved(slot, move, [...this.#sessions.keys()]);
    for (const one of stop) this.#sessions.get(one)?.run(false);
    for (const one of run) {
      this.#sessions.get(one)?.run(true);
      // With the one that they were stopped for: by themselves they are at no place to be told of.
      this.#onEvent({ type: 'stopped', where: null, along: false }, one);
    }
  }

  #accept(socket: Socket): void {
    if (this.#closed) socket.destroy();
    else this.#connections.accept(socket);
  }

  #answered(response: DapResponse): void {
    const slot = this.#asked.get(response.request_seq);
    if (slot === undefined) return;
    this.#asked.delete(response.request_seq);
    if (response.success) return;
    this.#onEvent({ type: 'child-refused', why: response.message ?? 'it gave no reason' }, slot);
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now();
  }
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
