/** A container on an engine as the stage of the target contract, and as a subject for the tests of the docker target. */
import { createTarget } from '../../src/targets/index.ts';
import type { Target } from '../../src/targets/target.ts';
import type { Ability, Deed, Stage } from '../contract/target.contract.ts';
import { IMAGES, type EngineCommand } from './images.ts';
import { attempt, run } from './run.ts';
import { targetConfig } from './target-config.ts';

export interface StageEngine {
  readonly socketPath: string;
  readonly command: EngineCommand;
}

/** Runs the engine's command line; its output without the line end. */
export async function cli(engine: StageEngine, ...args: readonly string[]): Promise<string> {
  const [file, ...first] = engine.command;
  return (await run(file, [...first, ...args])).trim();
}

/** The same, but a failure is nothing. */
export async function cliQuiet(engine: StageEngine, ...args: readonly string[]): Promise<void> {
  const [file, ...first] = engine.command;
  await attempt(file, [...first, ...args]);
}

export const FOREVER = ['python3.14', '-c', 'import time; time.sleep(1e6)'];

/** A name that no other test has. */
export function uniqueName(what: string): string {
  return `debugwand-${what}-${String(process.pid)}-${Math.random().toString(36).slice(2, 8)}`;
}

export function dockerTarget(engine: StageEngine, container: string): Promise<Target> {
  return createTarget(targetConfig({ kind: 'docker', container, host: `unix://${engine.socketPath}` }), {
    log: { info: () => undefined },
    projectRoot: '/',
    inheritStdio: false,
  });
}

/** Starts a container with Python 3.14 that does nothing; gives its id. */
export async function startContainer(
  engine: StageEngine,
  name: string,
  options: readonly string[] = [],
  command: readonly string[] = FOREVER,
): Promise<string> {
  // Without a network: nothing here needs one, and none has to be torn down.
  return cli(engine, 'run', '-d', '--name', name, '--network', 'none', ...options, IMAGES.python314, ...command);
}

/** A container can do it all. */
export const CONTAINER_ABILITIES: readonly Ability[] = ['users', 'helper', 'end', 'pause', 'remove', 'rename'];

/** Removes a container, whatever became of it. */
export async function strike(engine: StageEngine, name: string): Promise<void> {
  await cliQuiet(engine, 'kill', name);
  await cliQuiet(engine, 'rm', '-f', name);
}

export async function containerStage(engine: StageEngine): Promise<Stage> {
  const name = uniqueName('contract');
  await startContainer(engine, name);
  const deeds: Readonly<Record<Deed, readonly (readonly string[])[]>> = {
    kill: [['kill', name]],
    startAgain: [['start', name]],
    pause: [['pause', name]],
    unpause: [['unpause', name]],
    // Podman's `rm -f` asks the app first, for ten seconds.
    remove: [
      ['kill', name],
      ['rm', name],
    ],
    recreate: [],
    renameAway: [['rename', name, `${name}-away`]],
    renameBack: [['rename', `${name}-away`, name]],
  };
  return {
    target: await dockerTarget(engine, name),
    python: 'python3.14',
    whoAmI: ['python3.14', '-c', 'import os; print(os.getuid())'],
    execEndsWithIt: true,
    act: async (deed) => {
      for (const line of deeds[deed]) await cli(engine, ...line);
      if (deed === 'recreate') await startContainer(engine, name);
    },
    strike: () => strike(engine, name),
  };
}
