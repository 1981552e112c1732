// Owns Skaffold as a source of hints: where its events are, by the config or by looking for its process.
import { platform } from 'node:process';
import type { Endpoint } from './endpoint.ts';
import type { Feed } from './follower.ts';
import { skaffoldReader } from './skaffold-events.ts';
import { findSkaffold, hasSkaffold } from './skaffold-find.ts';

/** The port of Skaffold's own documentation, for where processes cannot be looked at. */
const DOCUMENTED_PORT = 50052;

/**
 * @param events address of Skaffold's HTTP port, from the config; null: it is looked for
 * @returns null when the project has nothing to do with Skaffold
 */
export function skaffoldFeed(root: string, events: string | null): Feed | null {
  if (events === null && !hasSkaffold(root)) return null;
  const find = (): Endpoint | string => {
    if (events !== null) return endpoint(events);
    if (platform !== 'linux') return endpoint(`http://127.0.0.1:${String(DOCUMENTED_PORT)}`);
    const found = findSkaffold(root);
    if (found === null) return 'no Skaffold runs in the project';
    if (found.port === null) return 'Skaffold runs without --rpc-http-port: with it, its events would be used as hints';
    return endpoint(`http://127.0.0.1:${String(found.port)}`);
  };
  return { source: 'skaffold', find: () => Promise.resolve(find()), reader: skaffoldReader };
}

/** The address may or may not hold the path. */
function endpoint(base: string): Endpoint {
  const url = new URL(base);
  if (url.pathname === '/') url.pathname = '/v2/events';
  return { url: url.href };
}
