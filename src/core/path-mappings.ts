// Owns guessing which folder here is which folder in the target, where the config does not say. Pure.
import { posix } from 'node:path';
import type { PathMapping, Replica, TargetKind } from './types.ts';

/**
 * Path mappings for a replica, the most specific first, as debugpy wants them.
 *
 * - Processes of this machine see the paths that the editor sees: none.
 * - Bind mounts of the project's folder, of one inside it or above it, map exactly: Docker says where they are.
 * - What no mount explains is the image's own copy of the project: its working directory is taken for the project's
 *   folder, as `WORKDIR /app` and `COPY . .` have it. Not for `/`: that would map the whole container.
 *
 * `root`: absolute folder of the project. Empty: nothing can be said.
 */
export function inferPathMappings(root: string, replica: Replica, kind: TargetKind): PathMapping[] {
  if (kind === 'local') return [];
  const project = clean(root);
  const mounted = (replica.mounts ?? []).flatMap((mount) => fromMount(project, mount));
  const mappings = unique(mounted);
  const { workingDir } = replica;
  if (workingDir !== undefined && workingDir.startsWith('/')) {
    const remote = clean(workingDir);
    const explained = mappings.some((mapping) => within(remote, mapping.remote) || within(project, mapping.local));
    if (remote !== '/' && !explained) mappings.push({ local: project, remote });
  }
  return mappings.sort((a, b) => depth(b.remote) - depth(a.remote) || (a.remote < b.remote ? -1 : 1));
}

function fromMount(project: string, mount: { source: string; destination: string }): PathMapping[] {
  const source = clean(ofThisMachine(mount.source));
  const destination = clean(mount.destination);
  if (within(source, project)) return [{ local: source, remote: destination }];
  // A folder above the project: what lies beside the project is not the project's.
  if (within(project, source))
    return [{ local: project, remote: posix.join(destination, posix.relative(source, project)) }];
  return [];
}

/** Docker Desktop names folders of this machine as its virtual machine sees them. */
function ofThisMachine(path: string): string {
  return path.replace(/^\/(host_mnt|run\/desktop\/mnt\/host)(?=\/)/, '');
}

function unique(mappings: readonly PathMapping[]): PathMapping[] {
  const seen = new Set<string>();
  return mappings.filter(({ remote }) => (seen.has(remote) ? false : (seen.add(remote), true)));
}

/** True for the folder itself, too. */
function within(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}

function clean(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 ? normal.replace(/\/+$/, '') : normal;
}

function depth(path: string): number {
  return path === '/' ? 0 : path.split('/').length;
}
