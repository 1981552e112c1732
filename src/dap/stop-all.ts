// Owns `stopAll`: a stop in one worker stops the others, and when one of them runs on, all that were stopped for its sake
// do. Pure.

export interface Orders {
  /** Numbers of sessions. */
  readonly stop: readonly number[];
  readonly run: readonly number[];
}

const NOTHING: Orders = { stop: [], run: [] };

export class StopAll {
  /** The session that stopped by itself, and those that were stopped with it. */
  #stop: { readonly cause: number; readonly others: ReadonlySet<number> } | null = null;

  /** `all`: sessions that have a worker. `stopped`: false, it runs (or its worker is gone). */
  moved(session: number, stopped: boolean, all: readonly number[]): Orders {
    const stop = this.#stop;
    if (stopped) {
      if (stop !== null) return NOTHING;
      const others = all.filter((one) => one !== session);
      this.#stop = { cause: session, others: new Set(others) };
      return { stop: others, run: [] };
    }
    if (stop === null || (session !== stop.cause && !stop.others.has(session))) return NOTHING;
    this.#stop = null;
    return { stop: [], run: [stop.cause, ...stop.others].filter((one) => one !== session) };
  }

  /** Nobody is told anything any more. */
  forget(): void {
    this.#stop = null;
  }
}
