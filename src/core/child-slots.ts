// Owns the state of the slots of further workers: each has a worker or waits for one, and a debug session that outlives
// it. Pure; who gets which slot is slots.ts, what is done about it plan-children.ts.
import { NO_REATTACHES, type Reattaches, type WorkerState } from './entry-state.ts';
import type { FollowedWorker } from './exit-reason.ts';

export type ChildSession =
  /** Not asked for yet. */
  | { readonly state: 'none' }
  /** The editor was asked for it at that time, ms since the epoch. */
  | { readonly state: 'asked'; readonly at: number }
  | { readonly state: 'open' }
  /** The user ended it: it is not asked for again, but may come again. */
  | { readonly state: 'left' };

export interface ChildSlot {
  /** From 1; never used again for the same editor. The `subProcessId` of its session. */
  readonly id: number;
  readonly worker: WorkerState | null;
  /** The last worker that was entered for it. */
  readonly previous: FollowedWorker | null;
  readonly reattach: Reattaches;
  /** Since when it has had its worker, or none; ms since the epoch. */
  readonly since: number;
  /** The worker that the keeper was told of and not yet told to forget. */
  readonly sessionGeneration: number | null;
  readonly session: ChildSession;
  /** Where its worker is stopped; null: it runs. */
  readonly stoppedAt: string | null;
  /** It is to be ended. */
  readonly over: boolean;
}

export function newSlot(id: number, now: number): ChildSlot {
  return {
    id,
    worker: null,
    previous: null,
    reattach: NO_REATTACHES,
    since: now,
    sessionGeneration: null,
    session: { state: 'none' },
    stoppedAt: null,
    over: false,
  };
}

/** It will be ended; what it had is let go. */
export function endedSlot(slot: ChildSlot): ChildSlot {
  return { ...slot, worker: null, stoppedAt: null, over: true };
}

/** An editor has its session or leaves it. */
export function withSession(slot: ChildSlot, connected: boolean): ChildSlot {
  return { ...slot, session: { state: connected ? 'open' : 'left' }, stoppedAt: connected ? slot.stoppedAt : null };
}

/** Slots that an editor that opens no more sessions does not have: they are over. */
export function onlyOpen(slots: readonly ChildSlot[]): readonly ChildSlot[] {
  return slots.map((slot) => (slot.session.state === 'open' ? slot : endedSlot(slot)));
}
