// Owns the other end of the control socket: what `wand status`, `stop`, `restart` use. Loads nothing heavy.
import { connect } from 'node:net';
import { DebugwandError } from '../lib/errors.ts';

const ANSWER_DEADLINE_MS = 10_000;
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/** Nobody listens: there is no daemon for this project. */
export function notRunning(): DebugwandError {
  return new DebugwandError({
    code: 'not-running',
    message: 'no wand daemon is running for this project',
    fix: 'start it with `wand watch`',
  });
}

/**
 * One request to the daemon at `path`.
 * @throws DebugwandError `not-running` when nobody listens, `daemon-unreachable` when the wire is cut, else the daemon's own.
 */
export function askDaemon(path: string, request: { command: string; [name: string]: unknown }): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const chunks: Buffer[] = [];
    let size = 0;
    const fail = (message: string): void => {
      socket.destroy();
      reject(
        new DebugwandError({
          code: 'daemon-unreachable',
          message,
          fix: 'look at `wand logs`, or `wand stop` and start anew',
        }),
      );
    };
    socket.setTimeout(ANSWER_DEADLINE_MS, () => {
      fail('the daemon does not answer');
    });
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on('error', (error) => {
      if ('code' in error && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')) reject(notRunning());
      else fail(`the daemon cannot be reached: ${error.message}`);
    });
    socket.on('data', (chunk) => {
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) fail('the answer of the daemon is too long');
      else chunks.push(chunk);
    });
    socket.on('end', () => {
      try {
        resolve(unwrap(JSON.parse(Buffer.concat(chunks).toString('utf8'))));
      } catch (error) {
        if (error instanceof DebugwandError) reject(error);
        else fail('the daemon went away in the middle of its answer');
      }
    });
  });
}

function unwrap(answer: unknown): unknown {
  if (typeof answer !== 'object' || answer === null || !('ok' in answer)) throw new Error('not an answer');
  if (answer.ok === true) return 'result' in answer ? answer.result : undefined;
  const error: unknown = 'error' in answer ? answer.error : null;
  const text = (name: string): string => {
    const value: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, name) : null;
    return typeof value === 'string' ? value : '';
  };
  throw new DebugwandError({ code: text('code'), message: text('message'), fix: text('fix') });
}
