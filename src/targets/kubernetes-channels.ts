// Owns the words of the channel protocols of exec and port-forward: numbers, subprotocols, Status objects. Pure.
import { isFields, type Fields } from '../lib/fields.ts';

/** `v5` can end one direction of a channel; servers before 1.30 know `v4` only, where nothing ends but the whole. */
export const EXEC_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;
export const PORT_FORWARD_PROTOCOL = 'v4.channel.k8s.io';

export const STDIN = 0;
export const STDOUT = 1;
export const STDERR = 2;
/** One Status object, when the program ended or could not be started. */
export const STATUS = 3;
/** v5: its second byte is the channel that ends. */
export const CLOSE = 255;

/** What a Status object says, as far as it is of interest. */
export interface StatusFacts {
  readonly success: boolean;
  /** 0 when the server gave none. */
  readonly status: number;
  /** "NonZeroExitCode", "InternalError", "Forbidden", …; empty when the server gave none. */
  readonly reason: string;
  readonly message: string;
  /** Null: no program ended, or nobody knows how. */
  readonly exitCode: number | null;
}

/** Null: not a Status object. */
export function parseStatus(value: unknown): StatusFacts | null {
  if (!isFields(value)) return null;
  const { status, reason, message, code } = value;
  if (status !== 'Success' && status !== 'Failure') return null;
  const success = status === 'Success';
  return {
    success,
    status: typeof code === 'number' ? code : 0,
    reason: typeof reason === 'string' ? reason : '',
    message: typeof message === 'string' ? message : '',
    exitCode: success ? 0 : exitCodeOf(value),
  };
}

/** The Status in a body or a message; null when there is none in it. */
export function parseStatusText(text: string): StatusFacts | null {
  try {
    return parseStatus(JSON.parse(text));
  } catch {
    return null;
  }
}

/** Where a program is run in a pod, or a port is reached. `parameters`: in order, names may repeat. */
export function podPath(
  { namespace, pod }: { readonly namespace: string; readonly pod: string },
  subresource: 'exec' | 'portforward',
  parameters: readonly (readonly [string, string])[],
): string {
  const query = new URLSearchParams(parameters.map(([name, value]): [string, string] => [name, value]));
  const place = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}`;
  return `${place}/${subresource}?${query.toString()}`;
}

function exitCodeOf({ reason, details }: Fields): number | null {
  if (reason !== 'NonZeroExitCode' || !isFields(details) || !Array.isArray(details['causes'])) return null;
  const causes: readonly unknown[] = details['causes'];
  const cause = causes.filter(isFields).find((one) => one['reason'] === 'ExitCode');
  const code = typeof cause?.['message'] === 'string' ? Number.parseInt(cause['message'], 10) : Number.NaN;
  return Number.isNaN(code) ? null : code;
}
