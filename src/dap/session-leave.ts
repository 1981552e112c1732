// Owns the editor's leaving: disconnect, terminate, vanishing, and the end of the port. Pure. The app always runs on,
// unless the config lets the editor end it.
import type { Core, Editor } from './session-core.ts';
import { endWaiting } from './session-waiting.ts';

/** How long debugpy may take to let go before the editor gets its answer all the same. */
const LEAVE_MS = 1000;
/** How long an editor that was told `terminated` may take to disconnect. */
const TERMINATED_MS = 5000;

/** `disconnect`. `wantsEnd`: the editor asks for the app's end. */
export function leave(core: Core, editor: Editor, key: number, wantsEnd: boolean): void {
  if (editor.phase === 'leaving') return core.fail(key, 'the editor is disconnecting already');
  settleAll(core, editor, key);
  letGo(core, wantsEnd && core.options.terminateOnDisconnect);
  editor.phase = 'leaving';
  editor.disconnectKey = key;
  editor.leaveBy = core.now + LEAVE_MS;
  if (core.closing === null) endEditor(core, editor);
}

/** `terminate`: answered at once; the app ends only if the config says so. */
export function terminate(core: Core, editor: Editor, key: number): void {
  settleAll(core, editor, key);
  letGo(core, core.options.terminateOnDisconnect);
  core.respond(key);
  if (core.options.terminateOnDisconnect) core.announce({ type: 'terminate-requested' });
  editor.phase = 'terminated';
  editor.leaveBy = core.now + TERMINATED_MS;
  editor.saidTerminated = true;
  core.tell('terminated');
}

/** The editor's socket ended without a word. The worker may be stopped: it is let go. */
export function editorGone(core: Core): void {
  if (core.editor === null) return;
  letGo(core, false);
  forget(core, core.editor);
}

/** The port closes. */
export function closeSession(core: Core): void {
  const { editor } = core;
  if (editor === null) return;
  settleAll(core, editor, null);
  letGo(core, false);
  endEditor(core, editor);
}

/** Says goodbye to an editor whose worker has been let go, or has taken too long. */
export function endEditor(core: Core, editor: Editor): void {
  if (!editor.saidTerminated) core.tell('terminated');
  if (editor.disconnectKey !== null) core.respond(editor.disconnectKey);
  core.out.push({ type: 'end-editor' });
  forget(core, editor);
}

function forget(core: Core, editor: Editor): void {
  core.editor = null;
  if (editor.attachKey !== null) core.announce({ type: 'editor', connected: false, client: null });
}

/** Disconnects from the worker, which stays known. */
function letGo(core: Core, terminateWorker: boolean): void {
  const { upstream } = core;
  core.loss = null;
  endWaiting(core);
  core.setStopped(null);
  if (upstream === null) return;
  core.upstream = null;
  core.closing = upstream.epoch;
  core.out.push({ type: 'close-upstream', epoch: upstream.epoch, how: terminateWorker ? 'terminate' : 'disconnect' });
}

function settleAll(core: Core, editor: Editor, exceptKey: number | null): void {
  editor.held = [];
  for (const key of editor.open.keys()) {
    if (key !== exceptKey) core.fail(key, 'the debug session is ending');
  }
}
