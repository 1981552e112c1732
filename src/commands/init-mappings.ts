// Owns, for `wand init`, which folder of the project is which one in a container: by its mounts, and by what the Dockerfile
// says to have been copied where. Pure.
import { posix, relative, resolve, sep } from 'node:path';
import { inferPathMappings } from '../core/path-mappings.ts';
import type { PathMapping } from '../core/types.ts';
import type { SourceText } from './init-app.ts';
import type { Copy } from './init-dockerfile.ts';

export interface ImagePlace {
  /** The project's folder; absolute. */
  readonly root: string;
  /** Folder that the image is built from; absolute. */
  readonly context: string;
  readonly workingDir: string | null;
  /** Absolute on both sides. */
  readonly mounts: readonly { readonly source: string; readonly destination: string }[];
  readonly copies: readonly Copy[];
  /** Python files of the project. */
  readonly sources: readonly SourceText[];
}

export interface Mapped {
  readonly mappings: readonly PathMapping[];
  /** It is not what wand would find out by itself, so the config has to say it. */
  readonly explicit: boolean;
}

export function mappingsOf(place: ImagePlace): Mapped {
  const { root, context, workingDir, mounts } = place;
  const inferred = infer(root, workingDir, mounts);
  const mounted = infer(root, null, mounts);
  const copied = place.copies.flatMap((copy) => ofCopy(copy, place));
  // What is mounted over a copy hides it.
  const visible = copied.filter(({ remote }) => !mounted.some((mount) => within(remote, mount.remote)));
  if (visible.some((mapping) => !inferred.some((other) => implies(other, mapping)))) {
    const mappings = [...mounted, ...needed(visible)].sort((a, b) => b.remote.length - a.remote.length);
    return { mappings, explicit: true };
  }
  if (visible.length > 0) return { mappings: inferred, explicit: false };
  // What is built from a folder below the project holds that folder, not the project.
  const ofContext = context !== root && workingDir !== null ? infer(context, workingDir, mounts) : [];
  const explicit = ofContext.length > 0 && inferred.every(({ local }) => local === root);
  return { mappings: explicit ? ofContext : inferred, explicit };
}

/** What wand takes for granted when it runs. */
export function infer(root: string, workingDir: string | null, mounts: ImagePlace['mounts']): PathMapping[] {
  const scope = { kind: 'namespace' } as const;
  const replica = { id: '', name: '', state: 'running', startedAt: '', scope, mounts } as const;
  return inferPathMappings(root, workingDir === null ? replica : { ...replica, workingDir }, 'docker');
}

/** Of a folder its contents are copied, of a file the file; only what holds Python counts. */
function ofCopy({ source, destination }: Copy, { root, context, sources }: ImagePlace): PathMapping[] {
  const path = resolve(context, source);
  const below = relative(root, path).split(sep).join('/');
  if (sources.some((file) => file.path === below)) {
    const folder = destination.endsWith('.py') ? posix.dirname(destination) : destination;
    return [{ local: resolve(path, '..'), remote: folder }];
  }
  const holds = below === '' ? sources.length > 0 : sources.some((file) => file.path.startsWith(`${below}/`));
  return holds && !below.startsWith('..') ? [{ local: path, remote: destination }] : [];
}

/** Each once, and none that another one implies. */
function needed(all: readonly PathMapping[]): readonly PathMapping[] {
  const unique = all.filter(
    ({ local, remote }, index) => all.findIndex((other) => other.local === local && other.remote === remote) === index,
  );
  return unique.filter((mapping) => !unique.some((other) => other !== mapping && implies(other, mapping)));
}

/** Whether whoever knows the one knows the other. */
function implies(one: PathMapping, other: PathMapping): boolean {
  return (
    within(other.remote, one.remote) && resolve(one.local, posix.relative(one.remote, other.remote)) === other.local
  );
}

function within(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}
