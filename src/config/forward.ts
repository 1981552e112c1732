// Owns how a forwarded port is written: `8000:http`, `9000:9000`, `9000`. Pure.
import type { ForwardConfig } from '../core/types.ts';

export const FORWARD_RULE =
  "is no forward: 'LOCAL:REMOTE' with ports from 1 to 65535, REMOTE also the name of a port; or one port for both";

/** What Kubernetes allows as the name of a port (IANA_SVC_NAME). */
const PORT_NAME = /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;

/** Null for what is none. */
export function parseForward(text: string): ForwardConfig | null {
  const [local = '', remote = local, ...more] = text.split(':');
  const localPort = portOf(local);
  const remotePort = portOf(remote) ?? (PORT_NAME.test(remote) ? remote : null);
  return localPort === null || remotePort === null || more.length > 0 ? null : { localPort, remotePort };
}

function portOf(text: string): number | null {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : null;
}
