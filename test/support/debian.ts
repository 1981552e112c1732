/**
 * What Debian gives the testbed: packages of this machine's release, and whole small trees of another release (forky has
 * Python 3.14 and 3.15), from the mirror that this machine's apt is set up for.
 */
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cached, locked } from './cache.ts';
import { isDebian, isRoot, Lacking, which } from './machine.ts';
import { attempt, run } from './run.ts';

const FRESH_ENV = { DEBIAN_FRONTEND: 'noninteractive' };

/** Installs packages whose commands are not here yet: `{ 'docker.io': 'dockerd' }`. */
export async function aptInstall(commandOf: Record<string, string>): Promise<void> {
  const missing = (): string[] => Object.keys(commandOf).filter((name) => which(commandOf[name] ?? name) === undefined);
  if (missing().length === 0) return;
  if (!isRoot || !isDebian) {
    throw new Lacking(
      Object.values(commandOf).join(', '),
      `Install ${missing().join(' ')} (as root on Debian the tests do it).`,
    );
  }
  await locked('apt', async () => {
    const packages = missing();
    if (packages.length === 0) return;
    process.stderr.write(`testbed: apt-get install ${packages.join(' ')} …\n`);
    const install = ['install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300', ...packages];
    if ((await attempt('apt-get', install, { env: FRESH_ENV })) !== undefined) return;
    await run('apt-get', ['update'], { env: FRESH_ENV });
    await run('apt-get', install, { env: FRESH_ENV });
  });
}

/** The address of the Debian mirror that this machine uses. */
async function mirror(): Promise<string> {
  const list = async (): Promise<string | undefined> =>
    (await attempt('apt-get', ['indextargets', '--format', '$(LABEL) $(REPO_URI)', 'Created-By: Packages']))
      ?.split('\n')
      .find((line) => line.startsWith('Debian '))
      ?.slice('Debian '.length);
  const before = await list();
  if (before !== undefined) return before;
  // Without package lists apt does not know its labels yet.
  await run('apt-get', ['update'], { env: FRESH_ENV });
  const after = await list();
  if (after === undefined) throw new Lacking('a Debian mirror', 'Give apt a source of Debian.');
  return after;
}

/** A minimal Debian tree of a release with these packages, in the cache. */
export async function debianTree(suite: string, revision: number, packages: readonly string[]): Promise<string> {
  return cached(`debian-${suite}-${String(revision)}/root`, async (building) => {
    if (!isRoot || !isDebian)
      throw new Lacking(
        `Python of Debian ${suite}`,
        'Install Python 3.14 and 3.15 (`uv python install 3.14 3.15`) for what runs on this machine; the test images need root on Debian.',
      );
    await aptInstall({ debootstrap: 'debootstrap', patchelf: 'patchelf' });
    const script = `/usr/share/debootstrap/scripts/${suite}`;
    // All current releases share one script; an older debootstrap merely does not know the newer names.
    if (!existsSync(script)) await symlink('sid', script);
    await rm(building, { recursive: true, force: true });
    await mkdir(building, { recursive: true });
    // In a mount namespace of its own: what debootstrap mounts (proc, sys) is gone with it, however it ends.
    await run('unshare', [
      '--mount',
      '--propagation',
      'private',
      'debootstrap',
      '--variant=minbase',
      `--include=${packages.join(',')}`,
      suite,
      building,
      await mirror(),
    ]);
  });
}

/** Packages of another release, unpacked into a folder of the cache; nothing that they depend on comes along. */
export async function debianFiles(suite: string, revision: number, packages: readonly string[]): Promise<string> {
  return cached(`debian-${suite}-files/${packages.join('-')}-${String(revision)}`, async (building) => {
    if (!isDebian) throw new Lacking(packages.join(', '), `Install ${packages.join(' and ')}.`);
    const apt = join(building, 'apt');
    for (const folder of ['lists/partial', 'cache/archives/partial'])
      await mkdir(join(apt, folder), { recursive: true });
    const keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
    await writeFile(join(apt, 'sources.list'), `deb [signed-by=${keys}] ${await mirror()} ${suite} main\n`);
    const options = {
      'Dir::Etc::SourceList': join(apt, 'sources.list'),
      'Dir::Etc::SourceParts': '/dev/null',
      'Dir::State::Lists': join(apt, 'lists'),
      'Dir::Cache': join(apt, 'cache'),
      'APT::Sandbox::User': 'root',
      // A mirror may be older than its own date of expiry.
      'Acquire::Check-Valid-Until': 'false',
      'Acquire::Languages': 'none',
    };
    const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    await run('apt-get', [...flags, '-q', 'update']);
    await run('apt-get', [...flags, '-q', 'download', ...packages], { cwd: apt });
    for (const name of await readdir(apt)) {
      if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', join(apt, name), building]);
    }
    await rm(apt, { recursive: true });
  });
}
