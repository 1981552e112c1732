// Owns `wand ps`: the Python processes of a target, from the running daemon or by a look of our own.
import { lookAll } from '../daemon/one-shot.ts';
import { processReport } from '../core/process-report.ts';
import type { ProcessReport, TargetReport } from '../core/status.ts';
import { DebugwandError } from '../lib/errors.ts';
import { stderrLog } from '../lib/log.ts';
import { printable } from '../lib/printable.ts';
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
  readonly why: readonly string[];
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
    for (const line of why) process.stdout.write(`${printable(line)}\n`);
  }
  return 0;
}

/** Null: no daemon, flags that name something else than its targets, or more replicas than it looks into. */
async function fromDaemon(name: string | undefined, options: PsOptions): Promise<Listing[] | null> {
  if (isFlagged(options, name)) return null;
  try {
    const report = await daemonStatus(options.config);
    const wanted = report.targets.filter((target) => name === undefined || target.name === name);
    const [first] = wanted;
    if (first === undefined) return null;
    // Made by `wand debug`: nobody but the daemon knows what it means.
    const isOurs = report.daemon.config === null || wanted.length > 1;
    if (!isOurs && first.replicas.filter((replica) => replica.state === 'running').length > 1) return null;
    return wanted.map((t) => ({
      target: t.name,
      processes: t.processes,
      why: [...(t.processes.length > 0 ? [] : [t.message]), ...others(t)],
    }));
  } catch (error) {
    if (error instanceof DebugwandError && error.code === 'not-running') return null;
    throw error;
  }
}

function others({ replicas }: TargetReport): string[] {
  return replicas.filter((r) => !r.followed).map(({ name, note, state }) => `${name}: ${note === '' ? state : note}`);
}

/** All replicas, not only the one that a daemon would follow. */
async function bySelf(name: string | undefined, options: PsOptions): Promise<Listing> {
  const abort = new AbortController();
  const { config, root } = await targetOf(name, options);
  const listed = await lookAll(config, stderrLog(), root, abort.signal);
  const now = Date.now();
  const several = listed.length > 1;
  return {
    target: config.name,
    processes: listed.flatMap(({ replica, classification }) =>
      (classification?.processes ?? []).map((p) => processReport(p, replica.name, now)),
    ),
    why: listed.flatMap(({ replica, classification, why }) => {
      const said = classification?.why ?? why;
      const note = [...(replica.note === undefined ? [] : [replica.note]), said].filter((text) => text !== '');
      return several ? [`${replica.name}: ${[...new Set(note)].join('; ')}`] : said === '' ? [] : [said];
    }),
  };
}
