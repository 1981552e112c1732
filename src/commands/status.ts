// Owns `wand status`: the report of the running daemon, for people and for programs.
import { placeLines } from '../ui/places.ts';
import { outputStyle } from '../ui/style.ts';
import { statusLines } from '../ui/terminal.ts';
import { daemonStatus } from './daemon-status.ts';

export interface StatusOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly ready?: boolean;
}

/** Exit code 0; with `--ready` 1 unless every target is ready. */
export async function statusCommand(options: StatusOptions): Promise<number> {
  const report = await daemonStatus(options.config);
  if (options.ready === true) {
    const late = report.targets.filter((target) => !target.ready);
    const text = late.map((target) => `${target.name}: ${target.message}`).join('; ');
    process.stdout.write(late.length === 0 ? 'ready\n' : `not ready: ${text}\n`);
    return late.length === 0 ? 0 : 1;
  }
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    return 0;
  }
  const style = outputStyle(process.stdout, process.env);
  for (const line of statusLines(report, style, Date.now(), placeLines)) process.stdout.write(`${line}\n`);
  return 0;
}
