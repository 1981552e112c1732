// Owns the status report of one target: from state and plan to what everybody is told. Pure.
import type { DebugwandError } from '../lib/errors.ts';
import type { BudgetReport, EntryReport, ErrorReport, TargetReport, WorkerReport } from './status.ts';
import type { TargetConfig } from './types.ts';
import { pauseBudget, pauseReport } from './pause-budget.ts';
import type { Plan } from './plan.ts';
import { replicaKey } from './identity.ts';
import { stopPlaces, type TargetState } from './state.ts';
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
): TargetReport {
  const replicaName = state.replica?.name ?? '';
  const budget = budgetOf(config, state);
  const processes = (state.classification?.processes ?? []).map((p) =>
    processReport(p, replicaName, state.processesAt),
  );
  return {
    name: config.name,
    kind: config.source.kind,
    port: config.port,
    phase: plan.phase,
    ready: state.portBound && plan.error === null && plan.phase !== 'entering',
    message: plan.message,
    worker: workerReport(state, processes, replicaName),
    processes,
    processesAt: state.processesAt,
    entry: entryReport(state),
    editor: { connected: state.editor.connected, client: state.editor.client },
    workers: workerSlots(config, state, plan),
    workersLeftOut: state.leftOut,
    stoppedAt: stopPlaces(state)[0] ?? null,
    reattach: {
      count: state.reattach.count,
      last: state.reattach.history.at(-1) ?? null,
      history: state.reattach.history,
    },
    lastEnd: lastEnd(state.ends),
    error: plan.error === null ? null : errorReport(plan.error),
    replicas: (state.snapshot?.replicas ?? []).map((replica) => ({
      name: replica.name,
      state: replica.state,
      followed: state.replica !== null && replicaKey(replica) === replicaKey(state.replica),
      note: replica.note ?? '',
    })),
    cluster: state.snapshot?.cluster ?? null,
    forwards,
    pause: stopPlaces(state).length === 0 ? null : pauseReport(budget, state.pause.since),
    pauseBudget: budget,
  };
}

function budgetOf(config: TargetConfig, state: TargetState): BudgetReport | null {
  const entry = state.worker?.entry;
  if (entry?.state !== 'entered') return null;
  const { replica } = state;
  const key = replica === null ? null : replicaKey(replica);
  const seen = state.snapshot?.replicas.find((one) => replicaKey(one) === key) ?? replica;
  return pauseBudget({
    probes: seen?.probes,
    timeLimits: seen?.timeLimits,
    settings: config.whilePaused,
    cmdlines: (state.classification?.processes ?? []).map(({ cmdline }) => cmdline),
    inside: entry.result.origin !== 'app-listening',
  });
}

function workerReport(state: TargetState, processes: TargetReport['processes'], replica: string): WorkerReport | null {
  const { worker } = state;
  if (worker === null) return null;
  const process = processes.find((p) => p.pid === worker.process.pid);
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
  const failed = state.provenSkips.map((skip) => ({ rung: skip.rung, why: skip.why }));
  const why = `Python ${result.python} has no remote debugging, which came with 3.14; wand started it, and its environment let wand in`;
  const skipped = rung === 'environment' ? [...failed, { rung: 'exec' as const, why }] : failed;
  return { rung, skipped, debugpy: `${result.debugpy} (${result.origin})` };
}
