// Owns `wand status`: the report of the running daemon, for people and for programs.
import { noSuchTarget } from '../core/no-such-target.ts';
import type { TargetReport } from '../core/status.ts';
import { hintLines } from '../ui/hint-lines.ts';
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
export async function statusCommand(names: readonly string[], options: StatusOptions): Promise<number> {
  const whole = await daemonStatus(options.config);
  const report = { ...whole, targets: selected(whole.targets, names) };
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
  const now = Date.now();
  const lines = [...statusLines(report, style, now, placeLines), ...hintLines(report.hints, now)];
  for (const line of lines) process.stdout.write(`${line}\n`);
  if (typeof report.daemon.page === 'string') process.stdout.write(`page ${report.daemon.page}\n`);
  return 0;
}

/** All of them without a name. @throws DebugwandError `no-such-target` */
function selected(targets: readonly TargetReport[], names: readonly string[]): readonly TargetReport[] {
  const unknown = names.find((name) => !targets.some((target) => target.name === name));
  if (unknown !== undefined) {
    throw noSuchTarget(
      unknown,
      targets.map(({ name }) => name),
    );
  }
  return names.length === 0 ? targets : targets.filter(({ name }) => names.includes(name));
}
