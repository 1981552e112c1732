// Owns `wand ps`: the Python processes of a target, from the running daemon or by a look of our own.
import { look } from '../daemon/one-shot.ts';
import { processReport } from '../core/process-report.ts';
import type { ProcessReport } from '../core/status.ts';
import { DebugwandError } from '../lib/errors.ts';
import { stderrLog } from '../lib/log.ts';
import { outputStyle } from '../ui/style.ts';
import { processTable } from '../ui/process-table.ts';
import { daemonStatus } from './daemon-status.ts';
import { isFlagged, targetOf, type TargetFlags } from './target-option.ts';

export interface PsOptions extends TargetFlags {
  readonly json?: boolean;
}

interface Listing {
  readonly target: string;
  readonly processes: readonly ProcessReport[];
  readonly why: string;
}

export async function psCommand(name: string | undefined, options: PsOptions): Promise<number> {
  const listings = (await fromDaemon(name, options)) ?? [await bySelf(name, options)];
  if (options.json === true) {
    const processes = listings.flatMap((listing) => listing.processes.map((p) => ({ target: listing.target, ...p })));
    process.stdout.write(`${JSON.stringify(processes, null, 2)}\n`);
    return 0;
  }
  const style = outputStyle(process.stdout, process.env);
  for (const { target, processes, why } of listings) {
    if (listings.length > 1) process.stdout.write(`${target}\n`);
    for (const line of processTable(processes, style)) process.stdout.write(`${line}\n`);
    if (why !== '') process.stdout.write(`${why}\n`);
  }
  return 0;
}

/** Null: no daemon, or flags that name something else than its targets. */
async function fromDaemon(name: string | undefined, options: PsOptions): Promise<Listing[] | null> {
  if (isFlagged(options, name)) return null;
  try {
    const report = await daemonStatus(options.config);
    const wanted = report.targets.filter((target) => name === undefined || target.name === name);
    if (wanted.length === 0) return null;
    return wanted.map((t) => ({
      target: t.name,
      processes: t.processes,
      why: t.processes.length > 0 ? '' : t.message,
    }));
  } catch (error) {
    if (error instanceof DebugwandError && error.code === 'not-running') return null;
    throw error;
  }
}

async function bySelf(name: string | undefined, options: PsOptions): Promise<Listing> {
  const abort = new AbortController();
  const { config, root } = await targetOf(name, options);
  const view = await look(config, stderrLog(), root, abort.signal);
  try {
    const now = Date.now();
    const { processes, why } = view.classification;
    return { target: config.name, processes: processes.map((p) => processReport(p, view.replica.name, now)), why };
  } finally {
    await view.close();
  }
}
