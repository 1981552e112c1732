/**
 * Neovim and Emacs of Debian forky, whose own release here is too old: a tree of files with both, and programs started in
 * it. They see this machine's network, /proc and the folder of temporary files, where apps and their projects lie.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cached } from '../cache.ts';
import { forkyTree } from '../python.ts';
import { run } from '../run.ts';

/** dape comes with Debian, nvim-dap with no registry that tests may use. */
const PACKAGES = ['neovim', 'emacs-nox', 'elpa-dape'];
const REVISION = 1;

/** Shell that makes the tree a place to live in. What it mounts is gone with its namespace, however that ends. */
const ENTER = (root: string, shared: string): string => `
mount --bind /proc "${root}/proc"
mount --rbind /dev "${root}/dev"
mount --bind "${shared}" "${root}${shared}"
`;

/** The root of the tree, in the cache. @throws Lacking where it cannot be made */
export async function editorTree(): Promise<string> {
  const base = await forkyTree();
  return cached(`editors-${String(REVISION)}/root`, async (building) => {
    await run('cp', ['-a', base, building]);
    await mkdir(join(building, tmpdir()), { recursive: true });
    const install = `
set -e
cat /etc/resolv.conf > "${building}/etc/resolv.conf"
${ENTER(building, tmpdir())}
# A mirror may be older than its own date of expiry, a tree of the cache older than the mirror.
chroot "${building}" apt-get -q -o Acquire::Check-Valid-Until=false update
chroot "${building}" apt-get -q install -y --no-install-recommends ${PACKAGES.join(' ')}
chroot "${building}" apt-get clean
`;
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    await run('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', install], { env });
  });
}

/** Starts a program of the tree; `env` is all the environment it has beside a path. */
export async function startInTree(
  args: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<ChildProcessWithoutNullStreams> {
  const root = await editorTree();
  const enter = `set -e\n${ENTER(root, tmpdir())}exec chroot "${root}" env --chdir="$0" "$@"`;
  return spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', enter, cwd, ...args], {
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8', ...env },
  });
}

/** The version of a package of the tree, without Debian's part of it: `0.12.4`. */
export async function versionInTree(name: string): Promise<string> {
  const version = await run('chroot', [await editorTree(), 'dpkg-query', '-W', '-f', '${Version}', name]);
  return version.replace(/^\d+:/, '').replace(/[-+].*$/, '');
}
