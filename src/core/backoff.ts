// Owns the back-off: a value, not a sleeper. Pure.

export interface BackoffPolicy {
  readonly firstMs: number;
  readonly maxMs: number;
  /** A healthy period of this length starts the count anew. */
  readonly healthyMs: number;
}

export const RETRY: BackoffPolicy = { firstMs: 100, maxMs: 10_000, healthyMs: 5_000 };

/**
 * Delay in ms before attempt number `attempts + 1`: exponential, capped, with up to a quarter of jitter taken off so
 * that many targets do not knock together.
 * @param random a number in [0, 1)
 */
export function delayMs(policy: BackoffPolicy, attempts: number, random: number): number {
  const full = Math.min(policy.maxMs, policy.firstMs * 2 ** Math.max(0, attempts - 1));
  return Math.round(full * (1 - 0.25 * random));
}
