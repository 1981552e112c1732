// Owns one debug session at run time: its editor's connection, the connection to the present worker, and the clock of the
// state machine between the two. Decides nothing about the debugging itself (session.ts), nor who its editor is
// (editor-port.ts).
import type { Duplex } from 'node:stream';
import { messageOf } from '../lib/errors.ts';
import type { EditorConnection } from './editor-connection.ts';
import type { DapRequest, Outgoing } from './messages.ts';
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

/** How long a connection may take to be read to its end by the other side, ms. */
export const GOODBYE_MS = 1000;

export class SessionKeeper {
  readonly #onEvent: (event: SessionEvent) => void;
  readonly #now: () => number;
  readonly #session: Session;
  readonly #links = new Map<number, WorkerLink>();
  readonly #upstreams = new Map<number, UpstreamConnection>();
  readonly #inputs: SessionInput[] = [];
  #running = false;
  #holder: EditorConnection | null = null;
  #timer: NodeJS.Timeout | null = null;
  #wakeAt: number | null = null;
  #closed = false;

  /** `now`: milliseconds since the epoch. */
  constructor(options: SessionOptions, now: () => number, onEvent: (event: SessionEvent) => void) {
    this.#onEvent = onEvent;
    this.#now = now;
    this.#session = new Session(options);
  }

  /** The connection of its editor. */
  get holder(): EditorConnection | null {
    return this.#holder;
  }

  get editor(): Session['editor'] {
    return this.#session.editor;
  }

  /** Its editor knows of a worker. */
  get isLive(): boolean {
    return this.#session.isLive;
  }

  /** Its worker stopped because it was asked to. */
  get isPaused(): boolean {
    return this.#session.isPaused;
  }

  /** Its worker was told to run on: a stop that it tells of now is over. */
  get runsOn(): boolean {
    return this.#session.runsOn;
  }

  /** Takes a connection as its editor's; the one before must be gone. `initialize`: what it was answered already. */
  hold(connection: EditorConnection, initialize: DapRequest | null = null): void {
    this.#holder = connection;
    if (initialize !== null) this.#feed({ type: 'editor-adopted', initialize: initialize.arguments });
  }

  /** A line for the editor's debug console. */
  say(text: string): void {
    this.#feed({ type: 'say', text });
  }

  /** Stops all threads of a worker that runs, or lets them go on. */
  run(runs: boolean): void {
    this.#feed({ type: 'run', runs });
  }

  /** Its editor's connection ended. */
  gone(): void {
    this.#holder = null;
    this.#feed({ type: 'editor-gone' });
  }

  request(request: DapRequest): void {
    this.#feed({ type: 'editor-request', request });
    for (const upstream of this.#upstreams.values()) if (upstream.congested) this.#holder?.pause(true);
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

  update(options: SessionOptions): void {
    this.#session.update(options);
  }

  report(): SessionReport {
    return this.#session.report();
  }

  /** The editor has read what was too much. */
  drained(): void {
    this.#setPaused(false);
  }

  /** The editor gets `terminated` and its end, the worker is let go first; takes at most about a second. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#feed({ type: 'close' });
    if (this.#timer !== null) clearTimeout(this.#timer);
    const upstreams = [...this.#upstreams.values()];
    for (const upstream of upstreams) upstream.release('disconnect');
    await Promise.all(upstreams.map((upstream) => upstream.closed));
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
}
