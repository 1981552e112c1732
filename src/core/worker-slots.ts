// Owns the rows of the status report about workers: who has a debug session, who runs without one. Pure.
import type { ChildSlot } from './child-slots.ts';
import { isAsleep, NO_REATTACHES, type Reattaches, type WorkerState } from './entry-state.ts';
import { homeOf, replicaOf, workerName } from './followed-replica.ts';
import { sameProcess } from './identity.ts';
import { explainEntry } from './ladder.ts';
import type { Plan } from './plan.ts';
import type { Phase, WorkerSlotReport } from './status.ts';
import type { TargetState } from './state.ts';
import type { TargetConfig } from './types.ts';

/** The first session's row comes first, even while it waits; none where there is no worker at all. */
export function workerSlots(config: TargetConfig, state: TargetState, plan: Plan): readonly WorkerSlotReport[] {
  const { worker, slots } = state;
  const there = slots.filter(({ over }) => !over);
  if (worker === null && there.length === 0) return [];
  const debugged = [worker, ...there.map((slot) => slot.worker)].flatMap((one) => (one === null ? [] : [one.process]));
  const root: WorkerSlotReport = {
    slot: 0,
    pid: worker?.process.pid ?? null,
    replica: homeOf(state)?.replica.name ?? '',
    generation: worker?.generation ?? null,
    phase: state.editor.stoppedAt !== null ? 'stopped' : plan.error === null ? phaseOf(worker) : 'blocked',
    session: state.editor.connected,
    stoppedAt: state.editor.stoppedAt,
    ...along(state, 0, state.editor.stoppedAt),
    reattach: countOf(state.reattach),
    message: messageOfFirst(state, plan),
  };
  const rest = state.followed.flatMap(({ replica, classification, processes }) => {
    const members = [...(classification?.crew ?? []), ...(classification?.below ?? [])];
    // Its end may be known before the tree is told anew.
    return (classification?.processes ?? [])
      .filter((one) => processes.some((other) => sameProcess(one, other)))
      .filter((one) => members.includes(one.pid) && !debugged.some((other) => sameProcess(one, other)))
      .toSorted((a, b) => members.indexOf(a.pid) - members.indexOf(b.pid))
      .map(({ pid }): WorkerSlotReport => {
        const message = 'runs without the debugger';
        const none = { slot: null, generation: null, phase: null, session: false, stoppedAt: null } as const;
        return { ...none, pid, replica: replica.name, reattach: countOf(NO_REATTACHES), message };
      });
  });
  return [root, ...there.map((slot) => slotReport(config, state, slot)), ...rest];
}

/** The target's own message, where that is about another worker: what this one does. */
function messageOfFirst(state: TargetState, plan: Plan): string {
  const { editor, slots, worker } = state;
  if (plan.phase === 'stopped' && editor.stoppedAt !== null) return stopText(state, 0, editor.stoppedAt);
  const isOfAnother = plan.phase === 'stopped' && editor.stoppedAt === null;
  if (isOfAnother && slots.length > 0) return worker === null ? 'waits for a worker' : 'attached';
  return worker === null ? plan.message : plan.message.replace(`${workerName(state, worker.process)}: `, '');
}

function countOf({ count, history }: Reattaches): WorkerSlotReport['reattach'] {
  return { count, last: history.at(-1) ?? null };
}

function slotReport(config: TargetConfig, state: TargetState, slot: ChildSlot): WorkerSlotReport {
  const { id, worker, stoppedAt, session } = slot;
  const place = worker === null ? state.followed.length === 1 && homeOf(state) : replicaOf(state, worker.process);
  return {
    slot: id,
    pid: worker?.process.pid ?? null,
    // One that waits for a worker of any of several is nowhere.
    replica: place === null || place === false ? '' : place.replica.name,
    generation: worker?.generation ?? null,
    phase: session.state === 'left' ? null : stoppedAt !== null ? 'stopped' : phaseOf(worker),
    session: session.state === 'open',
    stoppedAt,
    ...along(state, id, stoppedAt),
    reattach: countOf(slot.reattach),
    message: messageOf(config, state, slot),
  };
}

function along(
  { stoppedAlong }: TargetState,
  slot: number,
  stoppedAt: string | null,
): Pick<WorkerSlotReport, 'stoppedAlong'> {
  return stoppedAt !== null && stoppedAlong.includes(slot) ? { stoppedAlong: true } : {};
}

/** Where it is, is of interest only if that is why it stopped. */
function stopText({ stoppedAlong }: TargetState, slot: number, stoppedAt: string): string {
  return stoppedAlong.includes(slot) ? 'stopped with the others' : `stopped at ${stoppedAt}`;
}

function messageOf(config: TargetConfig, state: TargetState, { id, worker, stoppedAt, session }: ChildSlot): string {
  if (session.state === 'left') return 'its debug session was ended: it runs without the debugger';
  if (worker === null) return 'waits for a worker';
  if (stoppedAt !== null) return stopText(state, id, stoppedAt);
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
