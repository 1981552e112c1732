/** Runs the test suites one after the other, and says in one line how many tests passed and failed. */
import { spawn } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checks } from './check.ts';
import { clusterForRun } from './kubernetes-runs.ts';
import { isCI } from './machine.ts';
import { root } from './step.ts';

/** Cheap ones first. Those that share the machine's engine and measure time run one file at a time. */
const SUITES = [
  { name: 'unit', workers: 2 },
  { name: 'contract', workers: 1 },
  { name: 'integration', workers: 1 },
  { name: 'editors', workers: 1 },
  { name: 'chaos', workers: 1 },
] as const;

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * `npm test`: the checks, then every suite. `npm test -- unit integration` runs these suites alone, and
 * `npm test -- unit session` the files of that suite with `session` in their path.
 */
export async function test(args: readonly string[]): Promise<number> {
  const chosen = SUITES.filter(({ name }) => args.includes(name));
  const filters = args.filter((argument) => !SUITES.some(({ name }) => name === argument));
  const total: Tally = { passed: 0, failed: 0, skipped: 0 };
  if (args.length === 0) {
    heading('check');
    const { passed, failed } = await checks();
    if (failed > 0)
      process.stdout.write(
        `${String(failed)} of ${String(passed + failed)} checks failed; the tests run all the same.\n`,
      );
    total.failed += failed;
  }
  const endCluster = await clusterForRun();
  for (const suite of chosen.length > 0 ? chosen : SUITES) {
    const there = globSync(`test/${suite.name}/**/*.test.ts`, { cwd: root }).length > 0 || suite.name === 'unit';
    if (!there) continue;
    heading(suite.name);
    const { passed, failed, skipped } = await runSuite(suite.name, suite.workers, filters);
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  }
  await endCluster();
  if (isCI && total.skipped > 0) process.stdout.write('Tests were skipped, which CI does not allow.\n');
  if (total.passed + total.failed === 0) process.stdout.write('No test ran.\n');
  const skipped = total.skipped > 0 ? `, ${String(total.skipped)} skipped` : '';
  process.stdout.write(`\n${String(total.passed)} passed, ${String(total.failed)} failed${skipped}\n`);
  return total.failed > 0 || total.passed === 0 || (isCI && total.skipped > 0) ? 1 : 0;
}

/** `npm run dev`: watches, and runs again what a change touches. */
export async function dev(args: readonly string[]): Promise<number> {
  return vitest(['watch', '--project', 'unit', ...args]);
}

async function runSuite(name: string, workers: number, filters: readonly string[]): Promise<Tally> {
  const folder = await mkdtemp(join(tmpdir(), 'debugwand-test-'));
  const file = join(folder, 'results.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const none = filters.length > 0 ? ['--passWithNoTests'] : [];
    const status = await vitest([
      'run',
      '--project',
      name,
      `--maxWorkers=${String(workers)}`,
      ...reporters,
      ...none,
      ...filters,
    ]);
    const tally = existsSync(file) ? countOf(await readFile(file, 'utf8')) : { passed: 0, failed: 0, skipped: 0 };
    // An unhandled error, a file that does not load or a set-up that fails is nobody's test, and a failure all the same.
    if (status !== 0 && tally.failed === 0) tally.failed = 1;
    return tally;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function countOf(json: string): Tally {
  const results = JSON.parse(json) as {
    numPassedTests: number;
    numFailedTests: number;
    numPendingTests: number;
    numTodoTests: number;
  };
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests,
    skipped: results.numPendingTests + results.numTodoTests,
  };
}

async function vitest(args: readonly string[]): Promise<number> {
  const cli = join(root, 'node_modules/vitest/vitest.mjs');
  const child = spawn(
    process.execPath,
    [cli, ...args, '--config', 'test/vitest.config.ts', process.stdout.isTTY ? '--color' : '--no-color'],
    {
      cwd: root,
      stdio: 'inherit',
    },
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => child.kill(signal));
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

function heading(name: string): void {
  process.stdout.write(`\n── ${name} ${'─'.repeat(Math.max(0, 70 - name.length))}\n`);
}
