// Owns sequence C of the session: bringing a new worker to where the last one was, then telling the editor. Pure.
import { attachArguments } from './attach-arguments.ts';
import { listForDebugpy } from './breakpoint-lists.ts';
import type { BreakpointList } from './breakpoints.ts';
import { ASSUMED, capabilitiesOf, changedCapabilities } from './capabilities.ts';
import { isInteger, objects, stringOr, bodyOf, type DapResponse } from './messages.ts';
import type { Core, Editor, Pending, Upstream } from './session-core.ts';
import { forwardEvent } from './session-events.ts';
import { endWaiting } from './session-waiting.ts';

/** How long debugpy may take to answer a step of the handshake before the worker counts as lost. */
const HANDSHAKE_MS = 10_000;
/** How long breakpoint requests wait for a handshake under way. */
const HOLD_MS = 400;

/** Connects to the known worker if an editor wants one and none is connected. */
export function connectWorker(core: Core): void {
  const { editor, worker } = core;
  if (worker === null || core.upstream !== null) return;
  if (editor === null || (editor.phase !== 'configuring' && editor.phase !== 'running')) return;
  core.ids.nextEpoch();
  core.epoch += 1;
  core.upstream = {
    epoch: core.epoch,
    worker,
    phase: 'opening',
    openedAt: core.now,
    seq: 0,
    pending: new Map(),
    capabilities: ASSUMED,
    threads: new Map(),
    modules: new Map(),
    stopped: new Set(),
    held: [],
    heldBytes: 0,
    dropped: 0,
    process: null,
    deadline: core.now + HANDSHAKE_MS,
    holdUntil: core.now + HOLD_MS,
  };
  core.out.push({ type: 'open', epoch: core.epoch, generation: worker.generation });
}

/** The connection stands: C.1 begins. */
export function handshake(core: Core, editor: Editor, upstream: Upstream): void {
  upstream.phase = 'attaching';
  upstream.deadline = core.now + HANDSHAKE_MS;
  // debugpy must not ask us for terminals or child sessions: one worker, one session.
  const initialize = {
    ...editor.initialize,
    supportsRunInTerminalRequest: false,
    supportsStartDebuggingRequest: false,
  };
  core.ask(upstream, initialize, { role: 'initialize', command: 'initialize' });
  const args = attachArguments(editor.attachArguments, upstream.worker.pathMappings, core.options.windows);
  core.ask(upstream, args, { role: 'attach', command: 'attach' });
}

/** debugpy takes breakpoints: pydevd says so before it answers `attach`, its adapter long before. */
export function configure(core: Core, editor: Editor, upstream: Upstream): void {
  if (upstream.phase !== 'attaching') return;
  upstream.phase = 'configuring';
  upstream.deadline = null;
  // Plain pydevd leaves an app stopped whose debugger was cut off, and does not say so to the next one.
  if (upstream.worker.generation === core.cutGeneration) {
    core.ask(upstream, { threadId: '*' }, { role: 'quiet', command: 'continue' });
  }
  if (editor.debuggerProperties !== null) {
    core.ask(upstream, editor.debuggerProperties, { role: 'quiet', command: 'setDebuggerProperty' });
  }
  for (const args of editor.sourceMaps.values()) {
    core.ask(upstream, args, { role: 'quiet', command: 'setPydevdSourceMap' });
  }
  for (const list of editor.breakpoints.lists()) {
    const keys = editor.held.filter((held) => held.list === list).map((held) => held.key);
    sendList(core, editor, upstream, list, keys);
  }
  releaseHeld(core, editor);
  if (editor.phase === 'running') start(core, upstream);
}

/** Answers breakpoint requests that were held and are not on their way to debugpy, from what is known. */
export function releaseHeld(core: Core, editor: Editor): void {
  const pending = new Set<number>();
  for (const one of core.upstream?.pending.values() ?? []) {
    if (one.role === 'list') for (const key of one.keys) pending.add(key);
  }
  for (const { key, list } of editor.held) if (!pending.has(key)) core.respond(key, editor.breakpoints.answer(list));
  editor.held = [];
}

/** The editor has said all: the worker may run. */
export function start(core: Core, upstream: Upstream): void {
  upstream.phase = 'starting';
  upstream.deadline = core.now + HANDSHAKE_MS;
  core.ask(upstream, {}, { role: 'start', command: 'configurationDone' });
  core.ask(upstream, {}, { role: 'threads', command: 'threads' });
}

/** Sends a list to debugpy; `keys`: the editor's requests that its answer answers. */
export function sendList(
  core: Core,
  editor: Editor,
  upstream: Upstream,
  list: BreakpointList,
  keys: readonly number[],
): void {
  const args = listForDebugpy(list.command, list.args, core.ids);
  if (args === null) {
    const message = 'debugpy can only set breakpoints in files';
    editor.breakpoints.answered(list, {}, false, message);
    for (const key of keys) core.respond(key, editor.breakpoints.answer(list));
    return;
  }
  core.ask(upstream, args, { role: 'list', command: list.command, list, keys });
}

export function takesRequests(upstream: Upstream): boolean {
  return upstream.phase !== 'opening' && upstream.phase !== 'attaching';
}

/** debugpy's answer to a request of the handshake. Returns why the worker cannot be debugged, or null. */
export function handshakeAnswered(
  core: Core,
  editor: Editor,
  upstream: Upstream,
  pending: Pending,
  response: DapResponse,
): string | null {
  const refusal = `debugpy refused "${pending.command}": ${response.message ?? 'no reason given'}`;
  switch (pending.role) {
    case 'initialize':
      if (!response.success) return refusal;
      upstream.capabilities = capabilitiesOf(response.body);
      return null;
    case 'attach':
      if (!response.success) return refusal;
      configure(core, editor, upstream);
      break;
    case 'start':
      if (!response.success) return refusal;
      break;
    case 'threads':
      for (const thread of objects(bodyOf(response.body)['threads'])) learnThread(core, upstream, thread);
      break;
    case 'quiet':
      if (!response.success) core.log('warn', refusal);
      break;
    default:
      break;
  }
  becomeReady(core, upstream);
  return null;
}

/** Notes a thread of a `threads` answer: debugpy's id, name. */
export function learnThread(core: Core, upstream: Upstream, thread: { readonly [name: string]: unknown }): void {
  const id = thread['id'];
  if (isInteger(id)) upstream.threads.set(core.ids.toEditor('thread', id), stringOr(thread['name'], ''));
}

/** Once nothing of the replay is unanswered. */
export function becomeReady(core: Core, upstream: Upstream): void {
  if (upstream.phase !== 'starting') return;
  for (const pending of upstream.pending.values()) {
    if (pending.role === 'list' || pending.role === 'start' || pending.role === 'threads') return;
  }
  upstream.phase = 'ready';
  upstream.deadline = null;
  core.announce({ type: 'verified', generation: upstream.worker.generation, at: core.now });
  goLive(core);
}

/** C.2 and C.3, once the editor has heard the end of the worker before. */
export function goLive(core: Core): void {
  const { editor, upstream } = core;
  if (editor === null || upstream?.phase !== 'ready' || core.loss !== null) return;
  upstream.phase = 'live';
  const changed = changedCapabilities(editor.capabilities, upstream.capabilities);
  if (changed !== null) {
    editor.capabilities = upstream.capabilities;
    core.tell('capabilities', { capabilities: changed });
  }
  for (const body of editor.breakpoints.news()) core.tell('breakpoint', body);
  if (upstream.process !== null) core.tell('process', upstream.process);
  const threads = [...upstream.threads].toSorted(
    ([a, an], [b, bn]) => Number(isMain(an)) - Number(isMain(bn)) || a - b,
  );
  for (const [threadId] of threads) core.tell('thread', { reason: 'started', threadId });
  endWaiting(core);
  const seconds = Math.max(0, core.now - Math.max(upstream.worker.seenAt, editor.attachedAt)) / 1000;
  core.console(`attached to ${upstream.worker.name} (${seconds.toFixed(2)} s)`);
  if (upstream.dropped > 0) core.console(`debugwand: ${String(upstream.dropped)} output messages were dropped`);
  const held = upstream.held;
  upstream.held = [];
  upstream.heldBytes = 0;
  for (const one of held) forwardEvent(core, editor, upstream, one);
}

function isMain(name: string): boolean {
  return name === 'MainThread';
}
