/**
 * The container images that tests run, made from Debian trees and pinned wheels without any registry: a root file system
 * as a tar in the cache, which every engine (Docker, a second Docker, Podman) can import.
 */
import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, locked } from './cache.ts';
import { aptInstall, debianTree } from './debian.ts';
import { which } from './machine.ts';
import { ALL_PACKAGES, WEB_PACKAGES } from './packages.ts';
import { forkyTree, sitePackages } from './python.ts';
import { attempt, run } from './run.ts';

/** The command line of an engine that speaks Docker's language: `docker -H …` or `podman …`. */
export type EngineCommand = readonly [string, ...string[]];

/** Every test image, by what it is for. */
export const IMAGES = {
  /** Python 3.14 with all servers; no debugpy. */
  python314: 'debugwand-test/python:3.14',
  python315: 'debugwand-test/python:3.15',
  /** 3.14 and 3.15 side by side. */
  twoPythons: 'debugwand-test/python:3.14-3.15',
  /** Only Python 3.14, its libraries and packages: no shell, no ls, no ps. Runs as uid 65532. */
  distroless: 'debugwand-test/distroless:3.14',
  /** Too old to be entered. */
  python311: 'debugwand-test/python:3.11',
  noPython: 'debugwand-test/nopython:1',
} as const;

/** A name of the table above. */
export type ImageName = keyof typeof IMAGES;

interface Recipe {
  /** Raised by hand when the recipe changes; packages count by themselves. */
  revision: number;
  packages: readonly string[];
  changes: readonly string[];
  /** Writes the root file system as a tar. */
  make: (tar: string) => Promise<void>;
}

const PATH = 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const NONROOT = 65532;

const RECIPES: Record<ImageName, Recipe> = {
  python314: debianRecipe(['3.14'], ALL_PACKAGES),
  python315: debianRecipe(['3.15'], ALL_PACKAGES),
  twoPythons: debianRecipe(['3.14', '3.15'], WEB_PACKAGES),
  distroless: {
    revision: 1,
    packages: WEB_PACKAGES,
    changes: [PATH, `USER ${String(NONROOT)}`, 'WORKDIR /app', 'ENTRYPOINT ["/usr/bin/python3.14"]'],
    make: distroless,
  },
  python311: {
    revision: 1,
    packages: WEB_PACKAGES,
    changes: [PATH, 'WORKDIR /app', 'CMD ["python3.11"]'],
    make: async (tar) => {
      const root = await debianTree('bookworm', 1, ['python3.11', 'ca-certificates']);
      await pack(tar, root, [], await overlay(['3.11'], WEB_PACKAGES, tar));
    },
  },
  noPython: {
    revision: 1,
    packages: [],
    changes: [PATH, 'CMD ["/bin/sleep", "infinity"]'],
    make: async (tar) => {
      await aptInstall({ 'busybox-static': 'busybox' });
      const root = `${tar}.root`;
      await mkdir(join(root, 'bin'), { recursive: true });
      await mkdir(join(root, 'tmp'));
      await cp(which('busybox') ?? '/bin/busybox', join(root, 'bin/busybox'));
      for (const applet of ['sh', 'sleep', 'ls', 'cat', 'ps']) await symlink('busybox', join(root, 'bin', applet));
      await pack(tar, root, []);
      await rm(root, { recursive: true });
    },
  },
};

/** Makes sure that the engine has these images, and gives nothing: their names are in `IMAGES`. */
export async function ensureImages(engine: EngineCommand, names: readonly ImageName[]): Promise<void> {
  const [file, ...args] = engine;
  const format = '{{range .RepoTags}}{{.}} {{end}}{{index .Config.Labels "debugwand.testbed"}}';
  const there = await Promise.all(
    names.map(async (name) => {
      const answer = await attempt(file, [...args, 'image', 'inspect', '--format', format, IMAGES[name]]);
      return answer?.trim().endsWith(keyOf(name)) === true;
    }),
  );
  for (const [index, name] of names.entries()) {
    if (there[index] === true) continue;
    const tar = await rootfs(name);
    const changes = [...RECIPES[name].changes, `LABEL debugwand.testbed=${keyOf(name)}`];
    await locked('import', () =>
      run(file, [...args, 'import', ...changes.flatMap((change) => ['--change', change]), tar, IMAGES[name]]),
    );
  }
}

function keyOf(name: ImageName): string {
  const { revision, packages, changes } = RECIPES[name];
  return createHash('sha256')
    .update(JSON.stringify([name, revision, packages, changes]))
    .digest('hex')
    .slice(0, 12);
}

async function rootfs(name: ImageName): Promise<string> {
  return cached(`images/${name}-${keyOf(name)}.tar`, (building) => RECIPES[name].make(building));
}

function debianRecipe(versions: readonly ('3.14' | '3.15')[], packages: readonly string[]): Recipe {
  return {
    revision: 1,
    packages,
    changes: [PATH, 'WORKDIR /app', `CMD ["python${versions[0] ?? ''}"]`],
    make: async (tar) => {
      const root = await forkyTree();
      const without = (['3.14', '3.15'] as const)
        .filter((version) => !versions.includes(version))
        .flatMap((version) => [`./usr/bin/python${version}`, `./usr/lib/python${version}`]);
      await pack(tar, root, without, await overlay(versions, packages, tar));
    },
  };
}

/** What lies in /usr/local of an image: packages, their scripts, and `python` for the first version. */
async function overlay(versions: readonly string[], packages: readonly string[], tar: string): Promise<string> {
  const folder = `${tar}.overlay`;
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, 'usr/local/bin'), { recursive: true });
  await mkdir(join(folder, 'app'));
  for (const version of versions.toReversed()) {
    const site = await sitePackages(version, packages);
    await cp(join(site, 'lib'), join(folder, `usr/local/lib/python${version}/dist-packages`), { recursive: true });
    await cp(join(site, 'bin'), join(folder, 'usr/local/bin'), { recursive: true });
  }
  for (const name of ['python', 'python3'])
    await symlink(`/usr/bin/python${versions[0] ?? ''}`, join(folder, 'usr/local/bin', name));
  return folder;
}

async function distroless(tar: string): Promise<void> {
  const from = join(await forkyTree(), 'usr');
  const root = `${tar}.root`;
  await rm(root, { recursive: true, force: true });
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  for (const folder of ['app', 'tmp', 'etc']) await mkdir(join(root, folder));
  await chmod(join(root, 'tmp'), 0o1777);
  await cp(join(from, 'bin/python3.14'), join(root, 'usr/bin/python3.14'));
  await cp(join(from, 'lib/python3.14'), join(root, 'usr/lib/python3.14'), { recursive: true, verbatimSymlinks: true });
  for (const arch of (await readdir(join(from, 'lib'))).filter((name) => name.endsWith('-linux-gnu'))) {
    // Only the libraries themselves: the folders beside them belong to tools that are not here.
    await mkdir(join(root, 'usr/lib', arch), { recursive: true });
    const libraries = (await readdir(join(from, 'lib', arch))).filter((name) => name.includes('.so'));
    for (const library of libraries) {
      await cp(join(from, 'lib', arch, library), join(root, 'usr/lib', arch, library), {
        verbatimSymlinks: true,
        recursive: true,
      });
    }
  }
  await cp(join(from, 'lib64'), join(root, 'usr/lib64'), { recursive: true, verbatimSymlinks: true }).catch(
    () => undefined,
  );
  for (const folder of ['lib', 'lib64']) await symlink(`usr/${folder}`, join(root, folder));
  await cp(
    join(await sitePackages('3.14', WEB_PACKAGES), 'lib'),
    join(root, 'usr/local/lib/python3.14/dist-packages'),
    { recursive: true },
  );
  await writeFile(
    join(root, 'etc/passwd'),
    `root:x:0:0:root:/root:/none\nnonroot:x:${String(NONROOT)}:${String(NONROOT)}:nonroot:/tmp:/none\n`,
  );
  await pack(tar, root, []);
  await rm(root, { recursive: true });
}

/** One tar of a tree and of what is laid over it. Documentation and package lists stay out. */
async function pack(tar: string, root: string, without: readonly string[], over?: string): Promise<void> {
  const excluded = [
    './usr/share/doc',
    './usr/share/man',
    './usr/share/locale',
    './usr/share/info',
    './var/cache/*',
    './var/lib/apt/lists/*',
  ];
  const excludes = [
    ...excluded,
    './var/log/*',
    './debootstrap',
    './proc/*',
    './sys/*',
    './dev/*',
    ...without,
    ...(over === undefined ? [] : ['./usr/local']),
  ].map((path) => `--exclude=${path}`);
  await run('tar', ['--numeric-owner', '--owner=0', '--group=0', ...excludes, '-cf', tar, '-C', root, '.']);
  if (over !== undefined) {
    // An engine refuses a path that comes twice, so what the tree had in /usr/local stays out above.
    await run('tar', ['--numeric-owner', '--owner=0', '--group=0', '-rf', tar, '-C', over, './usr/local', './app']);
    await rm(over, { recursive: true });
  }
}
