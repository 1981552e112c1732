// Owns the targets that could not be started: what is wrong with each, and when the next try is due. What a target is and
// how it is started is the supervisor's.
import { delayMs, RETRY } from '../core/backoff.ts';
import { plan } from '../core/plan.ts';
import { targetReport } from '../core/report.ts';
import { INITIAL_STATE } from '../core/state.ts';
import type { TargetReport } from '../core/status.ts';
import type { TargetConfig } from '../core/types.ts';
import type { DebugwandError } from '../lib/errors.ts';

interface Failure {
  readonly config: TargetConfig;
  readonly error: DebugwandError;
  readonly attempts: number;
}

export class Unstarted {
  readonly #failures = new Map<string, Failure>();
  readonly #due: () => void;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  /** `due`: it is time to try again; not called after `close`. */
  constructor(due: () => void) {
    this.#due = due;
  }

  /** A start failed. True: that is news, since the last one failed otherwise or did not. */
  add(config: TargetConfig, error: DebugwandError): boolean {
    const before = this.#failures.get(config.name);
    this.#failures.set(config.name, { config, error, attempts: (before?.attempts ?? 0) + 1 });
    return before?.error.message !== error.message;
  }

  /** It was started, or is wanted no more. */
  delete(name: string): void {
    this.#failures.delete(name);
  }

  /** Null: it did not fail. */
  error(name: string): DebugwandError | null {
    return this.#failures.get(name)?.error ?? null;
  }

  /** What the status says of it: blocked. Null: it did not fail. */
  report(name: string): TargetReport | null {
    const failure = this.#failures.get(name);
    if (failure === undefined) return null;
    const { config, error } = failure;
    const state = { ...INITIAL_STATE, fault: error };
    const now = Date.now();
    return targetReport(config, state, plan(config, state, { helperAvailable: false }, now), [], now);
  }

  /** Has the next try be due in its time, if there is anything to try. */
  schedule(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#closed) return;
    const attempts = [...this.#failures.values()].map((failure) => failure.attempts);
    if (attempts.length > 0) this.#timer = setTimeout(this.#due, delayMs(RETRY, Math.min(...attempts), Math.random()));
  }

  close(): void {
    this.#closed = true;
    this.schedule();
  }
}
