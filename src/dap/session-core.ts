// Owns the data of a session and the few moves that all its parts make: answer, announce, ask debugpy. Pure: what should
// happen outside is collected in `out`. Decides nothing.
import { BreakpointStore, type BreakpointList } from './breakpoints.ts';
import { ASSUMED, type KnownCapabilities } from './capabilities.ts';
import { Ids } from './ids.ts';
import { event, type DapEvent, type JsonObject } from './messages.ts';
import type { SessionEvent, SessionOptions, SessionOutput, WorkerFacts } from './session-types.ts';

/** The attached editor, from its `initialize` to its end. */
export interface Editor {
  /** `initialized`: no attach yet; `configuring`: until configurationDone; `leaving`: its disconnect is being answered;
   * `terminated`: it was told so, and its `disconnect` is awaited. */
  phase: 'initialized' | 'configuring' | 'running' | 'leaving' | 'terminated';
  readonly client: string;
  readonly initialize: JsonObject;
  /** visualstudio and vsformac misbehave on `continued` events. */
  readonly hearsContinued: boolean;
  readonly hasProgress: boolean;
  /** VS Code shows progress as a notification, over what one works on; others in a line of their own. */
  readonly progressPopsUp: boolean;
  attachKey: number | null;
  /** When it attached: what was ready before did not take it any time. */
  attachedAt: number;
  attachArguments: JsonObject;
  /** Requests without a response yet, by a number of ours: an editor may use a `seq` twice. */
  readonly open: Map<number, { readonly seq: number; readonly command: string }>;
  /** Breakpoint requests that wait for a worker that is just being attached. */
  held: { readonly key: number; readonly list: BreakpointList }[];
  readonly breakpoints: BreakpointStore;
  debuggerProperties: JsonObject | null;
  readonly sourceMaps: Map<string, JsonObject>;
  capabilities: KnownCapabilities;
  /** When it is let go in phase `leaving` or `terminated`, come what may. */
  leaveBy: number | null;
  disconnectKey: number | null;
  saidTerminated: boolean;
}

/** A request that debugpy has not answered. */
export type Pending =
  | { readonly role: 'initialize' | 'attach' | 'start' | 'threads' | 'quiet'; readonly command: string }
  | { readonly role: 'list'; readonly command: string; readonly list: BreakpointList; readonly keys: readonly number[] }
  | {
      readonly role: 'editor';
      readonly command: string;
      readonly key: number;
      /** Makes sense only while the thread is stopped; pydevd may forget it when the thread runs on. */
      readonly needsStop: boolean;
      /** The editor's id of the thread that a `stackTrace` from the top is about. */
      readonly topOf: number | null;
      deadline: number | null;
    };

/** One connection to a debugpy. */
export interface Upstream {
  readonly epoch: number;
  readonly worker: WorkerFacts;
  /** `configuring`: it takes breakpoints; `starting`: everything is sent; `ready`: all is answered, the editor does not
   * know of it yet; `live`. */
  phase: 'opening' | 'attaching' | 'configuring' | 'starting' | 'ready' | 'live';
  readonly openedAt: number;
  seq: number;
  readonly pending: Map<number, Pending>;
  capabilities: KnownCapabilities;
  /** Editor's ids and names. */
  readonly threads: Map<number, string>;
  readonly modules: Map<number, JsonObject>;
  readonly stopped: Set<number>;
  /** debugpy's events from before `live`. */
  held: DapEvent[];
  heldBytes: number;
  dropped: number;
  process: JsonObject | null;
  /** When an unanswered handshake counts as a lost worker. */
  deadline: number | null;
  /** Until then breakpoint requests wait for the handshake. */
  readonly holdUntil: number;
}

/** What is still to be told about a worker that is gone. */
export interface Loss {
  readonly generation: number;
  readonly name: string;
  readonly threads: readonly number[];
  readonly modules: readonly JsonObject[];
  readonly where: string | null;
  /** When the threads end for the editor. */
  readonly exitAt: number;
  exitTold: boolean;
  /** Null: not known yet; after `verdictAt` the connection alone is to blame. */
  text: string | null;
  readonly why: string;
  readonly verdictAt: number;
}

/** An attached editor has no worker. */
export interface Waiting {
  readonly since: number;
  /** When breakpoints lose their mark; null: done. */
  unverifyAt: number | null;
  /** When the progress starts or gets its next message; null: it was cancelled. */
  progressAt: number | null;
  progressId: string | null;
}

export class Core {
  options: SessionOptions;
  now = 0;
  out: SessionOutput[] = [];
  readonly ids = new Ids();
  editor: Editor | null = null;
  worker: WorkerFacts | null = null;
  upstream: Upstream | null = null;
  loss: Loss | null = null;
  waiting: Waiting | null = null;
  /** The connection that is being closed after its editor left. */
  closing: number | null = null;
  /** The last worker whose connection ended without a word: it may have been left stopped. */
  cutGeneration: number | null = null;
  /** "app.py:12 (breakpoint)". */
  stoppedAt: string | null = null;
  stopReason = '';
  epoch = 0;
  #keys = 0;
  #progressIds = 0;

  constructor(options: SessionOptions) {
    this.options = options;
  }

  newEditor(initialize: JsonObject, client: string): Editor {
    const id = initialize['clientID'];
    this.editor = {
      phase: 'initialized',
      client,
      initialize,
      hearsContinued: id !== 'visualstudio' && id !== 'vsformac',
      hasProgress: initialize['supportsProgressReporting'] === true && this.options.child !== true,
      progressPopsUp: id === 'vscode',
      attachKey: null,
      attachedAt: 0,
      attachArguments: {},
      open: new Map(),
      held: [],
      breakpoints: new BreakpointStore(),
      debuggerProperties: null,
      sourceMaps: new Map(),
      capabilities: ASSUMED,
      leaveBy: null,
      disconnectKey: null,
      saidTerminated: false,
    };
    return this.editor;
  }

  /** A number for a request that must get a response. */
  opened(editor: Editor, seq: number, command: string): number {
    const key = ++this.#keys;
    editor.open.set(key, { seq, command });
    return key;
  }

  /** Answers a request with success, unless it has its answer. */
  respond(key: number, body?: unknown): void {
    this.#answer(key, true, undefined, body);
  }

  /** Answers with failure. No `showUser`: that pops up a dialog. */
  fail(key: number, message: string, body?: unknown): void {
    this.#answer(key, false, message, body);
  }

  #answer(key: number, success: boolean, message: string | undefined, body: unknown): void {
    const request = this.editor?.open.get(key);
    if (request === undefined) return;
    this.editor?.open.delete(key);
    this.out.push({
      type: 'to-editor',
      message: {
        type: 'response',
        request_seq: request.seq,
        command: request.command,
        success,
        ...(message === undefined ? {} : { message }),
        ...(body === undefined ? {} : { body }),
      },
    });
  }

  tell(name: string, body?: JsonObject): void {
    if (this.editor === null) return;
    this.out.push({ type: 'to-editor', message: event(name, body) });
  }

  console(text: string): void {
    this.tell('output', { category: 'console', output: `${text}\n` });
  }

  announce(what: SessionEvent): void {
    this.out.push({ type: 'event', event: what });
  }

  log(level: 'debug' | 'info' | 'warn', text: string): void {
    this.announce({ type: 'log', level, text });
  }

  /** Sends a request to debugpy. */
  ask(upstream: Upstream, args: JsonObject, pending: Pending): void {
    const seq = ++upstream.seq;
    upstream.pending.set(seq, pending);
    this.out.push({
      type: 'to-upstream',
      epoch: upstream.epoch,
      seq,
      request: { command: pending.command, arguments: args },
    });
  }

  setStopped(where: string | null): void {
    if (this.stoppedAt === where) return;
    this.stoppedAt = where;
    this.announce({ type: 'stopped', where });
  }

  nextProgressId(): string {
    return `debugwand-${String(++this.#progressIds)}`;
  }
}
