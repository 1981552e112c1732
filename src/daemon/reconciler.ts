// Owns the loop around one target's state: observations go in one at a time, the plan comes out, its actions are done,
// until nothing is left to do. A fault of ours in any of it is told and tried again; it never ends the target.
import { asDebugwandError } from '../lib/errors.ts';
import type { Observation } from '../core/observation.ts';
import type { Action, Plan } from '../core/plan.ts';
import { INITIAL_STATE, type TargetState } from '../core/state.ts';

export interface ReconcilerParts {
  readonly observe: (state: TargetState, seen: Observation) => TargetState;
  readonly plan: (state: TargetState) => Plan;
  /** May post what it did; must not wait. */
  readonly act: (action: Action) => void;
  /** Everything is done for now. */
  readonly onSettled: (plan: Plan) => void;
  /** For the log; each once as long as it lasts. */
  readonly onFault: (text: string) => void;
}

/** A plan that asks for more than this many rounds at once is a bug, not work. */
const MAX_ROUNDS = 50;
/** After a fault the plan is made again so much later, ms. */
const FAULT_RETRY_MS = 1_000;

export class Reconciler {
  readonly #parts: ReconcilerParts;
  #state: TargetState = INITIAL_STATE;
  #plan: Plan = { actions: [], wakeAt: null, phase: 'waiting', message: 'looking for the target', error: null };
  #timer: NodeJS.Timeout | null = null;
  #running = false;
  #dirty = false;
  #closed = false;
  #lastFault = '';

  constructor(parts: ReconcilerParts) {
    this.#parts = parts;
  }

  get state(): TargetState {
    return this.#state;
  }

  get plan(): Plan {
    return this.#plan;
  }

  /** From anywhere, also from within an action. Throws only there, into the loop. */
  post(seen: Observation): void {
    if (this.#closed) return;
    if (this.#running) this.#observe(seen);
    else this.#run(seen);
  }

  /** Nothing is observed, planned or done any more. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #observe(seen: Observation): void {
    this.#state = this.#parts.observe(this.#state, seen);
    this.#dirty = true;
  }

  #run(seen: Observation | null): void {
    this.#running = true;
    let wakeAt: number | null;
    try {
      if (seen !== null) this.#observe(seen);
      this.#settle();
      this.#parts.onSettled(this.#plan);
      wakeAt = this.#dirty ? Date.now() : this.#plan.wakeAt;
      this.#lastFault = '';
    } catch (thrown) {
      wakeAt = Date.now() + FAULT_RETRY_MS;
      this.#fault(thrown, wakeAt);
    } finally {
      this.#running = false;
    }
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer =
      wakeAt === null || this.#closed ? null : setTimeout(() => this.#wake(), Math.max(1, wakeAt - Date.now()));
  }

  #settle(): void {
    for (let round = 0; this.#dirty; round += 1) {
      if (round === MAX_ROUNDS) throw new Error('the plan does not settle');
      this.#dirty = false;
      this.#plan = this.#parts.plan(this.#state);
      for (const action of this.#plan.actions) this.#parts.act(action);
    }
  }

  #fault(thrown: unknown, wakeAt: number): void {
    const error = asDebugwandError(thrown);
    const { message } = error;
    if (message !== this.#lastFault) {
      this.#parts.onFault(thrown instanceof Error ? (thrown.stack ?? message) : message);
    }
    this.#lastFault = message;
    this.#plan = { actions: [], wakeAt, phase: 'blocked', message, error };
    try {
      this.#parts.onSettled(this.#plan);
    } catch {
      // It may be what failed.
    }
  }

  #wake(): void {
    this.#dirty = true;
    this.#run(null);
  }
}
