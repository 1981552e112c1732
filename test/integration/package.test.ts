/** What `npm pack` makes, installed as a user installs it: a working `wand` that needs no network for debugpy. */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { getOrSkip } from '../support/machine.ts';
import { python } from '../support/python.ts';
import { run } from '../support/run.ts';
import { freePort } from '../support/sample-app.ts';
import { root } from '../support/step.ts';
import { until } from '../support/until.ts';

const interpreter = await getOrSkip(() => python('3.14'));

describe.skipIf(interpreter === undefined)('the package', () => {
  let folder = '';
  let bin = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'wand-package-'));
    await run('npm', ['pack', '--pack-destination', folder, '--loglevel=error'], { cwd: root });
    const [tarball = ''] = (await run('ls', [folder])).split('\n').filter((name) => name.endsWith('.tgz'));
    const install = [
      'install',
      '-g',
      '--prefix',
      folder,
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
    ];
    await run('npm', [...install, join(folder, tarball)], { cwd: folder });
    bin = join(folder, 'lib', 'node_modules', 'debugwand', 'dist', 'bin.js');
  }, 180_000);

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const wand = (args: readonly string[]): Promise<string> =>
    run(process.execPath, [bin, ...args], {
      cwd: folder,
      // Nothing fetched before, and nowhere to fetch from.
      env: { XDG_CACHE_HOME: join(folder, 'cache'), PATH: '/nonexistent' },
    });

  test('says its version', async () => {
    expect((await wand(['--version'])).trim()).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test('brings its extension for Tilt, which starts the program beside it', async () => {
    const home = join(folder, 'lib', 'node_modules', 'debugwand');
    const tilt = join(home, 'src', 'integrations', 'tilt');
    expect((await readdir(tilt)).toSorted()).toEqual(['README.md', 'Tiltfile']);
    const program = /os\.path\.join\(_HERE, (.*?)\)/.exec(await readFile(join(tilt, 'Tiltfile'), 'utf8'))?.[1] ?? '';
    expect(join(tilt, ...program.split(', ').map((part) => part.slice(1, -1)))).toBe(bin);
  });

  test('brings its debugpy', async () => {
    const app = spawn(interpreter ?? '', ['-c', 'import time\nwhile True: time.sleep(0.05)'], { stdio: 'ignore' });
    const env = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') };
    const args = [bin, 'debug', '--pid', String(app.pid), '--port', String(await freePort()), '--plain'];
    const daemon = spawn(process.execPath, args, { cwd: folder, env, stdio: 'ignore' });
    const ended = new Promise((resolve) => daemon.once('exit', resolve));
    try {
      const entry = await until(
        async () => {
          const status = await wand(['status', '--json']).catch(() => null);
          if (status === null) return null;
          const { targets } = JSON.parse(status) as { targets: { entry: { debugpy: string } | null }[] };
          return targets[0]?.entry ?? null;
        },
        'entered',
        30_000,
      );
      expect(entry.debugpy).toContain('(ours)');
    } finally {
      daemon.kill('SIGTERM');
      await ended;
      app.kill('SIGKILL');
    }
  });
});
