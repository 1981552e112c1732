// Owns finding a Python in a replica by trying: the first one that a program of ours runs on.
import { DebugwandError } from '../lib/errors.ts';
import type { Replica } from '../core/types.ts';
import type { Target } from '../targets/target.ts';

/**
 * Starts a program on the first interpreter that takes it.
 * @throws DebugwandError `python-not-found`, or why the start failed where another interpreter cannot help
 */
export async function startOnFirst<T>(
  target: Target,
  replica: Replica,
  start: (interpreter: string) => Promise<T>,
  signal: AbortSignal,
): Promise<{ readonly interpreter: string; readonly started: T }> {
  const candidates = await target.interpreters(replica, signal);
  let last: DebugwandError | null = null;
  for (const interpreter of candidates) {
    try {
      return { interpreter, started: await start(interpreter) };
    } catch (error) {
      last = target.explain(error);
      if (last.code !== 'exec-not-found' && last.code !== 'agent-handshake') throw last;
    }
  }
  throw new DebugwandError({
    code: 'python-not-found',
    message: `no Python 3.8 or later was found in ${replica.name} (tried ${candidates.join(', ')})`,
    fix: 'debugwand enters through the Python of the target: use an image that has one, or name another container',
    cause: last,
  });
}
