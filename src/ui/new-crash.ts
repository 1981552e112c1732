// Owns the question whether a report tells of a crash that the one before did not. Pure. An end may be told twice, as what it
// was of comes by another way than the end itself; and pids come again: in every start of a container it is the same one.
import type { TargetReport, WorkerEndReport } from '../core/status.ts';

/** Null: there is none, or it was told. */
export function newCrash(was: TargetReport, { lastEnd }: TargetReport): WorkerEndReport | null {
  if (lastEnd === null || !lastEnd.crashed) return null;
  const before = was.lastEnd;
  const isTold = before?.crashed === true && before.pid === lastEnd.pid && before.at === lastEnd.at;
  return isTold ? null : lastEnd;
}
