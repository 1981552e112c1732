// Owns what the status page remembers of the last hours: a bounded history, folded from one status report after the other.
// Pure.
import type { Phase, ReattachReport, StatusReport, TargetReport } from '../core/status.ts';

/** The target was in that phase from then until the next span begins. Times are milliseconds since the Unix epoch. */
export interface Span {
  readonly at: number;
  readonly phase: Phase;
}

/** A stop, steps included: `at` is when it began. */
export interface StopSpan {
  readonly at: number;
  /** Null: it lasts. */
  readonly to: number | null;
  /** Where it was stopped last. */
  readonly where: string;
  /** When something would have ended the worker; null: nothing that is known. */
  readonly until: number | null;
  /** In words: what would; null: nothing that is known. */
  readonly limit: string | null;
}

export interface SessionReattach extends ReattachReport {
  /** The session's; absent: the first one. */
  readonly slot?: number;
}

/** The worker's figures, since the sample before. Null: there was no worker. */
export interface Sample {
  readonly at: number;
  readonly pid: number | null;
  /** Of one core. */
  readonly cpuPercent: number | null;
  readonly rssBytes: number | null;
}

export interface TargetHistory {
  /** When the target was first seen: one that was away (the config) begins anew. */
  readonly since: number;
  readonly spans: readonly Span[];
  readonly stops: readonly StopSpan[];
  /** Of all sessions. Each has a time of its own: of two in the same millisecond one is told a little later. */
  readonly reattaches: readonly SessionReattach[];
  readonly samples: readonly Sample[];
}

/** By target. */
export type History = Readonly<Record<string, TargetHistory>>;

export const HISTORY_MS = 4 * 3_600_000;
const SAMPLE_MS = 5_000;
/** What a process has that was just forked is not the worker's yet, ms. */
const YOUNG_MS = 1_000;
/** Beside the hours: a target that reloads all the time must not fill the memory. Samples are bounded by their distance. */
const MOST_ENTRIES = 1_000;
const MOST_SAMPLES = HISTORY_MS / SAMPLE_MS + MOST_ENTRIES;

const NOTHING: Omit<TargetHistory, 'since'> = { spans: [], stops: [], reattaches: [], samples: [] };

/** With what no page needs to know, by target. */
export interface Memory {
  readonly history: History;
  /** CPU seconds of the worker at the last sample. */
  readonly readings: Readonly<Record<string, Reading>>;
  readonly told: Readonly<Record<string, Told>>;
}

/** When the last re-attach that was taken over was, by slot; ms since the epoch. */
type Told = Readonly<Record<number, number>>;

interface Reading {
  readonly worker: string;
  readonly cpuSeconds: number;
  readonly at: number;
}

export const NO_MEMORY: Memory = { history: {}, readings: {}, told: {} };

/** `now`: of the report. What is left of targets that are gone goes with them. */
export function remember({ history, readings, told }: Memory, report: StatusReport, now: number): Memory {
  const after: Record<string, TargetHistory> = {};
  const read: Record<string, Reading> = {};
  const tells: Record<string, Told> = {};
  for (const target of report.targets) {
    const was = history[target.name] ?? { ...NOTHING, since: now };
    const { samples, reading } = sampled(was.samples, target, readings[target.name]);
    const { reattaches, last } = reattachesAfter(was.reattaches, target, told[target.name] ?? {});
    after[target.name] = {
      since: was.since,
      spans: kept(spansAfter(was.spans, target, now), now, MOST_ENTRIES, true),
      stops: kept(stopsAfter(was.stops, target, now), now, MOST_ENTRIES),
      reattaches: kept(reattaches, now, MOST_ENTRIES),
      samples: kept(samples, now, MOST_SAMPLES),
    };
    if (reading !== undefined) read[target.name] = reading;
    tells[target.name] = last;
  }
  return { history: after, readings: read, told: tells };
}

/** What is in `after` and not in `before`: entries to add, and entries that take the place of one with the same `at`. */
export function news(before: History, after: History): History {
  const found: Record<string, TargetHistory> = {};
  for (const [name, is] of Object.entries(after)) {
    const known = before[name];
    const isSame = known?.since === is.since;
    const was = isSame ? known : NOTHING;
    const change: TargetHistory = {
      since: is.since,
      spans: tail(was.spans, is.spans),
      stops: tail(was.stops, is.stops),
      reattaches: tail(was.reattaches, is.reattaches),
      samples: tail(was.samples, is.samples),
    };
    const lists = [change.spans, change.stops, change.reattaches, change.samples];
    if (!isSame || lists.some((list) => list.length > 0)) found[name] = change;
  }
  return found;
}

function spansAfter(spans: readonly Span[], { phase }: TargetReport, now: number): readonly Span[] {
  return spans.at(-1)?.phase === phase ? spans : [...spans, { at: later(spans, now), phase }];
}

function stopsAfter(stops: readonly StopSpan[], target: TargetReport, now: number): readonly StopSpan[] {
  const { stoppedAt, pause } = target;
  const last = stops.at(-1);
  if (stoppedAt === null || pause === null) {
    return last === undefined || last.to !== null ? stops : [...stops.slice(0, -1), { ...last, to: now }];
  }
  const { since, until, limits } = pause;
  const stop: StopSpan = {
    at: since,
    to: null,
    where: stoppedAt,
    until,
    limit: until === null ? null : (limits[0] ?? null),
  };
  if (last === undefined) return [stop];
  if (last.at >= since) {
    // Steps do not begin a new pause; a clock that was set back does not either.
    const same = { ...stop, at: last.at };
    return isSame(last, same) ? stops : [...stops.slice(0, -1), same];
  }
  return [...stops.slice(0, -1), last.to === null ? { ...last, to: since } : last, stop];
}

function reattachesAfter(
  known: readonly SessionReattach[],
  { reattach, workers }: TargetReport,
  told: Told,
): { readonly reattaches: readonly SessionReattach[]; readonly last: Told } {
  const further = workers.flatMap(({ slot, reattach: { last } }): SessionReattach[] =>
    slot === null || slot === 0 || last === null ? [] : [{ ...last, slot }],
  );
  const all: readonly SessionReattach[] = [...reattach.history, ...further];
  const added = all.filter(({ at, slot = 0 }) => at > (told[slot] ?? -Infinity)).toSorted((a, b) => a.at - b.at);
  const reattaches = [...known];
  for (const one of added) reattaches.push({ ...one, at: later(reattaches, one.at) });
  const last = Object.fromEntries(all.map(({ at, slot = 0 }) => [slot, Math.max(at, told[slot] ?? -Infinity)]));
  return { reattaches: added.length === 0 ? known : reattaches, last };
}

function sampled(
  samples: readonly Sample[],
  target: TargetReport,
  before: Reading | undefined,
): { readonly samples: readonly Sample[]; readonly reading?: Reading } {
  const last = samples.at(-1);
  const at = target.processesAt;
  const process = target.worker === null ? undefined : target.processes.find(({ pid }) => pid === target.worker?.pid);
  if (process === undefined) {
    if (last === undefined || last.pid === null) return { samples };
    return { samples: [...samples, { at: Math.max(at, last.at + 1), pid: null, cpuPercent: null, rssBytes: null }] };
  }
  const { pid, startedAt, cpuSeconds, rssBytes } = process;
  const worker = `${String(pid)}@${String(startedAt)}`;
  const isSameWorker = before?.worker === worker && cpuSeconds >= before.cpuSeconds;
  const isEarly = last !== undefined && (at <= last.at || (isSameWorker && at - last.at < SAMPLE_MS));
  if (isEarly || at - startedAt < YOUNG_MS) {
    return before === undefined ? { samples } : { samples, reading: before };
  }
  // The first of a worker: since its start.
  const [from, used] = isSameWorker ? [before.at, cpuSeconds - before.cpuSeconds] : [startedAt, cpuSeconds];
  const cpuPercent = at > from ? Math.round((used * 1_000_000) / (at - from)) / 10 : 0;
  return {
    samples: [...samples, { at, pid, cpuPercent, rssBytes }],
    reading: { worker, cpuSeconds, at },
  };
}

/** `open`: the oldest entry reaches to the next one, so it counts as long as that is too old. */
function kept<T extends { readonly at: number }>(
  list: readonly T[],
  now: number,
  most: number,
  open = false,
): readonly T[] {
  const oldest = now - HISTORY_MS;
  const first = list.findIndex((entry, index) => (open ? (list[index + 1]?.at ?? Infinity) : entry.at) > oldest);
  const from = Math.max(first < 0 ? list.length : first, list.length - most);
  return from === 0 ? list : list.slice(from);
}

/** Lists only grow at their end, and only the last entry changes. */
function tail<T extends { readonly at: number }>(was: readonly T[], is: readonly T[]): readonly T[] {
  const last = was.at(-1);
  if (last === undefined) return is;
  let from = is.length;
  while (from > 0) {
    const entry = is[from - 1];
    if (entry === undefined || entry === last || entry.at < last.at) break;
    from -= 1;
  }
  return is.slice(from);
}

function later(list: readonly { readonly at: number }[], now: number): number {
  return Math.max(now, (list.at(-1)?.at ?? -Infinity) + 1);
}

function isSame(a: StopSpan, b: StopSpan): boolean {
  return a.to === b.to && a.where === b.where && a.until === b.until && a.limit === b.limit;
}
