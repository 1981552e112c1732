// Owns what one check of `wand doctor` says. Types and makers only.
import { asDebugwandError } from '../lib/errors.ts';

/** `skip`: could not be checked now, and that is no fault. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'warn' | 'fail' | 'skip';
  readonly detail: string;
  readonly fix: string | null;
}

export function ok(name: string, detail: string): Check {
  return { name, state: 'ok', detail, fix: null };
}

export function skip(name: string, detail: string): Check {
  return { name, state: 'skip', detail, fix: null };
}

export function failed(name: string, error: unknown): Check {
  const { message, fix } = asDebugwandError(error);
  return { name, state: 'fail', detail: message, fix };
}
