// Owns the mark that says whose a helper container is: a process of a machine, by pid and start time. Linux knows start
// times; elsewhere the pid alone has to do.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { startTimeOf } from './local-proc.ts';

/** "<machine>:<pid>:<start time>" of this process. */
export function ownMark(): string {
  return `${machine()}:${String(process.pid)}:${startTimeOf(process.pid) ?? ''}`;
}

/** True only when the owner was of this machine and certainly lives no more. */
export function isOrphan(mark: string): boolean {
  const [where, pidText, startTime] = mark.split(':');
  const pid = Number(pidText);
  if (where !== machine() || !Number.isInteger(pid) || pid <= 0) return false;
  if (process.platform === 'linux') return startTimeOf(pid) !== startTime;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}

/** Differs between machines, containers and boots that share an engine. */
function machine(): string {
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'utf8').trim();
    } catch {
      return '';
    }
  };
  const facts = [hostname(), read('/proc/sys/kernel/random/boot_id'), read('/proc/self/cgroup')];
  return createHash('sha256').update(facts.join('\n')).digest('hex').slice(0, 16);
}
