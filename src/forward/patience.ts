// Owns how long a client is kept waiting for an app, and when its connection may be tried again. Pure.

/** So long a client waits for an app, ms. */
export const WAIT_MS = 10_000;
/** So much of what a client says is kept while it waits. */
export const MAX_KEPT_BYTES = 64 * 1024;

const FIRST_MS = 20;
const LONGEST_MS = 250;

/** What became of an attempt that brought no connection, or of a connection that ended. */
export interface Lost {
  /** Bytes that went towards the app or came from it. */
  readonly delivered: boolean;
  /** The app itself ended it, in good order. */
  readonly ended: boolean;
}

/** Only what nobody has seen is sent again: any byte that reached an app may have been acted upon. */
export function mayTryAgain({ delivered, ended }: Lost): boolean {
  return !delivered && !ended;
}

/** Ms until the next attempt after so many in a row; null: the client has waited long enough. */
export function nextAttempt(attempts: number, waitedMs: number): number | null {
  const left = WAIT_MS - waitedMs;
  if (left <= 0) return null;
  return Math.min(left, LONGEST_MS, FIRST_MS * 2 ** Math.min(attempts, 10));
}
