// Owns the end of a worker: sequences A (it ran) and B (it was stopped). Pure. The editor keeps its session; every
// request that debugpy can no longer answer is answered here.
import type { DapResponse } from './messages.ts';
import { goLive, releaseHeld } from './session-configure.ts';
import type { Core, Editor, Loss, Upstream } from './session-core.ts';
import type { LossReason } from './session-types.ts';
import { startWaiting } from './session-waiting.ts';

/** VS Code handles `continued` late: a thread that ends in the same batch leaves its stop on the screen. */
const EXIT_AFTER_STOP_MS = 100;
/** A socket ends before anyone can say that the process did: so long we wait to hear the reason. */
export const VERDICT_MS = 100;
/** A process that says goodbye takes a while to end. */
const GOODBYE_VERDICT_MS = 1000;
const TRUSTED_AFTER_MS = 1000;

/**
 * The worker of the present connection is gone. `reason` null: only its connection is, so far, and for `verdictMs` the
 * reason is waited for.
 */
export function lose(core: Core, reason: LossReason | null, why: string, verdictMs: number): void {
  const { upstream, editor } = core;
  if (upstream === null) return;
  core.upstream = null;
  if (reason === null) core.cutGeneration = upstream.worker.generation;
  if (core.worker?.generation === upstream.worker.generation) core.worker = null;
  const where = core.stoppedAt ?? reason?.place ?? null;
  core.setStopped(null);
  if (core.loss !== null) finish(core, core.loss);
  if (editor === null) return;
  editor.breakpoints.unset();
  settle(core, editor, upstream);
  releaseHeld(core, editor);
  startWaiting(core, 'loss');

  const known = upstream.phase === 'live';
  const stops = known ? [...upstream.stopped] : [];
  if (editor.hearsContinued) {
    for (const threadId of stops) core.tell('continued', { threadId, allThreadsContinued: true });
  }
  core.loss = {
    generation: upstream.worker.generation,
    name: upstream.worker.name,
    threads: known ? [...upstream.threads.keys()] : [],
    modules: known ? [...upstream.modules.values()] : [],
    where,
    exitAt: core.now + (stops.length > 0 ? EXIT_AFTER_STOP_MS : 0),
    exitTold: false,
    text: reason?.text ?? null,
    why,
    verdictAt: core.now + verdictMs,
  };
  tickLoss(core);
}

/**
 * debugpy says that it ends. At its exit pydevd waits half a second for the other side to hang up, and the reload with it.
 * But it also says so late, on the connection after the one that it was about: a young connection is not believed.
 */
export function goodbye(core: Core, upstream: Upstream): void {
  if (core.now < upstream.openedAt + TRUSTED_AFTER_MS) return;
  core.out.push({ type: 'close-upstream', epoch: upstream.epoch, how: 'hang-up' });
  lose(core, null, 'debugpy said goodbye', GOODBYE_VERDICT_MS);
}

/** A worker that the session was told of is gone. */
export function workerDown(core: Core, generation: number, reason: LossReason): void {
  if (core.upstream?.worker.generation === generation) {
    core.out.push({ type: 'close-upstream', epoch: core.upstream.epoch, how: 'disconnect' });
    return lose(core, reason, reason.text, 0);
  }
  if (core.loss?.generation === generation && core.loss.text === null) {
    core.loss.text = reason.text;
    tickLoss(core);
  }
  if (core.worker?.generation === generation) core.worker = null;
}

/** A.2: each request in flight gets the answer that is true now. */
function settle(core: Core, editor: Editor, upstream: Upstream): void {
  for (const pending of upstream.pending.values()) {
    if (pending.role === 'list') {
      for (const key of pending.keys) core.respond(key, editor.breakpoints.answer(pending.list));
    }
    if (pending.role !== 'editor') continue;
    switch (pending.command) {
      case 'continue':
        core.respond(pending.key, { allThreadsContinued: true });
        break;
      case 'next':
      case 'stepIn':
      case 'stepOut':
      case 'setDebuggerProperty':
      case 'setPydevdSourceMap':
        core.respond(pending.key);
        break;
      case 'threads':
        core.respond(pending.key, { threads: [] });
        break;
      case 'pydevdSystemInfo':
      case 'debugpySystemInfo':
        core.respond(pending.key, { debugpy: {} });
        break;
      default:
        core.fail(pending.key, `${upstream.worker.name} is gone and cannot answer any more`);
    }
  }
}

export function lossDeadline(core: Core): number | null {
  const { loss } = core;
  if (loss === null) return null;
  if (!loss.exitTold) return loss.exitAt;
  return loss.text === null ? loss.verdictAt : loss.exitAt;
}

/** A.3 and A.4 when their time has come. */
export function tickLoss(core: Core): void {
  const { loss } = core;
  if (loss === null || core.now < loss.exitAt) return;
  if (loss.text === null && core.now < loss.verdictAt) return tellExits(core, loss);
  finish(core, loss);
  goLive(core);
}

function tellExits(core: Core, loss: Loss): void {
  if (loss.exitTold) return;
  loss.exitTold = true;
  for (const threadId of loss.threads) core.tell('thread', { reason: 'exited', threadId });
  for (const module of loss.modules) core.tell('module', { reason: 'removed', module });
}

/** Says all that is left to say about a loss. */
function finish(core: Core, loss: Loss): void {
  core.loss = null;
  tellExits(core, loss);
  const where = loss.where === null ? '' : ` while stopped at ${loss.where}`;
  if (loss.text === null) {
    core.console(`the connection to ${loss.name} was lost${where} (${loss.why}), waiting for a worker`);
    core.announce({ type: 'upstream-lost', generation: loss.generation, why: loss.why });
  } else {
    core.console(`${loss.text}${where}, waiting for the next one`);
  }
}

/** An answer that a request will not get: for requests that pydevd forgot or whose answer cannot be read. */
export function failedResponse(seq: number, command: string, message: string): DapResponse {
  return { type: 'response', request_seq: seq, command, success: false, message };
}
