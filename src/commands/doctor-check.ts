// Owns what one check of `wand doctor` says, and how it could be mended. Types and makers only.
import { asDebugwandError } from '../lib/errors.ts';

/** What `wand doctor --fix` can do about it. Nothing of it changes a cluster, or settings of the system. */
export interface Mend {
  /** What will be done, as words of a question: `fetch debugpy into the cache`. */
  readonly what: string;
  /** Only a person may say yes to that: `--yes` does not. */
  readonly personal: boolean;
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/** `skip`: could not be checked now, and that is no fault. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'warn' | 'fail' | 'skip';
  readonly detail: string;
  readonly fix: string | null;
  /** Null: that is for the user to do. */
  readonly mend: Mend | null;
}

export function ok(name: string, detail: string): Check {
  return { name, state: 'ok', detail, fix: null, mend: null };
}

export function skip(name: string, detail: string): Check {
  return { name, state: 'skip', detail, fix: null, mend: null };
}

export function warn(name: string, detail: string, fix: string, mend: Mend | null = null): Check {
  return { name, state: 'warn', detail, fix, mend };
}

export function failed(name: string, error: unknown, mend: Mend | null = null): Check {
  const { message, fix } = asDebugwandError(error);
  return { name, state: 'fail', detail: message, fix, mend };
}
