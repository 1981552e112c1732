// Owns which desktop notifications are due: from one status report to the next, one notification for a burst of events.
// Pure: the time is an argument, and when to ask again is part of the answer. Showing them is notify.ts.
import type { StatusReport, TargetReport } from '../core/status.ts';
import type { NotifyKind } from '../core/types.ts';
import { newCrash } from './new-crash.ts';
import { blockedText, type Notice, type Notification, summary } from './notification-text.ts';

/** A burst ends when nothing has happened for this long, or after `BURST_MS`, ms. */
export const QUIET_MS = 700;
export const BURST_MS = 4_000;
/** A reloader replaces a worker within a second or two; one that stays away longer than this crashed, ms. */
export const GONE_MS = 3_000;

/** So long before a pause is ended by others, ms. */
export const LAST_MS = 10_000;
/** Each is left alone for so long before the next takes its place, ms. */
export const SPACE_MS = 3_000;

interface Warned {
  readonly since: number;
  readonly told: 'late' | 'overdue';
}

export interface NotificationState {
  readonly last: StatusReport | null;
  /** Targets whose worker is gone while what starts workers lives: since when. Null: told already. */
  readonly gone: ReadonlyMap<string, number | null>;
  /** Pauses that were warned of, by target. */
  readonly pauses: ReadonlyMap<string, Warned>;
  readonly pending: readonly Notice[];
  /** Of the burst that is pending, ms since the epoch. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** When the one before was shown. */
  readonly shownAt: number;
}

export interface Advance {
  readonly state: NotificationState;
  readonly show: Notification | null;
  /** When to advance again if nothing happens before; null: not needed. */
  readonly wakeAt: number | null;
}

export const QUIET: NotificationState = {
  last: null,
  gone: new Map(),
  pauses: new Map(),
  pending: [],
  firstAt: 0,
  lastAt: 0,
  shownAt: -Infinity,
};

/** The next state after a report, or (with the same report) after time has passed. `wants`: what the config asks for. */
export function advance(
  state: NotificationState,
  report: StatusReport,
  now: number,
  wants: (target: string, kind: NotifyKind) => boolean = () => true,
): Advance {
  const crashes = crashesOf(state.last, report);
  const { gone, lost } = lookForGone(state, report, crashes, now);
  const { pauses, late, waits } = lookForLate(state, report, now);
  const all = [...crashes, ...noticesOf(state.last, report), ...lost, ...late];
  const fresh = all.filter(({ target, kind }) => wants(target, kind));
  const pending = [...state.pending, ...fresh];
  const firstAt = state.pending.length === 0 ? now : state.firstAt;
  const lastAt = fresh.length > 0 ? now : state.lastAt;
  const dueAt = pending.length === 0 ? null : whenDue(pending, { firstAt, lastAt, shownAt: state.shownAt }, now);
  const isDue = dueAt !== null && now >= dueAt;
  waits.push(...[...gone.values()].flatMap((since) => (since === null ? [] : [since + GONE_MS])));
  if (dueAt !== null && !isDue) waits.push(dueAt);
  const shownAt = isDue ? now : state.shownAt;
  return {
    state: { last: report, gone, pauses, pending: isDue ? [] : pending.slice(-100), firstAt, lastAt, shownAt },
    show: isDue ? summary(pending) : null,
    wakeAt: waits.length === 0 ? null : Math.min(...waits),
  };
}

type Times = Pick<NotificationState, 'firstAt' | 'lastAt' | 'shownAt'>;

/** What has seconds left waits for nothing. */
function whenDue(pending: readonly Notice[], { firstAt, lastAt, shownAt }: Times, now: number): number {
  if (pending.some(({ kind }) => kind === 'paused')) return now;
  return Math.max(Math.min(lastAt + QUIET_MS, firstAt + BURST_MS), shownAt + SPACE_MS);
}

function noticesOf(before: StatusReport | null, after: StatusReport): Notice[] {
  return after.targets.flatMap((target): Notice[] => {
    const was = before?.targets.find(({ name }) => name === target.name);
    if (was === undefined) return [];
    const { last, count } = target.reattach;
    if (last !== null && count > was.reattach.count) {
      const why = last.reason === 'crash' ? 'after a crash' : `after a ${last.reason}`;
      const worker = target.worker === null ? '' : `worker ${String(target.worker.pid)} `;
      return [{ kind: 'reattached', target: target.name, text: `${worker}${why}`, ms: last.ms }];
    }
    if (target.phase === 'blocked' && was.phase !== 'blocked') {
      const text = blockedText(target.error?.message ?? target.message, target.error?.fix ?? null);
      return [{ kind: 'blocked', target: target.name, text, ms: null }];
    }
    return [];
  });
}

/** Workers of which is known that they crashed. */
function crashesOf(before: StatusReport | null, after: StatusReport): Notice[] {
  return after.targets.flatMap((target): Notice[] => {
    const { name } = target;
    const was = before?.targets.find((one) => one.name === name);
    const crash = was === undefined ? null : newCrash(was, target);
    if (crash === null) return [];
    const text = `${crash.reason ?? 'no reason known'} (worker ${String(crash.pid)})`;
    return [{ kind: 'crashed', target: name, text, ms: null }];
  });
}

/** A worker that a living supervisor does not replace: it ended before anybody could look, or will stay away. */
function lookForGone(
  state: NotificationState,
  report: StatusReport,
  crashes: readonly Notice[],
  now: number,
): { gone: Map<string, number | null>; lost: Notice[] } {
  const gone = new Map<string, number | null>();
  const lost: Notice[] = [];
  for (const target of report.targets) {
    if (target.worker !== null || target.phase !== 'waiting' || target.processes.length === 0) continue;
    const since = state.gone.get(target.name);
    if (crashes.some((crash) => crash.target === target.name)) {
      gone.set(target.name, null);
    } else if (since === undefined) {
      const pid = workerOf(state.last, target);
      const isTold = target.lastEnd?.crashed === true && target.lastEnd.pid === pid;
      if (pid !== null) gone.set(target.name, isTold ? null : now);
    } else if (since === null || now < since + GONE_MS) {
      gone.set(target.name, since);
    } else {
      gone.set(target.name, null);
      lost.push({ kind: 'crashed', target: target.name, text: target.message, ms: null });
    }
  }
  return { gone, lost };
}

/** A pause that others are about to end, or should have ended. */
function lookForLate(
  state: NotificationState,
  report: StatusReport,
  now: number,
): { pauses: Map<string, Warned>; late: Notice[]; waits: number[] } {
  const pauses = new Map<string, Warned>();
  const late: Notice[] = [];
  const waits: number[] = [];
  for (const { name, pause } of report.targets) {
    if (pause === null || pause.until === null) continue;
    const { since, until, limits } = pause;
    const known = state.pauses.get(name);
    const before = known !== undefined && known.since === since ? known.told : null;
    const told = now >= until ? 'overdue' : now >= until - LAST_MS ? 'late' : null;
    if (told !== null) pauses.set(name, { since, told });
    if (told !== 'overdue') waits.push(told === null ? until - LAST_MS : until);
    if (told === null || told === before) continue;
    late.push({ kind: 'paused', target: name, text: limits[0] ?? '', ms: Math.max(0, until - now) });
  }
  return { pauses, late, waits };
}

function workerOf(before: StatusReport | null, target: TargetReport): number | null {
  return before?.targets.find(({ name }) => name === target.name)?.worker?.pid ?? null;
}
