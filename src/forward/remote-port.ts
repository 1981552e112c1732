// Owns what a forwarded port is called in the replica: a number, or the name of one that the container declares. Pure.
import type { Replica } from '../core/types.ts';

/** The number; or in words why there is none. */
export function remotePort(wanted: number | string, replica: Pick<Replica, 'name' | 'ports'>): number | string {
  if (typeof wanted === 'number') return wanted;
  if (/^\d+$/.test(wanted)) return Number(wanted);
  const ports = replica.ports ?? [];
  const found = ports.find(({ name }) => name === wanted);
  if (found !== undefined) return found.port;
  const named = ports.flatMap(({ name, port }) => (name === null ? [] : [`${name} (${String(port)})`]));
  const there = named.length === 0 ? 'its ports have no names, use a number' : `there are ${named.join(', ')}`;
  return `${replica.name} has no port called "${wanted}": ${there}`;
}
