// Owns what a pause costs: which of the things that watch over a worker are answered while the debugger has stopped it, and
// when the first of the others ends it. Pure.
import type { WhilePausedParams } from '../agent/protocol.ts';
import type { BudgetReport, PauseReport } from './status.ts';
import type { Probe, Replica, WhilePaused } from './types.ts';

/** What is known of a worker that may be paused. */
export interface PauseFacts {
  readonly probes: Replica['probes'];
  readonly timeLimits: Replica['timeLimits'];
  readonly settings: WhilePaused;
  /** Of the worker; a server's own options are there, in the supervisor's words. */
  readonly cmdlines: readonly (readonly string[])[];
  /** Our part is in the worker. False: a debugpy of the app's own, which we leave as it is. */
  readonly inside: boolean;
}

interface Limit {
  readonly what: string;
  readonly seconds: number;
}

/** gunicorn's and uvicorn's own, when nothing else is set. */
const GUNICORN_SECONDS = 30;
const UVICORN_SECONDS = 5;

/** Since when the worker is paused, for those who count: steps do not begin a new pause. Milliseconds since the epoch. */
export interface PauseState {
  readonly since: number;
  /** Null: it is paused. */
  readonly runsSince: number | null;
}

export const RUNS: PauseState = { since: 0, runsSince: -Infinity };
/** A step lets the app run for milliseconds: too short to answer a probe. */
const STEP_MS = 1_000;

export function stops(pause: PauseState, now: number): PauseState {
  const goes = pause.runsSince === null || now - pause.runsSince < STEP_MS;
  return { since: goes ? pause.since : now, runsSince: null };
}

export function goesOn(pause: PauseState, now: number): PauseState {
  return { ...pause, runsSince: pause.runsSince ?? now };
}

/** What the worker is told to do; undefined: nothing. */
export function whilePausedParams(probes: Replica['probes'], settings: WhilePaused): WhilePausedParams | undefined {
  if (probes === undefined || settings.probes === 'warn') return undefined;
  const answers = new Map<string, WhilePausedParams['probes'][number]>();
  // One question may be asked by several probes: what keeps the container alive comes last, and counts.
  const byWeight = [...probes].sort((a, b) => Number(b.kind === 'readiness') - Number(a.kind === 'readiness'));
  for (const probe of byWeight) {
    if (probe.by !== 'http' || probe.port === null) continue;
    const path = askedPath(probe);
    const status = probe.kind === 'readiness' && settings.readiness === 'fail' ? 503 : 200;
    answers.set(`${String(probe.port)}${path}`, { port: probe.port, path, status });
  }
  const ports = probes.flatMap(({ by, port }) => (by === 'tcp' && port !== null ? [port] : []));
  if (answers.size === 0 && ports.length === 0) return undefined;
  return { probes: [...answers.values()], ...(ports.length > 0 && { ports: [...new Set(ports)] }) };
}

/** Where a probe that keeps the container alive asks the same, its answer is everybody's. */
function isToldNo(probe: Probe, all: readonly Probe[], settings: WhilePaused): boolean {
  if (probe.kind !== 'readiness' || probe.by !== 'http' || settings.readiness !== 'fail') return false;
  return !all.some(
    (other) =>
      other.kind !== 'readiness' &&
      other.by === 'http' &&
      other.port === probe.port &&
      askedPath(other) === askedPath(probe),
  );
}

/** As the kubelet asks for it. */
function askedPath({ path }: Probe): string {
  const asked = path ?? '/';
  return asked.startsWith('/') ? asked : `/${asked}`;
}

/** Null: nothing watches, nothing to say. */
export function pauseBudget(facts: PauseFacts): BudgetReport | null {
  const { probes = [], settings, inside } = facts;
  const answered: string[] = [];
  const limits: Limit[] = [];
  const notes: string[] = [];
  for (const probe of probes) {
    const name = nameOf(probe);
    if (probe.by === 'tcp' || (probe.by === 'http' && inside && settings.probes === 'answer')) {
      const fails = isToldNo(probe, probes, settings);
      if (fails) notes.push(`${name} is told 503: the pod leaves its service`);
      else answered.push(name);
      continue;
    }
    const seconds = strikesAfter(probe);
    if (probe.kind === 'readiness') notes.push(`${name} fails: the pod leaves its service after ${String(seconds)} s`);
    else limits.push({ what: `${name} fails: the container is restarted`, seconds });
  }
  limits.push(...(facts.timeLimits ?? []), ...serverLimits(facts));
  limits.sort((a, b) => a.seconds - b.seconds);
  if (answered.length + limits.length + notes.length === 0) return null;
  return {
    answered,
    limits: [...limits.map(({ what, seconds }) => `${what} after ${String(seconds)} s`), ...notes],
    seconds: limits[0]?.seconds ?? null,
  };
}

/** The report of a stop that began at `since`. */
export function pauseReport(budget: BudgetReport | null, since: number): PauseReport {
  const seconds = budget?.seconds ?? null;
  return { since, until: seconds === null ? null : since + seconds * 1000, limits: budget?.limits ?? [] };
}

/** From the pause to the last of the failures in a row, at the earliest: the first probe may come right after it. */
function strikesAfter({ periodSeconds, timeoutSeconds, failureThreshold }: Probe): number {
  return (failureThreshold - 1) * periodSeconds + timeoutSeconds;
}

function nameOf(probe: Probe): string {
  const { kind, by, port } = probe;
  const where = port === null ? '' : ` :${String(port)}`;
  switch (by) {
    case 'http':
      return `${kind} probe GET${where}${askedPath(probe)}`;
    case 'https':
      return `${kind} probe by TLS${where}`;
    case 'tcp':
      return `${kind} probe by TCP${where}`;
    case 'grpc':
      return `${kind} probe by gRPC${where}`;
    case 'exec':
      return `${kind} probe by exec`;
    default:
      return by satisfies never;
  }
}

/** What servers and task queues do by themselves. gunicorn's and uvicorn's heartbeats go on while we are inside. */
function serverLimits({ cmdlines, inside }: PauseFacts): Limit[] {
  const limits: Limit[] = [];
  const cmdline = cmdlines.find((words) => words.some((word) => SERVERS.test(word))) ?? [];
  const name = SERVERS.exec(cmdline.find((word) => SERVERS.test(word)) ?? '')?.[1];
  if (name === 'gunicorn' && !inside) {
    const seconds = option(cmdline, ['--timeout', '-t']) ?? GUNICORN_SECONDS;
    if (seconds > 0) limits.push({ what: 'gunicorn --timeout kills the worker', seconds });
  }
  if (name === 'uvicorn' && !inside && (option(cmdline, ['--workers']) ?? 1) > 1) {
    const seconds = option(cmdline, ['--timeout-worker-healthcheck']) ?? UVICORN_SECONDS;
    limits.push({ what: 'uvicorn kills a worker that answers no ping', seconds });
  }
  if (name === 'celery') {
    const soft = option(cmdline, ['--soft-time-limit']);
    const hard = option(cmdline, ['--time-limit']);
    if (soft !== null && soft > 0) limits.push({ what: 'celery --soft-time-limit interrupts the task', seconds: soft });
    if (hard !== null && hard > 0) limits.push({ what: 'celery --time-limit kills the worker', seconds: hard });
  }
  return limits;
}

const SERVERS = /(?:^|\/)(gunicorn|uvicorn|celery)$/;

function option(cmdline: readonly string[], names: readonly string[]): number | null {
  for (const [i, word] of cmdline.entries()) {
    for (const name of names) {
      const value =
        word === name ? cmdline[i + 1] : word.startsWith(`${name}=`) ? word.slice(name.length + 1) : undefined;
      if (value !== undefined && /^\d+(\.\d+)?$/.test(value)) return Number(value);
    }
  }
  return null;
}
