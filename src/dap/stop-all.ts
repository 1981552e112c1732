// Owns `stopAll`: a stop in one worker stops the others, and when one of them runs on, all that were stopped for its sake
// do. One that ends meanwhile, or is left, is no reason for that: somebody looks at the stop. Pure.

export interface Orders {
  /** Numbers of sessions. */
  readonly stop: readonly number[];
  readonly run: readonly number[];
}

/** `ends`: it was stopped, and its worker is gone or no longer debugged. */
export type Move = 'stops' | 'runs' | 'ends';

const NOTHING: Orders = { stop: [], run: [] };

export class StopAll {
  /** The session that stopped by itself, and those that were stopped with it. */
  #stop: { readonly cause: number; readonly others: ReadonlySet<number> } | null = null;

  /** `all`: sessions that have a worker. */
  moved(session: number, move: Move, all: readonly number[]): Orders {
    const stop = this.#stop;
    if (move === 'stops') {
      if (stop !== null) return NOTHING;
      const others = all.filter((one) => one !== session);
      this.#stop = { cause: session, others: new Set(others) };
      return { stop: others, run: [] };
    }
    if (stop === null || (session !== stop.cause && !stop.others.has(session))) return NOTHING;
    const rest = [stop.cause, ...stop.others].filter((one) => one !== session);
    if (move === 'ends' && session !== stop.cause) {
      this.#stop = { cause: stop.cause, others: new Set([...stop.others].filter((one) => one !== session)) };
      return NOTHING;
    }
    this.#stop = null;
    return { stop: [], run: rest };
  }

  /** It was told to stop because another one had stopped. */
  isAlong(session: number): boolean {
    return this.#stop?.others.has(session) === true;
  }

  /** Nobody is told anything any more. */
  forget(): void {
    this.#stop = null;
  }
}
