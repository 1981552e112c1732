// Owns what it means when the error channel of a port-forward speaks. Pure.
import { DebugwandError } from '../lib/errors.ts';

/** What the error channel of a port-forward said; null: nothing. */
export function portFailure(said: string, what: string): DebugwandError | null {
  const text = said.trim();
  if (text === '') return null;
  if (/connection refused|connect: refused/i.test(text)) {
    return new DebugwandError({
      code: 'port-refused',
      message: `nothing listens on ${what}`,
      fix: 'it is tried again; see that the app listens there, on 127.0.0.1 or on all addresses',
      cause: text,
    });
  }
  if (/not found|not running|does not exist|no such (container|pod|sandbox)/i.test(text)) {
    return new DebugwandError({
      code: 'replica-gone',
      message: `${what} cannot be reached: the pod does not run any more`,
      fix: 'nothing to do: the next connection goes to the pod that runs then',
      cause: text,
    });
  }
  if (/connection reset by peer|broken pipe/i.test(text)) {
    return new DebugwandError({
      code: 'port-reset',
      message: `${what} reset the connection`,
      fix: 'nothing to do here: it was the app',
      cause: text,
    });
  }
  return new DebugwandError({
    code: 'port-failed',
    message: `${what} cannot be reached: ${text.split('\n')[0] ?? ''}`,
    fix: 'it is tried again; see the log of the kubelet on the node of the pod',
    cause: text,
  });
}
