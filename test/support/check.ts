/** `npm run check`: formatting, lint, types, unused code, the package as it is published, the payload, the architecture. */
import { cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { olderPythons, python, venvOf } from './python.ts';
import { report, root, step } from './step.ts';

const RUFF = 'ruff==0.17.6';

/** How many checks passed and failed. */
export interface CheckResult {
  passed: number;
  failed: number;
}

/** Runs every check and the architecture test; the exit status. */
export async function check(): Promise<number> {
  const started = performance.now();
  const { passed, failed } = await checks();
  const architecture = await step('architecture', 'vitest', [
    'run',
    '--config',
    'test/vitest.config.ts',
    '--project',
    'unit',
    'test/architecture.test.ts',
  ]);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const bad = failed + (architecture ? 0 : 1);
  process.stdout.write(
    `\n${String(passed + failed + 1 - bad)} checks passed, ${String(bad)} failed, in ${seconds} s\n`,
  );
  return bad === 0 ? 0 : 1;
}

/** Runs every check, two at a time, and never stops at the first that fails. */
export async function checks(): Promise<CheckResult> {
  const result: CheckResult = { passed: 0, failed: 0 };
  const waiting: (() => Promise<boolean>)[] = [
    () => step('types', 'tsc', ['--noEmit']),
    () => step('types of the page', 'tsc', ['-p', 'src/page/web']),
    () =>
      step('lint', 'oxlint', [
        '-c',
        'test/support/oxlint.json',
        '--type-aware',
        '--deny-warnings',
        'src',
        'test',
        // What runs in an editor has its types, which are not here.
        '--ignore-pattern',
        'test/fixtures/vscode/**',
      ]),
    () =>
      step('formatting', 'prettier', [
        '--check',
        '--ignore-path',
        '.gitignore',
        '**/*.{ts,mjs,json}',
        'src/page/web/*.{js,css,html}',
      ]),
    () => step('unused code', 'knip', ['--config', 'test/support/knip.json']),
    () => packageLint(),
    ...(existsSync(join(root, 'payload')) ? [payloadTypes, payloadLint] : []),
  ];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      if (await next()) result.passed += 1;
      else result.failed += 1;
    }
  };
  await Promise.all([worker(), worker()]);
  return result;
}

/** Packs what would be published, in a folder of its own, and asks whether its entries and types resolve. */
async function packageLint(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'debugwand-pack-'));
  try {
    const staged = join(folder, 'package');
    await mkdir(staged);
    for (const name of [
      'package.json',
      'README.md',
      'LICENSE',
      'payload',
      'src/page/web',
      'debugwand.config.example.ts',
    ]) {
      if (existsSync(join(root, name))) await cp(join(root, name), join(staged, name), { recursive: true });
    }
    const build = ['-p', 'test/support/tsconfig.build.json', '--outDir', join(staged, 'dist')];
    if (!(await step('package builds', 'tsc', build))) return false;
    if (!(await step('package packs', 'npm', ['pack', '--ignore-scripts', '--pack-destination', folder], staged)))
      return false;
    const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'));
    if (tarball === undefined) throw new Error('npm pack made nothing');
    const published = await step('package is published right', 'publint', ['run', join(folder, tarball), '--strict']);
    return (await step('package types resolve', 'attw', [join(folder, tarball), '--profile', 'esm-only'])) && published;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function payloadTypes(): Promise<boolean> {
  return step('payload types', 'pyright', ['--project', 'payload', '--warnings']);
}

async function payloadLint(): Promise<boolean> {
  const started = performance.now();
  try {
    const ruff = join(await ruffEnvironment(), 'bin/ruff');
    const linted = await step('payload lint', ruff, ['check', '--no-cache', 'payload']);
    return (await step('payload formatting', ruff, ['format', '--no-cache', '--check', 'payload'])) && linted;
  } catch (error) {
    report('payload lint', false, started, String(error));
    return false;
  }
}

/** Any Python can run ruff's installer, and one that is here costs no download; but not each can make an environment. */
async function ruffEnvironment(): Promise<string> {
  for (const { path } of (await olderPythons()).toReversed()) {
    try {
      return await venvOf(path, [RUFF]);
    } catch {
      // Debian's own Python, for one, has no venv unless a package more is installed.
    }
  }
  return venvOf(await python('3.14'), [RUFF]);
}
