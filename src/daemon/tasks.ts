// Owns what a target has under way: tasks that run to their end, whose faults are told, and which the end of the target
// waits for.
import { messageOf } from '../lib/errors.ts';

export class Tasks {
  readonly #running = new Set<Promise<void>>();
  readonly #onFault: (text: string) => void;
  readonly #signal: AbortSignal;

  /** `onFault`: not called once the signal has aborted. */
  constructor(onFault: (text: string) => void, signal: AbortSignal) {
    this.#onFault = onFault;
    this.#signal = signal;
  }

  /** `what`: in words, after "could not". */
  run(what: string, run: () => Promise<void>): void {
    const task = run()
      .catch((error: unknown) => {
        if (!this.#signal.aborted) this.#onFault(`could not ${what}: ${messageOf(error)}`);
      })
      .finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  /** Those that run now have ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }
}
