// Owns the error about a target that there is none of, with the name that was probably meant. Pure.
import { DebugwandError } from '../lib/errors.ts';
import { nearest } from '../lib/nearest.ts';

/** @param where in words: "in debugwand.config.ts"; empty: where the daemon runs */
export function noSuchTarget(name: string, names: readonly string[], where = ''): DebugwandError {
  const near = nearest(name, names);
  return new DebugwandError({
    code: 'no-such-target',
    message: `there is no target ${name}${where === '' ? '' : ` ${where}`}`,
    fix: near === null ? `the targets are: ${names.join(', ')}` : `did you mean ${near}?`,
  });
}
