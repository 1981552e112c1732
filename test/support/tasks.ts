/** What `npm run <task>` does, on the project's own Node. The order of things lives here; how, in the files it calls. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.ts';
import { check } from './check.ts';
import { prepack } from './prepack.ts';
import { dev, test } from './vitest-run.ts';

const root = join(import.meta.dirname, '../..');

/** Runs one of the project's programs as a process of its own, so that it has its own signals and its own exit. */
async function program(path: string, args: readonly string[]): Promise<number> {
  if (!existsSync(join(root, path))) {
    process.stderr.write(`${path} is not there\n`);
    return 1;
  }
  const child = spawn(process.execPath, [join(root, path), ...args], { cwd: root, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

const TASKS: Record<string, (args: readonly string[]) => Promise<number>> = {
  test,
  check,
  dev,
  build,
  prepack,
  demo: (args) => program(args.includes('--record') ? 'test/demo/record.ts' : 'test/demo/demo.ts', args),
  cluster: (args) => program('test/support/kubernetes-command.ts', args),
  bench: (args) => program('test/bench/bench.ts', args),
};

const [name = '', ...rest] = process.argv.slice(2);
const task = TASKS[name];
if (task === undefined) {
  process.stderr.write(`No task '${name}'. There are: ${Object.keys(TASKS).join(', ')}\n`);
  process.exitCode = 2;
} else {
  process.exitCode = await task(rest);
}
