// Owns what becomes of debugpy's messages: answers to the editor's requests, and events. Pure.
import { baseName } from './breakpoints.ts';
import { bodyOf, isInteger, isObject, objects, stringOr, type DapEvent, type DapResponse } from './messages.ts';
import { bodyToEditor, eventToEditor } from './remap.ts';
import type { Core, Editor, Pending, Upstream } from './session-core.ts';

/** Output that debugpy sends while the editor does not know of the worker yet: kept up to these. */
const MAX_HELD_EVENTS = 2000;
const MAX_HELD_BYTES = 1024 * 1024;
/** Once the threads run again, pydevd may have forgotten what it was asked about them. */
const FORGOTTEN_AFTER_MS = 5000;

/** Events about debugpy's own connections, and ends that are not the session's. */
const SWALLOWED: ReadonlySet<string> = new Set([
  'exited',
  'capabilities',
  'debugpySockets',
  'debugpyWaitingForServer',
  'debugpyAttach',
]);

/** An event of debugpy. `initialized` has been dealt with. */
export function upstreamEvent(core: Core, editor: Editor, upstream: Upstream, event: DapEvent): void {
  if (SWALLOWED.has(event.event)) return;
  const body = bodyOf(event.body);
  if (event.event === 'output' && body['category'] === 'telemetry') return;
  if (upstream.phase === 'live') return forwardEvent(core, editor, upstream, event);
  switch (event.event) {
    case 'process':
      upstream.process = body;
      return;
    case 'thread': {
      const id = body['threadId'];
      if (!isInteger(id)) return;
      const shown = core.ids.toEditor('thread', id);
      if (body['reason'] === 'exited') upstream.threads.delete(shown);
      else if (!upstream.threads.has(shown)) upstream.threads.set(shown, '');
      return;
    }
    case 'breakpoint':
      if (isObject(body['breakpoint'])) editor.breakpoints.changed(body['breakpoint']);
      return;
    default:
      hold(upstream, event, stringOr(body['output'], '').length);
  }
}

function hold(upstream: Upstream, event: DapEvent, bytes: number): void {
  const full = upstream.held.length >= MAX_HELD_EVENTS || upstream.heldBytes + bytes > MAX_HELD_BYTES;
  if (event.event === 'output' && full) {
    upstream.dropped += 1;
    return;
  }
  upstream.held.push(event);
  upstream.heldBytes += bytes;
}

/** Tells the editor of an event of a worker that it knows. */
export function forwardEvent(core: Core, editor: Editor, upstream: Upstream, event: DapEvent): void {
  const body = bodyOf(eventToEditor(event.event, event.body, core.ids));
  const threadId = isInteger(body['threadId']) ? body['threadId'] : null;
  switch (event.event) {
    case 'thread':
      if (threadId === null) return;
      if (body['reason'] === 'exited') {
        upstream.stopped.delete(threadId);
        if (!upstream.threads.delete(threadId)) return;
      } else if (upstream.threads.has(threadId)) {
        return;
      } else {
        upstream.threads.set(threadId, '');
      }
      break;
    case 'stopped': {
      const ids = Array.isArray(body['hitBreakpointIds']) ? body['hitBreakpointIds'] : [];
      const hit = editor.breakpoints.idsToEditor(ids);
      stopped(core, editor, upstream, threadId, stringOr(body['reason'], 'pause'), hit);
      const rest: Record<string, unknown> = { ...body };
      delete rest['hitBreakpointIds'];
      core.tell('stopped', hit.length === 0 ? rest : { ...rest, hitBreakpointIds: hit });
      return;
    }
    case 'continued':
      resumed(core, upstream, body['allThreadsContinued'] === false ? threadId : null);
      if (!editor.hearsContinued) return;
      break;
    case 'breakpoint': {
      const breakpoint = bodyOf(event.body)['breakpoint'];
      if (!isObject(breakpoint) || !editor.breakpoints.changed(breakpoint)) return;
      for (const news of editor.breakpoints.news()) core.tell('breakpoint', news);
      return;
    }
    case 'module': {
      const module = bodyOf(body['module']);
      if (!isInteger(module['id'])) break;
      if (body['reason'] === 'removed') upstream.modules.delete(module['id']);
      else upstream.modules.set(module['id'], module);
      break;
    }
    default:
      break;
  }
  core.tell(event.event, event.body === undefined ? undefined : body);
}

function stopped(
  core: Core,
  editor: Editor,
  upstream: Upstream,
  threadId: number | null,
  reason: string,
  hit: readonly number[],
): void {
  if (threadId !== null) upstream.stopped.add(threadId);
  core.stopReason = reason;
  const place = hit[0] === undefined ? null : editor.breakpoints.placeOf(hit[0]);
  // Until the editor asks for the stack, and thereby us: "stopped at a step".
  core.setStopped(place === null ? `${/^[aeiou]/.test(reason) ? 'an' : 'a'} ${reason}` : `${place} (${reason})`);
}

/** `threadId`: the only one that runs; null: all do. */
function resumed(core: Core, upstream: Upstream, threadId: number | null): void {
  if (threadId === null) upstream.stopped.clear();
  else upstream.stopped.delete(threadId);
  if (upstream.stopped.size > 0) return;
  core.setStopped(null);
  for (const [seq, pending] of upstream.pending) {
    if (pending.role !== 'editor') continue;
    if (pending.needsStop) pending.deadline ??= core.now + FORGOTTEN_AFTER_MS;
    if (pending.command !== 'continue') continue;
    // Said twice: pydevd answers with a thread that resumes, and all run.
    upstream.pending.delete(seq);
    core.respond(pending.key, { allThreadsContinued: true });
  }
}

/** debugpy's answer to a request that came from the editor. `versions`: what we know of debugpy itself. */
export function requestAnswered(
  core: Core,
  upstream: Upstream,
  pending: Extract<Pending, { role: 'editor' }>,
  response: DapResponse,
): void {
  if (!response.success) {
    // A failed assertion of pydevd has no words.
    const why = stringOr(response.message, '') || `debugpy refused "${pending.command}"`;
    return core.fail(pending.key, why, response.body);
  }
  const body = bodyToEditor(pending.command, response.body, core.ids);
  switch (pending.command) {
    case 'continue':
      resumed(core, upstream, null);
      return core.respond(pending.key, { allThreadsContinued: true });
    case 'next':
    case 'stepIn':
    case 'stepOut':
      resumed(core, upstream, null);
      break;
    case 'threads':
      for (const thread of objects(bodyOf(body)['threads'])) {
        if (isInteger(thread['id'])) upstream.threads.set(thread['id'], stringOr(thread['name'], ''));
      }
      break;
    case 'stackTrace':
      if (pending.topOf !== null && upstream.stopped.has(pending.topOf)) placeFrom(core, body);
      break;
    case 'pydevdSystemInfo': {
      const version = upstream.worker.debugpy;
      const debugpy = version === undefined ? {} : { version };
      return core.respond(pending.key, { debugpy, ...bodyOf(body) });
    }
    default:
      break;
  }
  core.respond(pending.key, body);
}

/** The top frame says where the worker is stopped. */
function placeFrom(core: Core, body: unknown): void {
  const top = objects(bodyOf(body)['stackFrames'])[0];
  const path = bodyOf(top?.['source'])['path'];
  if (top === undefined || typeof path !== 'string' || !isInteger(top['line'])) return;
  core.setStopped(`${baseName(path)}:${String(top['line'])} (${core.stopReason})`);
}
