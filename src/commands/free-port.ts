// Owns the question whether a port of this machine can be had, by trying.
import { createServer } from 'node:net';

/** On 127.0.0.1, where editors attach. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(false);
    });
    probe.listen(port, '127.0.0.1', () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
}

/** Those of `count` ports from `first` on that somebody has. */
export async function portsTaken(first: number, count: number): Promise<ReadonlySet<number>> {
  const ports = Array.from({ length: count }, (_, index) => first + index);
  const free = await Promise.all(ports.map(isPortFree));
  return new Set(ports.filter((_, index) => free[index] === false));
}
