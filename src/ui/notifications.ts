// Owns which desktop notifications are due: from one status report to the next, one notification for a burst of events.
// Pure: the time is an argument, and when to ask again is part of the answer. Showing them is notify.ts.
import type { StatusReport, TargetReport } from '../core/status.ts';
import { seconds } from './terminal.ts';

/** A burst ends when nothing has happened for this long, or after `BURST_MS`, ms. */
export const QUIET_MS = 700;
export const BURST_MS = 4_000;
/** A reloader replaces a worker within a second or two; one that stays away longer than this crashed, ms. */
export const GONE_MS = 3_000;

/** So long before a pause is ended by others, ms. */
export const LAST_MS = 10_000;

type Kind = 'back' | 'crashed' | 'blocked' | 'late' | 'overdue';

interface Notice {
  readonly kind: Kind;
  readonly target: string;
  readonly text: string;
  /** How long it took, for `back`, ms. */
  readonly ms: number | null;
}

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
}

export interface Notification {
  readonly title: string;
  readonly message: string;
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
};

/** The next state after a report, or (with the same report) after time has passed. */
export function advance(state: NotificationState, report: StatusReport, now: number): Advance {
  const { gone, crashed } = lookForGone(state, report, now);
  const { pauses, late, waits: warnings } = lookForLate(state, report, now);
  const fresh = [...noticesOf(state.last, report), ...crashed, ...late];
  const pending = [...state.pending, ...fresh];
  const firstAt = state.pending.length === 0 ? now : state.firstAt;
  const lastAt = fresh.length > 0 ? now : state.lastAt;
  const isUrgent = pending.some(({ kind }) => kind === 'late' || kind === 'overdue');
  const dueAt = pending.length === 0 ? null : isUrgent ? now : Math.min(lastAt + QUIET_MS, firstAt + BURST_MS);
  const isDue = dueAt !== null && now >= dueAt;
  const waits = [...gone.values()].flatMap((since) => (since === null ? [] : [since + GONE_MS]));
  waits.push(...warnings);
  if (dueAt !== null && !isDue) waits.push(dueAt);
  return {
    state: { last: report, gone, pauses, pending: isDue ? [] : pending.slice(-100), firstAt, lastAt },
    show: isDue ? summary(pending) : null,
    wakeAt: waits.length === 0 ? null : Math.min(...waits),
  };
}

function noticesOf(before: StatusReport | null, after: StatusReport): Notice[] {
  return after.targets.flatMap((target): Notice[] => {
    const was = before?.targets.find(({ name }) => name === target.name);
    if (was === undefined) return [];
    const { last, count } = target.reattach;
    if (last !== null && count > was.reattach.count) {
      const why = last.reason === 'crash' ? 'after a crash' : `after a ${last.reason}`;
      const worker = target.worker === null ? '' : `worker ${String(target.worker.pid)} `;
      return [{ kind: 'back', target: target.name, text: `${worker}${why}`, ms: last.ms }];
    }
    if (target.phase === 'blocked' && was.phase !== 'blocked') {
      return [{ kind: 'blocked', target: target.name, text: target.error?.message ?? target.message, ms: null }];
    }
    return [];
  });
}

/** A worker that a living supervisor does not replace: a syntax error, an exception at start, a kill. */
function lookForGone(
  state: NotificationState,
  report: StatusReport,
  now: number,
): { gone: Map<string, number | null>; crashed: Notice[] } {
  const gone = new Map<string, number | null>();
  const crashed: Notice[] = [];
  for (const target of report.targets) {
    if (target.worker !== null || target.phase !== 'waiting' || target.processes.length === 0) continue;
    const since = state.gone.get(target.name);
    if (since === undefined) {
      if (hadWorker(state.last, target)) gone.set(target.name, now);
    } else if (since === null || now < since + GONE_MS) {
      gone.set(target.name, since);
    } else {
      gone.set(target.name, null);
      crashed.push({ kind: 'crashed', target: target.name, text: target.message, ms: null });
    }
  }
  return { gone, crashed };
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
    late.push({ kind: told, target: name, text: limits[0] ?? '', ms: Math.max(0, until - now) });
  }
  return { pauses, late, waits };
}

function hadWorker(before: StatusReport | null, target: TargetReport): boolean {
  return (before?.targets.find(({ name }) => name === target.name)?.worker ?? null) !== null;
}

/** One for all: what is worst stands in the title. */
function summary(notices: readonly Notice[]): Notification | null {
  const worst = (['late', 'overdue', 'blocked', 'crashed', 'back'] as const).find((kind) =>
    notices.some((notice) => notice.kind === kind),
  );
  const chosen = notices.filter((notice) => notice.kind === worst);
  const last = chosen.at(-1);
  if (worst === undefined || last === undefined) return null;
  const names = [...new Set(chosen.map((notice) => notice.target))].join(', ');
  if (worst === 'late') {
    return { title: `${names}: ${String(Math.ceil((last.ms ?? 0) / 1000))} s left`, message: `Continue: ${last.text}` };
  }
  if (worst === 'overdue') return { title: `${names}: paused for too long`, message: last.text };
  if (worst === 'blocked') return { title: `${names}: blocked`, message: last.text };
  if (worst === 'crashed') return { title: `${names}: worker crashed`, message: last.text };
  const time = last.ms === null ? '' : ` in ${seconds(last.ms)}`;
  const more = chosen.length === 1 ? '' : ` (${String(chosen.length)} times)`;
  return { title: `${names}: debugger back${time}`, message: `${last.text}${more}` };
}
