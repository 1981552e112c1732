// Owns the session keeper's state machine: one editor session across many workers. Pure: no sockets, no clock; `now` and
// every event come in, what to send comes out. Its parts, by what they decide:
//   session-requests   what becomes of the editor's requests      session-events   what becomes of debugpy's messages
//   session-configure  sequence C: a new worker                   session-loss     sequences A and B: a worker is gone
//   session-waiting    sequence D: none is there                  session-leave    the editor goes
// session-core holds the data; breakpoints, ids, remap, attach-arguments, capabilities are what survives or is translated.
import { editorName, refuseInitialize } from './attach-arguments.ts';
import type { BreakpointList } from './breakpoints.ts';
import { Core, type Editor, type Upstream } from './session-core.ts';
import {
  becomeReady,
  configure,
  connectWorker,
  handshake,
  handshakeAnswered,
  releaseHeld,
} from './session-configure.ts';
import { requestAnswered, upstreamEvent } from './session-events.ts';
import { closeSession, editorGone, endEditor } from './session-leave.ts';
import { failedResponse, goodbye, lose, lossDeadline, tickLoss, VERDICT_MS, workerDown } from './session-loss.ts';
import type { DapRequest, DapResponse, Incoming, JsonObject } from './messages.ts';
import { editorRequest, initializeRequest } from './session-requests.ts';
import type { SessionInput, SessionOptions, SessionOutput, SessionReport, WorkerFacts } from './session-types.ts';
import { tickWaiting, waitingDeadline } from './session-waiting.ts';

export class Session {
  readonly #core: Core;

  constructor(options: SessionOptions) {
    this.#core = new Core(options);
  }

  update(options: SessionOptions): void {
    this.#core.options = options;
  }

  /** One thing that happened; `now` in milliseconds, never going back. Returns what must be done, in order. */
  handle(input: SessionInput, now: number): SessionOutput[] {
    const core = this.#core;
    core.now = Math.max(core.now, now);
    core.out = [];
    this.#apply(input);
    if (input.type !== 'tick') this.#tick();
    return core.out;
  }

  /** When `tick` is due at the latest; null: never, as things stand. */
  get wakeAt(): number | null {
    const core = this.#core;
    const due = [
      waitingDeadline(core),
      lossDeadline(core),
      core.editor?.leaveBy ?? null,
      core.upstream?.deadline ?? null,
      core.editor !== null && core.editor.held.length > 0 ? (core.upstream?.holdUntil ?? null) : null,
    ].filter((at) => at !== null);
    for (const pending of core.upstream?.pending.values() ?? []) {
      if (pending.role === 'editor' && pending.deadline !== null) due.push(pending.deadline);
    }
    return due.length === 0 ? null : Math.min(...due);
  }

  report(): SessionReport {
    const { editor, stoppedAt } = this.#core;
    const attached = editor !== null && editor.attachKey !== null;
    const counts = editor?.breakpoints.counts() ?? { breakpoints: 0, verified: 0 };
    return { connected: attached, client: attached ? editor.client : null, stoppedAt, ...counts };
  }

  /** An editor holds the session; `attached`: it did not stop after `initialize`. */
  get editor(): {
    readonly client: string;
    readonly attached: boolean;
    readonly initialize: JsonObject;
    readonly attachArguments: JsonObject;
  } | null {
    const { editor } = this.#core;
    if (editor === null) return null;
    const { client, attachKey, initialize, attachArguments } = editor;
    return { client, attached: attachKey !== null, initialize, attachArguments };
  }

  /** The editor knows of a worker. */
  get isLive(): boolean {
    return this.#core.upstream?.phase === 'live';
  }

  /** It was asked to stop, rather than by a breakpoint, a step or an exception of its own. */
  get isPaused(): boolean {
    return this.#core.stoppedAt !== null && this.#core.stopReason === 'pause';
  }

  /** The worker was told to run on, and has not answered: a stop that it tells of now is over. */
  get runsOn(): boolean {
    const pending = [...(this.#core.upstream?.pending.values() ?? [])];
    return pending.some(({ role, command }) => role === 'quiet' && command === 'continue');
  }

  #apply(input: SessionInput): void {
    const core = this.#core;
    switch (input.type) {
      case 'editor-request':
        return this.#request(input.request);
      case 'editor-adopted':
        core.newEditor(input.initialize, editorName(input.initialize));
        return;
      case 'editor-gone':
        return editorGone(core);
      case 'worker-up':
        return this.#workerUp(input.worker);
      case 'worker-down':
        return workerDown(core, input.generation, input.reason);
      case 'upstream-open':
        if (core.upstream?.epoch === input.epoch && core.editor !== null) handshake(core, core.editor, core.upstream);
        return;
      case 'upstream-message':
        if (core.upstream?.epoch === input.epoch && core.editor !== null) {
          this.#message(core.editor, core.upstream, input.message);
        }
        return;
      case 'upstream-oversized':
        return this.#oversized(input.epoch, input.requestSeq, input.bytes);
      case 'upstream-closed':
        if (core.closing === input.epoch) {
          core.closing = null;
          if (core.editor?.phase === 'leaving') endEditor(core, core.editor);
        } else if (core.upstream?.epoch === input.epoch) {
          lose(core, null, input.why, VERDICT_MS);
        }
        return;
      case 'tick':
        return this.#tick();
      case 'say':
        return core.console(input.text);
      case 'run': {
        if (core.upstream?.phase !== 'live') return;
        const command = input.runs ? 'continue' : 'pause';
        return core.ask(core.upstream, { threadId: '*' }, { role: 'quiet', command });
      }
      case 'close':
        return closeSession(core);
      default:
        return input satisfies never;
    }
  }

  #request(request: DapRequest): void {
    const core = this.#core;
    if (core.editor !== null) return editorRequest(core, core.editor, request);
    const refusal =
      request.command === 'initialize'
        ? refuseInitialize(request.arguments)
        : `the first request must be "initialize", not "${request.command}"`;
    const editor = core.newEditor(request.arguments, editorName(request.arguments));
    if (refusal === null) return initializeRequest(core, editor, request);
    core.fail(core.opened(editor, request.seq, request.command), refusal);
    core.out.push({ type: 'end-editor' });
    core.editor = null;
  }

  #workerUp(worker: WorkerFacts): void {
    const core = this.#core;
    const before = core.upstream;
    if (before?.worker.generation === worker.generation) return;
    if (before !== null) {
      core.out.push({ type: 'close-upstream', epoch: before.epoch, how: 'disconnect' });
      const text = `${before.worker.name} gave way to ${worker.name}`;
      lose(core, { text }, text, 0);
    }
    if (core.loss !== null && core.loss.generation !== worker.generation)
      core.loss.text ??= `${core.loss.name} is gone`;
    core.worker = worker;
    connectWorker(core);
  }

  #message(editor: Editor, upstream: Upstream, message: Incoming): void {
    const core = this.#core;
    switch (message.type) {
      case 'event':
        if (message.event === 'initialized') configure(core, editor, upstream);
        else if (message.event === 'terminated') goodbye(core, upstream);
        else upstreamEvent(core, editor, upstream, message);
        return;
      case 'response':
        return this.#answered(editor, upstream, message);
      case 'request':
        // We told debugpy that we take none.
        return core.log('warn', `debugpy sent a request of its own, "${message.command}": ignored`);
      default:
        return message satisfies never;
    }
  }

  #answered(editor: Editor, upstream: Upstream, response: DapResponse): void {
    const core = this.#core;
    const pending = upstream.pending.get(response.request_seq);
    if (pending === undefined) return;
    upstream.pending.delete(response.request_seq);
    switch (pending.role) {
      case 'editor':
        return requestAnswered(core, upstream, pending, response);
      case 'list':
        this.#listAnswered(editor, upstream, pending.list, pending.keys, response);
        return;
      default: {
        const why = handshakeAnswered(core, editor, upstream, pending, response);
        if (why !== null) this.#giveUp(upstream, why);
      }
    }
  }

  #listAnswered(
    editor: Editor,
    upstream: Upstream,
    list: BreakpointList,
    keys: readonly number[],
    response: DapResponse,
  ): void {
    const core = this.#core;
    if (list.command !== 'setExceptionBreakpoints') {
      editor.breakpoints.answered(list, response.body, response.success, response.message);
    }
    for (const key of keys) {
      if (response.success) core.respond(key, editor.breakpoints.answer(list));
      else core.fail(key, response.message ?? 'debugpy refused the breakpoints', response.body);
    }
    becomeReady(core, upstream);
  }

  #oversized(epoch: number, requestSeq: number | null, bytes: number): void {
    const core = this.#core;
    const { upstream, editor } = core;
    if (upstream?.epoch !== epoch || editor === null) return;
    const pending = requestSeq === null ? undefined : upstream.pending.get(requestSeq);
    core.log('warn', `debugpy sent a message of ${String(bytes)} bytes: too long, dropped`);
    if (requestSeq === null || pending === undefined) return;
    const message = `the answer of debugpy is too long (${String(bytes)} bytes)`;
    this.#answered(editor, upstream, failedResponse(requestSeq, pending.command, message));
  }

  /** The worker is there, but not to be debugged: others decide what now. */
  #giveUp(upstream: Upstream, why: string): void {
    const core = this.#core;
    core.out.push({ type: 'close-upstream', epoch: upstream.epoch, how: 'disconnect' });
    lose(core, null, why, 0);
  }

  #tick(): void {
    const core = this.#core;
    tickLoss(core);
    const { editor } = core;
    if (editor?.leaveBy !== undefined && editor.leaveBy !== null && core.now >= editor.leaveBy) endEditor(core, editor);
    const { upstream } = core;
    if (upstream !== null && core.editor !== null) this.#tickUpstream(core.editor, upstream);
    tickWaiting(core);
  }

  #tickUpstream(editor: Editor, upstream: Upstream): void {
    const core = this.#core;
    if (core.now >= upstream.holdUntil) releaseHeld(core, editor);
    for (const [seq, pending] of upstream.pending) {
      if (pending.role !== 'editor' || pending.deadline === null || core.now < pending.deadline) continue;
      upstream.pending.delete(seq);
      if (pending.command === 'continue') core.respond(pending.key, { allThreadsContinued: true });
      else core.fail(pending.key, 'the thread runs: debugpy did not answer');
    }
    if (upstream.deadline !== null && core.now >= upstream.deadline) {
      this.#giveUp(upstream, `debugpy in ${upstream.worker.name} did not answer`);
    }
  }
}
