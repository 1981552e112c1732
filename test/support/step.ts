/** One step of a task: a program whose output is shown only when it fails, with the time it took. */
import { execa } from 'execa';
import { delimiter, join } from 'node:path';

/** The top of the repository. */
export const root = join(import.meta.dirname, '../..');

/** Runs a step; true when it succeeded. */
export async function step(name: string, file: string, args: readonly string[], cwd = root): Promise<boolean> {
  const started = performance.now();
  const path = [join(root, 'node_modules/node/bin'), join(root, 'node_modules/.bin'), process.env['PATH'] ?? ''].join(
    delimiter,
  );
  const { failed, all, shortMessage } = await execa(file, args, {
    cwd,
    all: true,
    reject: false,
    stdin: 'ignore',
    env: { PATH: path, ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : { NO_COLOR: '1' }) },
  });
  report(name, !failed, started, failed && all === '' ? (shortMessage ?? '') : all);
  return !failed;
}

/** Prints how a step ended, and its output if it failed. */
export function report(name: string, passed: boolean, started: number, output: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${passed ? '✓' : '✗'} ${name} (${seconds} s)\n`);
  if (!passed) process.stdout.write(`${output.trimEnd()}\n\n`);
}
