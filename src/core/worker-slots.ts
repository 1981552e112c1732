// Owns the rows of the status report about workers: who has a debug session, who runs without one. Pure.
import type { ChildSlot } from './child-slots.ts';
import { isAsleep, NO_REATTACHES, type Reattaches, type WorkerState } from './entry-state.ts';
import { explainEntry } from './ladder.ts';
import type { Plan } from './plan.ts';
import type { Phase, WorkerSlotReport } from './status.ts';
import type { TargetState } from './state.ts';
import type { TargetConfig } from './types.ts';

/** The first session's row comes first, even while it waits; none where there is no worker at all. */
export function workerSlots(config: TargetConfig, state: TargetState, plan: Plan): readonly WorkerSlotReport[] {
  const { classification, worker, slots } = state;
  const replica = state.replica?.name ?? '';
  const members = [...(classification?.crew ?? []), ...(classification?.below ?? [])];
  const there = slots.filter(({ over }) => !over);
  if (worker === null && there.length === 0) return [];
  const debugged = new Set([worker, ...there.map((slot) => slot.worker)].map((one) => one?.process.pid));
  const root: WorkerSlotReport = {
    slot: 0,
    pid: worker?.process.pid ?? null,
    replica,
    generation: worker?.generation ?? null,
    phase: state.editor.stoppedAt !== null ? 'stopped' : plan.error === null ? phaseOf(worker) : 'blocked',
    session: state.editor.connected,
    stoppedAt: state.editor.stoppedAt,
    reattach: countOf(state.reattach),
    message: messageOfFirst(state, plan),
  };
  const rest = members.filter((pid) => !debugged.has(pid));
  return [
    root,
    ...there.map((slot) => slotReport(config, slot, replica)),
    ...rest.map((pid): WorkerSlotReport => {
      const message = 'runs without the debugger';
      const nothing = { slot: null, generation: null, phase: null, session: false, stoppedAt: null } as const;
      return { ...nothing, pid, replica, reattach: countOf(NO_REATTACHES), message };
    }),
  ];
}

/** The target's own message, where that is about another worker: what this one does. */
function messageOfFirst({ editor, slots, worker }: TargetState, plan: Plan): string {
  const isOfAnother = plan.phase === 'stopped' && editor.stoppedAt === null;
  if (isOfAnother && slots.length > 0) return worker === null ? 'waits for a worker' : 'attached';
  return worker === null ? plan.message : plan.message.replace(`worker ${String(worker.process.pid)}: `, '');
}

function countOf({ count, history }: Reattaches): WorkerSlotReport['reattach'] {
  return { count, last: history.at(-1) ?? null };
}

function slotReport(config: TargetConfig, slot: ChildSlot, replica: string): WorkerSlotReport {
  const { id, worker, stoppedAt, session } = slot;
  return {
    slot: id,
    pid: worker?.process.pid ?? null,
    replica,
    generation: worker?.generation ?? null,
    phase: session.state === 'left' ? null : stoppedAt !== null ? 'stopped' : phaseOf(worker),
    session: session.state === 'open',
    stoppedAt,
    reattach: countOf(slot.reattach),
    message: messageOf(config, slot),
  };
}

function messageOf(config: TargetConfig, { worker, stoppedAt, session }: ChildSlot): string {
  if (session.state === 'left') return 'its debug session was ended: it runs without the debugger';
  if (worker === null) return 'waits for a worker';
  if (stoppedAt !== null) return `stopped at ${stoppedAt}`;
  const { entry } = worker;
  switch (entry.state) {
    case 'entered':
      return session.state === 'open' ? 'attached' : 'waits for the editor to open its debug session';
    case 'failed': {
      const facts = { source: config.source, helperAvailable: false };
      return explainEntry(entry.error, worker.process, facts).message;
    }
    default:
      return isAsleep(worker)
        ? 'runs no Python code just now: it is entered with the first request or task'
        : 'is being entered';
  }
}

function phaseOf(worker: WorkerState | null): Phase {
  if (worker === null || (isAsleep(worker) && worker.entry.state === 'entering')) return 'waiting';
  if (worker.entry.state === 'entered') return 'attached';
  return worker.entry.state === 'failed' && worker.entry.retryAt === null ? 'blocked' : 'entering';
}
