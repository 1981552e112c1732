// Owns which workers of a target are stopped, and whose stop is the one to look at. Pure.
import type { WorkerState } from './entry-state.ts';
import { onSlot } from './following.ts';
import type { Observation } from './observation.ts';
import { goesOn, stops } from './pause-budget.ts';
import type { TargetState } from './state.ts';

export interface Stop {
  /** 0: of the first session. */
  readonly slot: number;
  readonly worker: WorkerState | null;
  readonly where: string;
}

/** The workers that are stopped: those that stopped by themselves first, of these the first session's. */
export function stopsOf({ editor, worker, slots, stoppedAlong }: TargetState): readonly Stop[] {
  const all = [{ slot: 0, worker, where: editor.stoppedAt }].concat(
    slots.map((slot) => ({ slot: slot.id, worker: slot.worker, where: slot.stoppedAt })),
  );
  const isAlong = ({ slot }: Stop): number => Number(stoppedAlong.includes(slot));
  return all
    .flatMap(({ where, ...rest }) => (where === null ? [] : [{ ...rest, where }]))
    .toSorted((a, b) => isAlong(a) - isAlong(b));
}

/** The pause of the target lasts from the first stop to the moment that all run. */
export function withStop(
  before: TargetState,
  { where, slot = 0, along = false }: Extract<Observation, { type: 'stopped' }>,
  now: number,
): TargetState {
  const others = before.stoppedAlong.filter((one) => one !== slot);
  const state = { ...before, stoppedAlong: along && where !== null ? [...others, slot] : others };
  const next =
    slot === 0
      ? { ...state, editor: { ...state.editor, stoppedAt: where } }
      : onSlot(state, slot, (one) => ({ ...one, stoppedAt: where }));
  return { ...next, pause: stopsOf(next).length === 0 ? goesOn(state.pause, now) : stops(state.pause, now) };
}
