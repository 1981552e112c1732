// Owns the one error type that users meet. Must not import anything.

/** What every error shown to a user carries. `fix` is a sentence that says what to do next. */
export interface ErrorFacts {
  /** Stable, kebab-case; listed by `wand doctor` and the documentation. */
  readonly code: string;
  /** What failed and why, one sentence, no trailing stop needed. */
  readonly message: string;
  readonly fix: string;
  readonly cause?: unknown;
  /** True when no retry can ever help until a human changes something (exit code 4 for one-shot commands). */
  readonly permanent?: boolean;
}

/** The only error that may reach a user: what failed, why, and the fix. */
export class DebugwandError extends Error {
  readonly code: string;
  readonly fix: string;
  readonly permanent: boolean;

  constructor(facts: ErrorFacts) {
    super(facts.message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = 'DebugwandError';
    this.code = facts.code;
    this.fix = facts.fix;
    this.permanent = facts.permanent ?? false;
  }
}

/** The message of anything that was thrown; never throws itself. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : String(error);
}

/** Wraps what is not yet a DebugwandError; the fix then asks for a report with the log. */
export function asDebugwandError(error: unknown, code = 'internal'): DebugwandError {
  if (error instanceof DebugwandError) return error;
  return new DebugwandError({
    code,
    message: messageOf(error),
    fix: 'this is a fault of debugwand: please report it with the output of `wand logs`',
    cause: error,
  });
}
