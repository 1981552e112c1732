// Owns looking at what may be gone or closed to us at any moment, such as /proc.

/** What `look` gives, or `otherwise` when it throws. */
export function attempt<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch {
    return otherwise;
  }
}
