// Owns finding the Skaffold of a project by itself: a process that runs there, and the port that its command line names. No
// port is ever tried blindly.
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { attempt } from '../lib/attempt.ts';

export type Found =
  | { readonly port: number }
  /** It runs, but serves no events. */
  | { readonly port: null }
  | null;

/** Whether the project says that it uses Skaffold. */
export function hasSkaffold(root: string): boolean {
  return ['skaffold.yaml', 'skaffold.yml'].some((name) => existsSync(join(root, name)));
}

/** The Skaffold that runs in the project's folder, above or below it. Never throws; null also where there is no /proc. */
export function findSkaffold(root: string, proc = '/proc'): Found {
  let found: Found = null;
  for (const pid of attempt(() => readdirSync(proc), [])) {
    if (!/^\d+$/.test(pid)) continue;
    // Kept short by the kernel, and quick to read: few processes are looked at any further.
    if (attempt(() => readFileSync(join(proc, pid, 'comm'), 'utf8'), '').trim() !== 'skaffold') continue;
    const argv = attempt(() => readFileSync(join(proc, pid, 'cmdline'), 'utf8'), '').split('\0');
    const cwd = attempt(() => readlinkSync(join(proc, pid, 'cwd')), '');
    if (!servesLoop(argv) || !isNear(cwd, root)) continue;
    const environ = attempt(() => readFileSync(join(proc, pid, 'environ'), 'utf8'), '').split('\0');
    const port = eventsPort(argv, environ);
    if (port !== null) return { port };
    found = { port };
  }
  return found;
}

/** `skaffold dev`, `debug` or `run`, not `skaffold version`. */
function servesLoop(argv: readonly string[]): boolean {
  return argv.slice(1).some((word) => ['dev', 'debug', 'run', 'apply', 'deploy'].includes(word));
}

/** By its flag, else by its environment; null: none is served. Skaffold has no port that it takes by itself. */
export function eventsPort(argv: readonly string[], environ: readonly string[]): number | null {
  const flag = '--rpc-http-port';
  const at = argv.findIndex((word) => word === flag || word.startsWith(`${flag}=`));
  const word = argv[at];
  const fromFlag = word === flag ? argv[at + 1] : word?.slice(flag.length + 1);
  const name = 'SKAFFOLD_RPC_HTTP_PORT=';
  const given = fromFlag ?? environ.find((line) => line.startsWith(name))?.slice(name.length);
  const port = given !== undefined && /^\d{1,5}$/.test(given) ? Number(given) : 0;
  return port >= 1 && port <= 65535 ? port : null;
}

/** The same folder, or one inside the other. */
function isNear(cwd: string, root: string): boolean {
  if (cwd === '') return false;
  const up = relative(root, cwd);
  const down = relative(cwd, root);
  return !up.startsWith('..') || !down.startsWith('..');
}
