/**
 * A stage for the session: an editor, a clock, and a debugpy that answers as pydevd does (or only when told to). What the
 * editor sees is kept as short lines: "attach ok", "next failed", "stopped {…}".
 */
import { isInteger, isObject, objects, type JsonObject } from '../../../src/dap/messages.ts';
import { Session } from '../../../src/dap/session.ts';
import type {
  SessionEvent,
  SessionInput,
  SessionOptions,
  SessionOutput,
  WorkerFacts,
} from '../../../src/dap/session-types.ts';

export interface Asked {
  readonly epoch: number;
  readonly seq: number;
  readonly command: string;
  readonly arguments: JsonObject;
}

export const FILE = '/w/app.py';

export class Stage {
  readonly session: Session;
  now = 1_000_000;
  /** What the editor received. */
  readonly lines: string[] = [];
  readonly bodies: { readonly name: string; readonly body: JsonObject; readonly at: number }[] = [];
  readonly events: SessionEvent[] = [];
  readonly asked: Asked[] = [];
  /** Responses per seq of the editor. */
  readonly answers = new Map<number, JsonObject[]>();
  readonly sent = new Map<number, string>();
  ended = 0;
  /** Epoch of the connection that is open or being opened. */
  epoch = 0;
  closing: number[] = [];
  /** Opens connections and answers requests at once. */
  auto = true;
  /** Commands that debugpy leaves unanswered. */
  mute = new Set<string>();
  adapter = false;
  capabilities: JsonObject = PYDEVD_CAPABILITIES;
  verify: (breakpoint: JsonObject) => JsonObject = (breakpoint) => ({ verified: true, line: breakpoint['line'] });
  #seq = 0;
  #breakpointIds = 0;

  constructor(options: Partial<SessionOptions> = {}) {
    this.session = new Session({
      name: 'shop',
      terminateOnDisconnect: false,
      windows: false,
      waitingFor: null,
      ...options,
    });
  }

  feed(input: SessionInput): void {
    this.#perform(this.session.handle(input, this.now));
  }

  /** Sends a request of the editor; gives its seq. */
  editor(command: string, args: JsonObject = {}): number {
    const seq = ++this.#seq;
    this.sent.set(seq, command);
    this.feed({ type: 'editor-request', request: { type: 'request', seq, command, arguments: args } });
    return seq;
  }

  /** The only response to a request. */
  answer(seq: number): JsonObject {
    const all = this.answers.get(seq) ?? [];
    if (all.length !== 1) throw new Error(`${String(all.length)} responses to ${String(this.sent.get(seq))}`);
    return all[0] ?? {};
  }

  attach(
    initialize: JsonObject = {},
    attach: JsonObject = {},
    breakpoints: readonly JsonObject[] = [{ line: 3 }],
  ): void {
    this.editor('initialize', {
      clientID: 'test',
      clientName: 'a test',
      supportsProgressReporting: true,
      ...initialize,
    });
    this.editor('attach', attach);
    this.editor('setBreakpoints', { source: { path: FILE }, breakpoints });
    this.editor('setExceptionBreakpoints', { filters: ['uncaught'] });
    this.editor('configurationDone');
  }

  up(generation: number, more: Partial<WorkerFacts> = {}): void {
    const worker: WorkerFacts = {
      name: `worker ${String(generation)}`,
      pid: generation,
      generation,
      pathMappings: [],
      seenAt: this.now - 140,
      startedAt: this.now - 200,
      ...more,
    };
    this.feed({ type: 'worker-up', worker });
  }

  down(generation: number, text = `worker ${String(generation)} exited`): void {
    this.feed({ type: 'worker-down', generation, reason: { text } });
  }

  /** The socket to debugpy ends. */
  cut(why = 'debugpy closed the connection'): void {
    this.feed({ type: 'upstream-closed', epoch: this.epoch, why });
  }

  /** Lets time pass, tick by tick as the session wants them. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (let wake = this.session.wakeAt; wake !== null && wake <= end; wake = this.session.wakeAt) {
      this.now = Math.max(this.now, wake);
      this.feed({ type: 'tick' });
      if (this.session.wakeAt !== null && this.session.wakeAt <= wake) throw new Error('the clock stands still');
    }
    this.now = end;
  }

  /** An event of debugpy. */
  event(event: string, body?: JsonObject): void {
    const message = { type: 'event' as const, event, ...(body === undefined ? {} : { body }) };
    this.feed({ type: 'upstream-message', epoch: this.epoch, message });
  }

  stop(threadId = 1, more: JsonObject = {}): void {
    this.event('stopped', { reason: 'breakpoint', threadId, allThreadsStopped: true, hitBreakpointIds: [0], ...more });
  }

  /** debugpy answers a request; `body` "failed": with a refusal. */
  reply(asked: Asked, body?: unknown, failure?: string): void {
    const message = {
      type: 'response' as const,
      request_seq: asked.seq,
      command: asked.command,
      success: failure === undefined,
      ...(failure === undefined ? {} : { message: failure }),
      ...(body === undefined ? {} : { body }),
    };
    this.feed({ type: 'upstream-message', epoch: asked.epoch, message });
  }

  /** The last request of that name that reached debugpy. */
  last(command: string): Asked {
    const found = this.asked.findLast((one) => one.command === command);
    if (found === undefined) throw new Error(`debugpy was not asked for ${command}`);
    return found;
  }

  /** Requests that reached debugpy on the present connection. */
  get replayed(): string[] {
    return this.asked.filter((one) => one.epoch === this.epoch).map((one) => one.command);
  }

  mark(): number {
    return this.lines.length;
  }

  since(mark: number): string[] {
    return this.lines.slice(mark);
  }

  bodiesOf(name: string): JsonObject[] {
    return this.bodies.filter((one) => one.name === name).map((one) => one.body);
  }

  #perform(outputs: readonly SessionOutput[]): void {
    for (const output of outputs) {
      switch (output.type) {
        case 'to-editor': {
          const { message } = output;
          const body = isObject(message.body) ? message.body : {};
          if (message.type === 'response') {
            const before = this.answers.get(message.request_seq) ?? [];
            this.answers.set(message.request_seq, [...before, { ...message }]);
            this.lines.push(`${message.command} ${message.success ? 'ok' : 'failed'}`);
            this.bodies.push({ name: message.command, body, at: this.now });
          } else {
            this.lines.push(describe(message.event, body));
            this.bodies.push({ name: message.event, body, at: this.now });
          }
          break;
        }
        case 'to-upstream': {
          const asked = { epoch: output.epoch, seq: output.seq, ...output.request };
          this.asked.push(asked);
          if (this.auto && !this.mute.has(asked.command)) this.#debugpy(asked);
          break;
        }
        case 'open':
          this.epoch = output.epoch;
          this.#breakpointIds = 0;
          if (this.auto) this.feed({ type: 'upstream-open', epoch: output.epoch });
          break;
        case 'close-upstream':
          this.closing.push(output.epoch);
          if (this.auto) this.feed({ type: 'upstream-closed', epoch: output.epoch, why: 'released' });
          break;
        case 'end-editor':
          this.ended += 1;
          break;
        case 'event':
          this.events.push(output.event);
          break;
        default:
          output satisfies never;
      }
    }
  }

  /** Answers as pydevd 1.8.22 does. */
  #debugpy(asked: Asked): void {
    switch (asked.command) {
      case 'initialize':
        return this.reply(asked, this.capabilities);
      case 'attach':
        this.event('process', { name: 'app.py', startMethod: 'attach' });
        this.event('initialized');
        if (!this.adapter) this.reply(asked);
        return;
      case 'configurationDone':
        this.event('thread', { reason: 'started', threadId: 1 });
        this.event('thread', { reason: 'started', threadId: 2 });
        this.reply(asked);
        if (this.adapter) this.reply(this.last('attach'));
        return;
      case 'threads':
        return this.reply(asked, {
          threads: [
            { id: 1, name: 'MainThread' },
            { id: 2, name: 'pool' },
          ],
        });
      case 'setBreakpoints':
      case 'setFunctionBreakpoints': {
        const breakpoints = objects(asked.arguments['breakpoints']).map((one) => ({
          id: this.#breakpointIds++,
          ...this.verify(one),
        }));
        return this.reply(asked, { breakpoints });
      }
      case 'stackTrace':
        return this.reply(asked, {
          stackFrames: [{ id: 3, name: 'f', line: 12, column: 1, source: { path: FILE } }],
          totalFrames: 1,
        });
      default:
        return this.reply(asked, asked.command === 'continue' ? { allThreadsContinued: true } : undefined);
    }
  }
}

export const PYDEVD_CAPABILITIES: JsonObject = {
  supportsCompletionsRequest: true,
  supportsConditionalBreakpoints: true,
  supportsDelayedStackTraceLoading: true,
  supportsEvaluateForHovers: true,
  supportsExceptionInfoRequest: true,
  supportsExceptionOptions: true,
  supportsFunctionBreakpoints: true,
  supportsHitConditionalBreakpoints: true,
  supportsLogPoints: true,
  supportsModulesRequest: true,
  supportsSetExpression: true,
  supportsSetVariable: true,
  supportsValueFormattingOptions: true,
  supportsGotoTargetsRequest: true,
  supportsClipboardContext: true,
  supportsStepInTargetsRequest: true,
  exceptionBreakpointFilters: [{ filter: 'raised' }, { filter: 'uncaught' }, { filter: 'userUnhandled' }],
};

function describe(event: string, body: JsonObject): string {
  switch (event) {
    case 'thread':
      return `thread ${String(body['reason'])} ${String(body['threadId'])}`;
    case 'stopped':
    case 'continued':
      return `${event} ${String(body['threadId'])}`;
    case 'output':
      return `output: ${String(body['output']).trim()}`;
    case 'breakpoint': {
      const breakpoint = isObject(body['breakpoint']) ? body['breakpoint'] : {};
      const line = isInteger(breakpoint['line']) ? `:${String(breakpoint['line'])}` : '';
      return `breakpoint ${String(breakpoint['id'])}${line} ${breakpoint['verified'] === true ? 'verified' : 'unverified'}`;
    }
    default:
      return event;
  }
}
