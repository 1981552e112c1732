// Owns what is done about further workers: who is entered for a session of its own, when the editor is asked for one, and
// when a slot ends. Pure; part of plan.ts.
import { isAsleep, type WorkerState } from './entry-state.ts';
import type { ChildSlot } from './child-slots.ts';
import { replicaOf } from './followed-replica.ts';
import { seated } from './following.ts';
import { seating } from './seating.ts';
import { nextStep, type LadderStep } from './ladder.ts';
import type { Action, Means } from './plan.ts';
import { proofOf, type TargetState } from './state.ts';
import type { TargetConfig } from './types.ts';

/** How long an editor may take to open a session that it was asked for, ms. */
const OPEN_MS = 15_000;

interface Part {
  readonly actions: readonly Action[];
  readonly wakeAt: number | null;
}

const NOTHING: Part = { actions: [], wakeAt: null };

/** Whether or not the target can be entered just now: what is over ends, what is to be told is told. */
export function planEnds(state: TargetState): readonly Action[] {
  const actions: Action[] = [];
  for (const slot of state.slots) {
    if (slot.over) {
      actions.push({ type: 'end-slot', slot: slot.id, generation: slot.sessionGeneration });
    } else if (slot.sessionGeneration !== null && !isUpIn(slot)) {
      actions.push({ type: 'session-down', generation: slot.sessionGeneration, slot: slot.id });
    }
  }
  if (state.notices.length > 0) actions.push({ type: 'tell', texts: state.notices });
  return actions;
}

/** Where the agent of a replica answers. */
export function planChildren(config: TargetConfig, state: TargetState, means: Means, now: number): Part {
  const parts = [
    planSeats(config, state, now),
    ...state.slots.map((slot) => planSlot(config, state, means, slot, now)),
    planOpening(state, now),
  ];
  const due = parts.flatMap(({ wakeAt }) => (wakeAt === null ? [] : [wakeAt]));
  return { actions: parts.flatMap(({ actions }) => actions), wakeAt: due.length === 0 ? null : Math.min(...due) };
}

/** What is to be done about a worker that is not entered; null: no agent answers where it runs. */
export function stepFor(
  worker: WorkerState,
  { source }: TargetConfig,
  state: TargetState,
  { helperAvailable }: Means,
  now: number,
): LadderStep | null {
  const place = replicaOf(state, worker.process);
  if (place?.agent.state !== 'ready') return null;
  const { rung: provenRung } = proofOf(state, place.replica);
  return nextStep({ worker, agentUid: place.agent.hello.uid, helperAvailable, provenRung, source }, now);
}

/** Time alone may give or end a slot. */
function planSeats(config: TargetConfig, state: TargetState, now: number): Part {
  const wanted = seating(state, config, now);
  if (wanted === null) return NOTHING;
  const isSo = seatsOf(seated(state, config, now)) === seatsOf(state);
  return isSo ? { actions: [], wakeAt: wanted.lookAt } : { actions: [{ type: 'seats' }], wakeAt: null };
}

function seatsOf({ worker, slots, leftOut }: TargetState): string {
  const seats = slots.map(({ id, worker: one, over }) => [id, one?.generation ?? null, over]);
  return JSON.stringify([worker?.generation ?? null, seats, leftOut]);
}

function planSlot(config: TargetConfig, state: TargetState, means: Means, slot: ChildSlot, now: number): Part {
  const { worker } = slot;
  if (slot.over || worker === null || slot.session.state === 'left') return NOTHING;
  switch (worker.entry.state) {
    case 'entering':
      return NOTHING;
    case 'entered':
      return worker.up ? NOTHING : { actions: [{ type: 'session-up', worker, slot: slot.id }], wakeAt: null };
    default: {
      const step = stepFor(worker, config, state, means, now);
      if (step === null) return NOTHING;
      if (step.type === 'enter') return { actions: [{ type: 'enter', worker, rung: step.rung }], wakeAt: null };
      return step.type === 'wait' ? { actions: [], wakeAt: step.until } : NOTHING;
    }
  }
}

/** One after the other: an editor that opens none is asked once. */
function planOpening(state: TargetState, now: number): Part {
  if (!state.editor.children) return NOTHING;
  for (const { id, session } of state.slots) {
    if (session.state !== 'asked') continue;
    const until = session.at + OPEN_MS;
    if (now < until) return { actions: [], wakeAt: until };
    const why = `it did not within ${String(OPEN_MS / 1000)} s`;
    return { actions: [{ type: 'give-up-child', slot: id, why }], wakeAt: null };
  }
  const next = state.slots.find((slot) => slot.session.state === 'none' && !slot.over && isWorthIt(slot));
  if (next?.worker === undefined || next.worker === null) return NOTHING;
  return { actions: [{ type: 'open-child', slot: next.id, worker: next.worker }], wakeAt: null };
}

/** The worker can be debugged, or as soon as it does anything at all. */
function isWorthIt({ worker }: ChildSlot): boolean {
  return worker !== null && (worker.up || (worker.entry.state === 'entering' && isAsleep(worker)));
}

function isUpIn({ worker, sessionGeneration, session }: ChildSlot): boolean {
  return worker !== null && worker.up && worker.generation === sessionGeneration && session.state !== 'left';
}
