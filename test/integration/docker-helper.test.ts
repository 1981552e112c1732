/** Helper containers on a real engine: what they may do, and that none is ever left behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Replica } from '../../src/core/types.ts';
import { HELPER_LABEL } from '../../src/targets/docker-select.ts';
import { ownMark } from '../../src/targets/owner.ts';
import type { Target } from '../../src/targets/target.ts';
import { ensureDocker } from '../support/docker.ts';
import { IMAGES } from '../support/images.ts';
import { getOrSkip } from '../support/machine.ts';
import { startPodman } from '../support/podman.ts';
import {
  cli,
  cliQuiet,
  dockerTarget,
  startContainer,
  strike,
  uniqueName,
  type StageEngine,
} from '../support/target-stage.ts';
import { until } from '../support/until.ts';
import { outputOf, Watching } from '../support/watching.ts';

const docker = await getOrSkip(() => ensureDocker(['python314']));
const podman = await getOrSkip(() => startPodman(['python314']));
afterAll(() => podman?.stop());
const never = new AbortController().signal;

/** Opens the memory of process 1, and reads its own name through it. */
const READ_MEMORY = `
import os
with open("/proc/1/maps") as maps: start = int(maps.readline().split("-")[0], 16)
with open("/proc/1/mem", "r+b", buffering=0) as mem:
    mem.seek(start); print(mem.read(4)[1:].decode())
`;

const ENGINES: readonly (readonly [string, StageEngine | undefined])[] = [
  ['Docker', docker],
  ['Podman', podman],
];

describe.each(ENGINES)('helper containers of %s', (_name, found) => {
  describe.skipIf(found === undefined)('', () => {
    const engine = found ?? { socketPath: '', command: ['docker'] as const };
    let name: string;
    let id: string;
    let target: Target;
    let watch: Watching;
    let replica: Replica;

    const helpers = async (of = id): Promise<string[]> =>
      (await cli(engine, 'ps', '-aq', '--no-trunc', '--filter', `label=${HELPER_LABEL}=${of}`))
        .split('\n')
        .filter((line) => line !== '');
    const helper = async (code: string): Promise<string> => {
      const { execHelper } = target;
      if (execHelper === null) throw new Error('a docker target has helpers');
      return outputOf(await execHelper(replica, ['python3.14', '-I', '-S', '-c', code], never));
    };

    beforeEach(async () => {
      name = uniqueName('helper');
      // The app's own user is not ours, and it has no right to anything.
      id = await startContainer(engine, name, ['--user', '1234:1234', '--cap-drop', 'ALL']);
      target = await dockerTarget(engine, name);
      watch = new Watching(target);
      replica = await watch.running();
    });
    afterEach(async () => {
      await watch.stop();
      await target.close();
      await strike(engine, name);
    });

    test('reads the memory of a process of another user, which an exec of root may not', async () => {
      const argv = ['python3.14', '-I', '-S', '-c', READ_MEMORY];
      const refused = await target.exec(replica, argv, { user: '0:0' }, never);
      await expect(outputOf(refused)).rejects.toThrow(/Permission|EPERM|not permitted/);
      expect(await helper(READ_MEMORY)).toBe('ELF');
    });

    test('start whatever is to run in them, and whatever ran in the container before', async () => {
      expect(await outputOf(await target.exec(replica, ['cat'], {}, never))).toBe('');
      const stream = await target.execHelper?.(replica, ['id', '-u'], never);
      if (stream === undefined) throw new Error('a docker target has helpers');
      expect(await outputOf(stream)).toBe('0');
    });

    test('are one for each container, seen by no selector, and gone when the target is closed', async () => {
      await Promise.all([helper('print(1)'), helper('print(2)')]);
      await helper('print(3)');
      const [only, ...more] = await helpers();
      expect(more).toEqual([]);
      const meant = await dockerTarget(engine, only ?? '');
      const looking = new Watching(meant);
      await looking.waiting('helpers are nobody', /does not exist/);
      await looking.stop();
      await meant.close();
      await target.close();
      await until(async () => (await helpers()).length === 0, 'the helper is gone');
    });

    test('end with their container, and come again with its next start', async () => {
      await helper('print(1)');
      const before = await helpers();
      await cli(engine, 'kill', name);
      await until(async () => (await helpers()).length === 0, 'the helper is gone');
      await cli(engine, 'start', name);
      await watch.until(
        ({ replicas: [now] }) => now?.state === 'running' && now.startedAt !== replica.startedAt,
        'again',
      );
      replica = await watch.running();
      expect(await helper('print(2)')).toBe('2');
      expect(await helpers()).not.toEqual(before);
    });

    test('do not keep anybody from removing the container', async () => {
      await helper('print(1)');
      await cli(engine, 'kill', name);
      await cli(engine, 'rm', name);
      await watch.waiting('the container is gone', /does not exist/);
      await until(async () => (await helpers()).length === 0, 'the helper is gone');
    });

    test('come again when somebody removed them', async () => {
      await helper('print(1)');
      for (const one of await helpers()) await cliQuiet(engine, 'rm', '-f', one);
      await until(async () => (await helpers()).length === 0, 'the helper is gone');
      expect(await helper('print(2)')).toBe('2');
      expect(await helpers()).toHaveLength(1);
    });

    test('leave by themselves when their daemon is killed with -9', async () => {
      const owner = spawn(
        process.execPath,
        [join(import.meta.dirname, '../fixtures/helper-owner.ts'), engine.socketPath, name],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      await once(owner.stdout, 'data');
      expect(await helpers()).toHaveLength(1);
      owner.kill('SIGKILL');
      await until(async () => (await helpers()).length === 0, 'the helper left');
    });

    test('of a dead daemon are removed by the next one, those of a living one are not', async () => {
      const [machine = '', pid = ''] = ownMark().split(':');
      const left = async (owner: string): Promise<string> => {
        const options = ['--label', `${HELPER_LABEL}=${id}`, '--label', `debugwand.owner=${owner}`];
        return cli(engine, 'run', '-d', '--network', 'none', ...options, IMAGES.python314, 'sleep', '1000');
      };
      const dead = await left(`${machine}:${pid}:1`);
      const living = await left(ownMark());
      const elsewhere = await left('other-machine:1:1');
      try {
        await helper('print(1)');
        const remaining = await helpers();
        expect(remaining).not.toContain(dead);
        expect(remaining).toEqual(expect.arrayContaining([living, elsewhere]));
      } finally {
        for (const one of [dead, living, elsewhere]) await strike(engine, one);
      }
    });
  });
});
