/** Projects whose npm scripts start wand, and the real runners that people start such scripts with. */
import { chmod, symlink, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { delimiter, dirname, join } from 'node:path';
import { cached } from './cache.ts';
import { folder, type Folder } from './folder.ts';
import { Lacking, which } from './machine.ts';
import { run } from './run.ts';
import { bin } from './wand.ts';

/** What is installed, each with its exact version. */
const RUNNERS = { concurrently: '10.0.7', 'npm-run-all2': '9.0.4', turbo: '2.11.11' } as const;

/** A folder `node_modules` with the runners in it, in the cache. @throws Lacking without npm */
export async function npmRunners(): Promise<string> {
  const npm = which('npm');
  if (npm === undefined) throw new Lacking('npm', 'Install it: it comes with Node.js.');
  const key = createHash('sha256').update(JSON.stringify(RUNNERS)).digest('hex').slice(0, 12);
  const made = await cached(`npm/runners-${key}`, async (building) => {
    await run('mkdir', ['-p', building]);
    await writeFile(join(building, 'package.json'), JSON.stringify({ private: true, dependencies: RUNNERS }));
    await run(npm, ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], { cwd: building });
  });
  return join(made, 'node_modules');
}

/** A project with these scripts, the runners and a `wand` that is this clone's; and the environment for its shell. */
export async function npmProject(
  scripts: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
): Promise<Folder & { readonly env: Readonly<Record<string, string>> }> {
  const project = await folder({
    ...files,
    'package.json': JSON.stringify({
      name: 'shop',
      private: true,
      packageManager: 'npm@11.0.0',
      workspaces: ['.'],
      scripts,
    }),
    'package-lock.json': JSON.stringify({ name: 'shop', lockfileVersion: 3, packages: { '': { name: 'shop' } } }),
    'turbo.json': JSON.stringify({ tasks: { dev: { cache: false, persistent: true } } }),
    'bin/wand': `#!/bin/sh\nexec '${process.execPath}' '${bin()}' "$@"\n`,
  });
  await chmod(project.at('bin/wand'), 0o755);
  await symlink(await npmRunners(), project.at('node_modules'));
  const path = [project.at('bin'), dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
  const quiet = { NPM_CONFIG_UPDATE_NOTIFIER: 'false', TURBO_TELEMETRY_DISABLED: '1', TURBO_NO_UPDATE_NOTIFIER: '1' };
  return { ...project, env: { PATH: path, ...quiet } };
}
