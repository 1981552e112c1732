// Owns the status report of one target: from state and plan to what everybody is told. Pure.
import type { DebugwandError } from '../lib/errors.ts';
import type { BudgetReport, EntryReport, ErrorReport, TargetReport, WorkerReport } from './status.ts';
import type { TargetConfig } from './types.ts';
import { pauseBudget, pauseReport } from './pause-budget.ts';
import type { Plan } from './plan.ts';
import { homeOf, nowOf, replicaOf, type FollowedReplica } from './followed-replica.ts';
import { replicaKey } from './identity.ts';
import { proofOf, type TargetState } from './state.ts';
import { stopsOf } from './stops.ts';
import { workerSlots } from './worker-slots.ts';
import { processReport } from './process-report.ts';
import { lastEnd } from './worker-end.ts';

export function errorReport(error: DebugwandError): ErrorReport {
  return { code: error.code, message: error.message, fix: error.fix };
}

export function targetReport(
  config: TargetConfig,
  state: TargetState,
  plan: Plan,
  forwards: TargetReport['forwards'],
  now: number,
): TargetReport {
  const home = homeOf(state);
  const budget = budgetOf(config, state);
  const processes = [...(home === null ? [] : [home]), ...state.followed.filter((one) => one !== home)].flatMap(
    ({ replica, classification, processesAt }) =>
      (classification?.processes ?? []).map((one) => {
        const chosen = one.chosen && home?.replica === replica;
        return processReport({ ...one, chosen }, replica.name, processesAt);
      }),
  );
  return {
    name: config.name,
    kind: config.source.kind,
    port: config.port,
    phase: plan.phase,
    ready: state.portBound && plan.error === null && plan.phase !== 'entering',
    message: plan.message,
    worker: workerReport(state, processes, home?.replica.name ?? ''),
    processes,
    processesAt: home?.processesAt ?? 0,
    entry: entryReport(state),
    editor: { connected: state.editor.connected, client: state.editor.client },
    workers: workerSlots(config, state, plan),
    // Kept while nothing runs, so that the editor's user is told once.
    workersLeftOut: state.followed.some(({ classification }) => classification !== null) ? state.leftOut : 0,
    stoppedAt: stopsOf(state)[0]?.where ?? null,
    reattach: {
      count: state.reattach.count,
      last: state.reattach.history.at(-1) ?? null,
      history: state.reattach.history,
    },
    lastEnd: lastEnd(state, now),
    error: plan.error === null ? null : errorReport(plan.error),
    replicas: (state.snapshot?.replicas ?? []).map((replica) => {
      const place = state.followed.find(({ key }) => key === replicaKey(replica));
      const { name, state: is, note = '' } = replica;
      return {
        name,
        state: is,
        followed: place !== undefined,
        note: [note, troubleOf(place)].filter(Boolean).join('; '),
      };
    }),
    cluster: state.snapshot?.cluster ?? null,
    forwards,
    pause: stopsOf(state).length === 0 ? null : pauseReport(budget, state.pause.since),
    pauseBudget: budget,
  };
}

/** Why a replica that is followed beside others cannot be entered. */
function troubleOf(place: FollowedReplica | undefined): string {
  return place?.agent.state === 'failed' && place.agent.attempts > 1 ? place.agent.error.message : '';
}

/** Of the worker that is stopped, else of the first session's. */
function budgetOf(config: TargetConfig, state: TargetState): BudgetReport | null {
  const worker = stopsOf(state)[0]?.worker ?? state.worker;
  const entry = worker?.entry;
  if (worker === null || entry?.state !== 'entered') return null;
  const place = replicaOf(state, worker.process);
  if (place === null) return null;
  const seen = nowOf(state.snapshot, place);
  return pauseBudget({
    probes: seen.probes,
    timeLimits: seen.timeLimits,
    settings: config.whilePaused,
    cmdlines: (place.classification?.processes ?? []).map(({ cmdline }) => cmdline),
    inside: entry.result.origin !== 'app-listening',
  });
}

function workerReport(state: TargetState, processes: TargetReport['processes'], replica: string): WorkerReport | null {
  const { worker } = state;
  if (worker === null) return null;
  const process = processes.find((p) => p.pid === worker.process.pid && p.replica === replica);
  if (process === undefined) return null;
  const python = worker.entry.state === 'entered' ? worker.entry.result.python : (process.python ?? 'unknown');
  return {
    pid: process.pid,
    replica,
    generation: worker.generation,
    command: process.command,
    python,
    cpuPercent: process.cpuPercent,
    rssBytes: process.rssBytes,
    role: process.role,
    reason: process.reason,
  };
}

function entryReport(state: TargetState): EntryReport | null {
  const { worker } = state;
  if (worker === null || worker.entry.state !== 'entered') return null;
  const { rung, result } = worker.entry;
  const place = replicaOf(state, worker.process);
  const skips = place === null ? [] : proofOf(state, place.replica).skips;
  const failed = skips.map((skip) => ({ rung: skip.rung, why: skip.why }));
  const why = `Python ${result.python} has no remote debugging, which came with 3.14; wand started it, and its environment let wand in`;
  const skipped = rung === 'environment' ? [...failed, { rung: 'exec' as const, why }] : failed;
  return { rung, skipped, debugpy: `${result.debugpy} (${result.origin})` };
}
