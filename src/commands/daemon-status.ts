// Owns asking the daemon for its report, and the check that it is one that this version understands.
import type { StatusReport } from '../core/status.ts';
import { DebugwandError } from '../lib/errors.ts';
import { ask } from './find-daemon.ts';

/** @throws DebugwandError `not-running`; `daemon-version` when another version answers in a shape that we do not know. */
export async function daemonStatus(config: string | undefined): Promise<StatusReport> {
  const answer = await ask(config, { command: 'status' });
  // A daemon that was started before an update may know nothing of hints.
  if (isReport(answer)) return 'hints' in answer ? answer : { ...(answer as StatusReport), hints: [] };
  throw new DebugwandError({
    code: 'daemon-version',
    message: 'the running daemon is of another version of debugwand: its report is not understood',
    fix: 'stop it (`wand stop`) and start the one of this version',
  });
}

/** Version 1 only ever gains fields, so its frame vouches for the rest. */
function isReport(value: unknown): value is StatusReport {
  if (typeof value !== 'object' || value === null || !('version' in value) || value.version !== 1) return false;
  if (!('targets' in value) || !Array.isArray(value.targets)) return false;
  const targets: readonly unknown[] = value.targets;
  return targets.every(
    (target) =>
      typeof target === 'object' &&
      target !== null &&
      'name' in target &&
      'phase' in target &&
      'ready' in target &&
      'reattach' in target &&
      'processes' in target &&
      Array.isArray(target.processes) &&
      'workers' in target,
  );
}
