// Owns what is worth a line of the log between one status report and the next. Pure.
import type { StatusReport, TargetReport } from '../core/status.ts';
import type { Level } from '../lib/log-line.ts';
import { newCrash } from './new-crash.ts';
import { seconds } from './terminal.ts';

/** `event` is for programs (`--json`), `text` for people. */
export interface Transition {
  readonly level: Level;
  readonly event:
    | 'target'
    | 'phase'
    | 'crash'
    | 'reattach'
    | 'editor'
    | 'stopped'
    | 'running'
    | 'pause'
    | 'forward'
    | 'removed'
    | 'config';
  /** Null: about all of them. */
  readonly target: string | null;
  readonly text: string;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

/** In the order of the targets; empty when only figures changed. `before` null: the first report. */
export function transitions(before: StatusReport | null, after: StatusReport): Transition[] {
  const kept = new Set(after.targets.map(({ name }) => name));
  const gone = (before?.targets ?? []).filter(({ name }) => !kept.has(name));
  return [
    ...configTransitions(before, after),
    ...gone.map(({ name }) => line('info', 'removed', name, 'no longer in the config')),
    ...after.targets.flatMap((target) =>
      targetTransitions(
        before?.targets.find(({ name }) => name === target.name),
        target,
      ),
    ),
  ];
}

function configTransitions(before: StatusReport | null, after: StatusReport): Transition[] {
  const { configError } = after.daemon;
  const was = before?.daemon.configError ?? null;
  if (configError === null || configError.message === was?.message) return [];
  const text = `the config on disk is not used, the last good one stays\n${configError.message}\nfix: ${configError.fix}`;
  return [line('error', 'config', null, text, { code: configError.code })];
}

function targetTransitions(was: TargetReport | undefined, target: TargetReport): Transition[] {
  const { name, phase, reattach, editor, stoppedAt } = target;
  const found: Transition[] = [];
  if (was === undefined) {
    found.push(
      line('info', 'target', name, `port ${String(target.port)}, ${sentence(target)}`, { port: target.port, phase }),
    );
    if (target.error !== null) found.push(errorLine(target));
    return [...found, ...forwardLines(was, target)];
  }
  const crash = crashLine(was, target);
  if (crash !== null) found.push(crash);
  const isBack = reattach.count > was.reattach.count && reattach.last !== null;
  if (isBack && reattach.last !== null) {
    const { ms, seenMs, reason } = reattach.last;
    const worker = target.worker === null ? 'a worker' : `worker ${String(target.worker.pid)}`;
    const text = `attached to ${worker} ${seconds(ms)} after its start (${reason})`;
    found.push(line('info', 'reattach', name, text, { ms, seenMs, reason, pid: target.worker?.pid ?? null }));
  }
  if (target.error !== null && target.error.message !== was.error?.message) found.push(errorLine(target));
  else if (!isBack && isNews(was, target)) {
    // With an editor there, the line of the re-attach is about to say it, with its time; the first worker's attachment is
    // none. A crash has a line of its own.
    const isCrash = target.lastEnd?.crashed === true && target.message.includes(target.lastEnd.reason ?? '');
    const isFirst = target.worker?.generation === 1;
    const isTold = phase === 'attached' ? editor.connected && was.editor.connected && !isFirst : isCrash;
    const level = isTold ? 'debug' : 'info';
    found.push(line(level, 'phase', name, sentence(target), { phase }));
  }
  if (editor.connected !== was.editor.connected) {
    const client = editor.client ?? was.editor.client ?? 'an editor';
    const text = editor.connected ? `${client} attached` : `${client} left`;
    found.push(line('info', 'editor', name, text, { connected: editor.connected }));
  }
  found.push(...forwardLines(was, target));
  const budget = budgetLine(was, target);
  if (budget !== null) found.push(budget);
  if (stoppedAt !== was.stoppedAt) {
    if (stoppedAt !== null) found.push(stopLine(target, stoppedAt));
    else if (phase === 'attached') found.push(line('debug', 'running', name, 'runs again'));
  }
  return found;
}

/** Of several workers it says which. */
function stopLine({ name, pause, workers }: TargetReport, stoppedAt: string): Transition {
  const until = pause?.until ?? null;
  const cause = workers.find((worker) => worker.stoppedAt !== null && worker.stoppedAlong !== true);
  const who = workers.length > 1 && (cause?.pid ?? null) !== null ? `worker ${String(cause?.pid)} ` : '';
  const text = `${who}stopped at ${stoppedAt}${until === null ? '' : `; ${pause?.limits[0] ?? ''}`}`;
  return line(until === null ? 'info' : 'warn', 'stopped', name, text, { at: stoppedAt, until });
}

/** A port that is there from now on, or cannot be had. Waiting for the app comes with each restart: no news. */
function forwardLines(was: TargetReport | undefined, { name, forwards }: TargetReport): Transition[] {
  return forwards.flatMap(({ localPort, remotePort, state, message }) => {
    const before = was?.forwards.find((forward) => forward.localPort === localPort);
    const isOther = before?.remotePort !== remotePort || before.state !== state;
    if (!isOther && (state !== 'blocked' || before.message === message)) return [];
    const port = `127.0.0.1:${String(localPort)}`;
    const data = { localPort, remotePort, state };
    if (state === 'blocked') return [line('warn', 'forward', name, `${port} is not forwarded: ${message}`, data)];
    const isNew = before?.remotePort !== remotePort || before.state === 'blocked';
    const text = isNew ? `${port} is port ${String(remotePort)} there` : `${port} ${state}: ${message}`;
    return [line(isNew ? 'info' : 'debug', 'forward', name, text, data)];
  });
}

/** Once for each worker, also where the reason is known only after the end. */
function crashLine(was: TargetReport, target: TargetReport): Transition | null {
  const crash = newCrash(was, target);
  if (crash === null) return null;
  const { pid, exception, signal, reason } = crash;
  return line('warn', 'crash', target.name, `worker ${String(pid)} crashed: ${reason ?? 'no reason known'}`, {
    pid,
    exception,
    signal,
  });
}

/** What a pause costs: told once, and when it changes; a reload changes nothing. */
function budgetLine(was: TargetReport, { name, pauseBudget, reattach }: TargetReport): Transition | null {
  const isFirst = was.pauseBudget === null && reattach.count === 0;
  const isOther = was.pauseBudget !== null && JSON.stringify(was.pauseBudget) !== JSON.stringify(pauseBudget);
  if (pauseBudget === null || !(isFirst || isOther)) return null;
  const { answered, limits, seconds: left } = pauseBudget;
  const said = [...limits, ...(answered.length === 0 ? [] : [`answered in the app's place: ${answered.join(', ')}`])];
  return line(left === null ? 'info' : 'warn', 'pause', name, `while paused: ${said.join('; ')}`, { seconds: left });
}

/** Another phase, or another thing that is waited for; a number that counts is none. Stops have a line of their own. */
function isNews(was: TargetReport, target: TargetReport): boolean {
  if (target.phase === 'stopped' || (was.phase === 'stopped' && target.phase === 'attached')) return false;
  if (was.phase !== target.phase) return true;
  const withoutNumbers = (text: string): string => text.replace(/\d+/g, '#');
  return target.phase === 'waiting' && withoutNumbers(was.message) !== withoutNumbers(target.message);
}

function sentence(target: TargetReport): string {
  return target.message.startsWith(target.phase) ? target.message : `${target.phase}: ${target.message}`;
}

function errorLine(target: TargetReport): Transition {
  const { error } = target;
  const text = error === null ? '' : `${error.message}\nfix: ${error.fix}`;
  return line('error', 'phase', target.name, text, { phase: target.phase, code: error?.code ?? null });
}

function line(
  level: Level,
  event: Transition['event'],
  target: string | null,
  text: string,
  data: Transition['data'] = {},
): Transition {
  return { level, event, target, text, data };
}
