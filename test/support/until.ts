/** Waits for a condition: the only way in which tests wait. */

/**
 * Asks again until the predicate gives something that is neither undefined, null nor false, and gives that.
 * @throws Error naming `what` after `timeoutMs`; whatever the predicate throws.
 */
export async function until<T>(
  predicate: () => T | Promise<T>,
  what: string,
  timeoutMs = 10_000,
): Promise<Exclude<T, undefined | null | false>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await predicate();
    if (value !== undefined && value !== null && value !== false) return value as Exclude<T, undefined | null | false>;
    if (performance.now() > deadline) throw new Error(`timed out after ${String(timeoutMs)} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
