// Owns where a target may run, in lines for `wand status`: its cluster, its replicas, its workers where there are several,
// the ports that are kept reachable.
// Pure.
import type { TargetReport } from '../core/status.ts';
import { printable } from '../lib/printable.ts';
import type { Style } from './style.ts';
import { cut, pad, widthOf } from './width.ts';

/** Beyond that, how many more there are. */
const SHOWN = 12;

/** Empty for a target that runs in one place, which its own line names. */
export function placeLines(target: TargetReport, style: Style): string[] {
  const { cluster, replicas, workers, forwards } = target;
  const lines: string[] = [];
  if (cluster !== null) {
    const allowed = cluster.guard.allowed ? '' : 'not allowed: ';
    lines.push(`context ${cluster.context}, namespace ${cluster.namespace} (${allowed}${cluster.guard.reason})`);
  }
  if (cluster !== null || replicas.length > 1) {
    const sorted = [...replicas.filter((r) => r.followed), ...replicas.filter((r) => !r.followed)];
    const shown = sorted.slice(0, SHOWN);
    const width = Math.max(0, ...shown.map(({ name }) => widthOf(printable(name))));
    for (const { name, followed, note, state } of shown) {
      const mark = followed ? (style.unicode ? '▶' : '>') : ' ';
      lines.push(`${mark} ${pad(printable(name), width)}  ${note === '' ? state : note}`);
    }
    if (sorted.length > SHOWN) lines.push(`  and ${String(sorted.length - SHOWN)} more`);
  }
  if (workers.length > 1) {
    const several = new Set(workers.map(({ replica }) => replica).filter((name) => name !== '')).size > 1;
    for (const { pid, slot, session, message, replica } of workers.slice(0, SHOWN)) {
      const mark = slot === null ? ' ' : style.unicode ? '▶' : '>';
      const whose = session || slot === null ? '' : ', no editor';
      const where = several ? ` in ${replica}` : '';
      const who = pid === null ? 'a worker to come' : `worker ${String(pid)}${where}`;
      lines.push(`${mark} ${who}: ${message}${whose}`);
    }
    if (workers.length > SHOWN) lines.push(`  and ${String(workers.length - SHOWN)} more workers`);
  }
  for (const { localPort, remotePort, state, message, connections } of forwards) {
    const used =
      connections === 0 ? '' : `, ${String(connections)} ${connections === 1 ? 'connection' : 'connections'}`;
    const why = message === '' ? '' : `: ${message}`;
    lines.push(`127.0.0.1:${String(localPort)} is ${String(remotePort)} there, ${state}${why}${used}`);
  }
  return lines.map((line) =>
    cut(`  ${printable(line)}`, Math.max(20, style.width), style.unicode ? '…' : '~').trimEnd(),
  );
}
