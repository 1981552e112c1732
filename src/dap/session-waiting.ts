// Owns what an attached editor is shown while no worker is there: progress, then unmarked breakpoints, and news of the wait
// from then on (sequences A.5 and D). Pure.
import type { Core, Editor } from './session-core.ts';

const PROGRESS_AFTER_MS = 1000;
const PROGRESS_EVERY_MS = 5000;
/** Longer than an app takes to come up again: what is shown before that shows on every save. */
const LONGER_THAN_A_RELOAD_MS = 10_000;

/** `after`: a worker is gone; before the first one somebody has just pressed F5, and looks. */
export function startWaiting(core: Core, after: 'attach' | 'loss'): void {
  const { editor, now } = core;
  // A worker that died before it was attached does not start the wait anew.
  core.waiting ??= {
    since: now,
    // The marks in the margin would flicker.
    unverifyAt: now + LONGER_THAN_A_RELOAD_MS,
    progressAt: editor?.hasProgress === true ? now + progressAfter(editor, after) : null,
    progressId: null,
  };
}

function progressAfter(editor: Editor, after: 'attach' | 'loss'): number {
  return after === 'loss' && editor.progressPopsUp ? LONGER_THAN_A_RELOAD_MS : PROGRESS_AFTER_MS;
}

/** A worker is there again, or nobody waits any more. */
export function endWaiting(core: Core): void {
  const progressId = core.waiting?.progressId ?? null;
  core.waiting = null;
  if (progressId !== null) core.tell('progressEnd', { progressId });
}

export function waitingDeadline(core: Core): number | null {
  const { waiting, editor } = core;
  // Nothing is shown before the editor's own start is over.
  if (waiting === null || editor?.phase !== 'running') return null;
  const due = [waiting.unverifyAt, waiting.progressAt].filter((at) => at !== null);
  return due.length === 0 ? null : Math.min(...due);
}

export function tickWaiting(core: Core): void {
  const { waiting, editor } = core;
  if (waiting === null || editor?.phase !== 'running') return;
  if (waiting.unverifyAt !== null && core.now >= waiting.unverifyAt) {
    waiting.unverifyAt = null;
    for (const body of editor.breakpoints.news()) core.tell('breakpoint', body);
  }
  if (waiting.progressAt === null || core.now < waiting.progressAt) return;
  waiting.progressAt = core.now + PROGRESS_EVERY_MS;
  if (waiting.progressId === null) {
    waiting.progressId = core.nextProgressId();
    core.tell('progressStart', {
      progressId: waiting.progressId,
      title: `debugwand: ${core.options.name}`,
      cancellable: true,
      message: core.options.waitingFor ?? 'waiting for a worker',
    });
  } else {
    const seconds = String(Math.round((core.now - waiting.since) / 1000));
    const what = core.options.waitingFor ?? 'waiting for a worker';
    core.tell('progressUpdate', { progressId: waiting.progressId, message: `${what} (${seconds} s)` });
  }
}

/** The editor's user does not want to see it: the wait itself goes on. */
export function cancelProgress(core: Core, progressId: string): void {
  const { waiting } = core;
  if (waiting === null || waiting.progressId !== progressId) return;
  waiting.progressId = null;
  waiting.progressAt = null;
  core.tell('progressEnd', { progressId });
}
