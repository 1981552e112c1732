/**
 * The Python interpreters that tests run: 3.14 and 3.15 (found on this machine, else taken from Debian forky and made to
 * run here), older ones where the machine has them, and virtual environments with pinned packages.
 */
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { debianTree } from './debian.ts';
import { isDebian, isRoot, which } from './machine.ts';
import { attempt, run } from './run.ts';

/** The versions that debugwand can enter. */
export type SupportedVersion = '3.14' | '3.15';

/** Versions that the payload must run on, but that cannot be entered. */
export const OLDER_VERSIONS = ['3.8', '3.9', '3.10', '3.11', '3.12', '3.13'] as const;

/** An interpreter found on this machine. */
export interface Interpreter {
  version: string;
  path: string;
}

/** The Debian tree that holds Python 3.14 and 3.15; the images are made of it, too. */
export async function forkyTree(): Promise<string> {
  const packages = [
    'python3.14',
    'python3.14-venv',
    'python3.15',
    'python3.15-venv',
    'tini',
    'dumb-init',
    'ca-certificates',
  ];
  return debianTree('forky', 1, packages);
}

/** Path of an interpreter of a version that debugwand can enter: found here, else fetched. */
export async function python(version: SupportedVersion): Promise<string> {
  const found = await find(version);
  if (found !== undefined) return found;
  if (!(isRoot && isDebian) && which('uv') !== undefined) {
    await run('uv', ['python', 'install', version]);
    const installed = await find(version);
    if (installed !== undefined) return installed;
  }
  return join(await nativePythons(), 'bin', `python${version}`);
}

/** The older interpreters that this machine has, one for each version. */
export async function olderPythons(): Promise<Interpreter[]> {
  const found = await Promise.all(OLDER_VERSIONS.map(async (version) => ({ version, path: await find(version) })));
  return found.flatMap(({ version, path }) => (path === undefined ? [] : [{ version, path }]));
}

async function find(version: string): Promise<string | undefined> {
  const candidates = [which(`python${version}`), await findWithUv(version), ...(await findWithPyenv(version))];
  for (const path of candidates) {
    // A pyenv shim lies in PATH for each version, chosen or not: only what answers counts.
    const answer =
      path === undefined
        ? undefined
        : await attempt(path, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2], sys.executable)']);
    const executable = answer?.startsWith(`${version} `) === true ? answer.slice(version.length + 1) : undefined;
    if (executable !== undefined) return executable;
  }
  return undefined;
}

async function findWithUv(version: string): Promise<string | undefined> {
  return which('uv') === undefined ? undefined : attempt('uv', ['python', 'find', '--no-project', version]);
}

async function findWithPyenv(version: string): Promise<string[]> {
  const versions = join(process.env['PYENV_ROOT'] ?? join(homedir(), '.pyenv'), 'versions');
  const names = await readdir(versions).catch(() => []);
  return names
    .filter((name) => name === version || name.startsWith(`${version}.`))
    .map((name) => join(versions, name, 'bin', `python${version}`));
}

/** A folder like /usr with the interpreters of Debian forky, which runs on this machine's older libc by bringing its own. */
async function nativePythons(): Promise<string> {
  return cached('debian-forky-1/native', async (building, final) => {
    const root = await forkyTree();
    await mkdir(join(building, 'bin'), { recursive: true });
    const arch = (await run('ls', [join(root, 'usr/lib')])).split('\n').find((name) => name.endsWith('-linux-gnu'));
    if (arch === undefined) throw new Error(`no libraries in ${root}`);
    const loader = (await readdir(join(root, 'usr/lib', arch))).find((name) => name.startsWith('ld-linux'));
    if (loader === undefined) throw new Error(`no loader in ${root}`);
    for (const folder of [`lib/${arch}`, 'lib/python3', 'lib/python3.14', 'lib/python3.15', 'share/python-wheels']) {
      await cp(join(root, 'usr', folder), join(building, folder), { recursive: true, verbatimSymlinks: true });
    }
    for (const version of ['3.14', '3.15'] as const) {
      const binary = join(building, 'bin', `python${version}`);
      await cp(join(root, 'usr/bin', `python${version}`), binary);
      // DT_RPATH, not RUNPATH: it must also hold for the libraries of extension modules.
      const libraries = join(final, 'lib', arch);
      await run('patchelf', [
        '--set-interpreter',
        join(libraries, loader),
        '--set-rpath',
        libraries,
        '--force-rpath',
        binary,
      ]);
      await rm(join(building, `lib/python${version}/EXTERNALLY-MANAGED`), { force: true });
      await pointToWheels(join(building, `lib/python${version}`), join(final, 'share/python-wheels'));
    }
  });
}

/** Debian's ensurepip takes pip from an absolute path, which this machine may not have. */
async function pointToWheels(lib: string, wheels: string): Promise<void> {
  for (const name of await readdir(lib)) {
    if (!name.startsWith('_sysconfigdata')) continue;
    const text = await readFile(join(lib, name), 'utf8').catch(() => '');
    if (text !== '') await writeFile(join(lib, name), text.replaceAll('/usr/share/python-wheels', wheels));
  }
  await rm(join(lib, '__pycache__'), { recursive: true, force: true });
}

/**
 * A virtual environment of that interpreter with exactly these requirements (`name==version`, dependencies not followed:
 * name them all), in the cache. Gives its folder.
 */
export async function venvOf(interpreter: string, requirements: readonly string[]): Promise<string> {
  const version = (await run(interpreter, ['-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])'])).trim();
  const key = createHash('sha256')
    .update([interpreter, ...requirements].join('\n'))
    .digest('hex')
    .slice(0, 12);
  return cached(`venvs/${version}-${key}`, async (building, final) => {
    await run(interpreter, ['-m', 'venv', building]);
    if (requirements.length > 0) {
      const pip = [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--no-deps',
        '--only-binary',
        ':all:',
        '--disable-pip-version-check',
      ];
      await run(join(building, 'bin/python'), [...pip, ...requirements]);
    }
    await relocate(join(building, 'bin'), building, final);
  });
}

/** Scripts carry the path of their environment in their first line. */
async function relocate(bin: string, from: string, to: string): Promise<void> {
  for (const entry of await readdir(bin, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const text = await readFile(join(bin, entry.name), 'utf8');
    if (text.includes(from)) await writeFile(join(bin, entry.name), text.replaceAll(from, to));
  }
}

/** The same for one of the supported versions. */
export async function venv(version: SupportedVersion, requirements: readonly string[]): Promise<string> {
  return venvOf(await python(version), requirements);
}

/**
 * A folder of packages for that Python as an image holds it (`lib` to put on its path, scripts in `bin`), installed by a
 * Python of this machine, whichever it is.
 */
export async function sitePackages(version: string, requirements: readonly string[]): Promise<string> {
  const key = createHash('sha256').update(requirements.join('\n')).digest('hex').slice(0, 12);
  return cached(`site/${version}-${key}`, async (building) => {
    // Byte code is only right when the same version compiles it; older versions are installed without.
    const own = version === '3.14' || version === '3.15' ? version : undefined;
    const installer = await venv(own ?? '3.14', []);
    const lib = join(building, 'lib');
    const how = ['--no-deps', '--only-binary', ':all:', '--quiet', '--disable-pip-version-check', '--target', lib];
    const other = own === undefined ? ['--python-version', version, '--no-compile'] : [];
    await run(join(installer, 'bin/python'), ['-m', 'pip', 'install', ...how, ...other, ...requirements]);
    await cp(join(lib, 'bin'), join(building, 'bin'), { recursive: true });
    await rm(join(lib, 'bin'), { recursive: true });
    for (const name of await readdir(join(building, 'bin'))) {
      const script = await readFile(join(building, 'bin', name), 'utf8');
      await writeFile(join(building, 'bin', name), script.replace(/^#!.*/, `#!/usr/bin/python${version}`));
    }
  });
}
