/** A world for `wand init` in a test: a project's folder, no terminal, no engine, all ports free, nothing that starts. */
import type { InitIo } from '../../src/commands/init-io.ts';
import type { RunningContainer } from '../../src/commands/init-look.ts';
import type { Folder } from './folder.ts';

export interface Talk extends InitIo {
  /** Line by line. */
  readonly said: string[];
  /** Configs that `wand watch` was started with. */
  readonly watched: string[];
}

export function initIo(
  project: Folder,
  more: Partial<InitIo> & { readonly containers?: readonly RunningContainer[] } = {},
): Talk {
  const said: string[] = [];
  const watched: string[] = [];
  return {
    cwd: project.path,
    env: {},
    print: (line) => said.push(line),
    ask: null,
    listContainers: () => Promise.resolve(more.containers ?? []),
    portsTaken: () => Promise.resolve(new Set()),
    ownerOf: () => null,
    daemonOf: () => Promise.resolve(null),
    whyNotRunnable: () => null,
    watch: (config) => {
      watched.push(config);
      return Promise.resolve(0);
    },
    ...more,
    said,
    watched,
  };
}
