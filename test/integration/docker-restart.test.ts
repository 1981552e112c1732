/** The engine itself goes and comes back: the target waits, says so, and returns by itself. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Target } from '../../src/targets/target.ts';
import { startPrivateDocker, type PrivateEngine } from '../support/docker.ts';
import { folder, type Folder } from '../support/folder.ts';
import { getOrSkip } from '../support/machine.ts';
import { cli, dockerTarget, startContainer, strike, uniqueName } from '../support/target-stage.ts';
import { until } from '../support/until.ts';
import { outputOf, Watching } from '../support/watching.ts';

const place: Folder = await folder();
const engine: PrivateEngine | undefined = await getOrSkip(() => startPrivateDocker(place.path, ['python314']));
const never = new AbortController().signal;

describe.skipIf(engine === undefined)('an engine that restarts', () => {
  const name = uniqueName('restart');
  let target: Target;
  let watch: Watching;

  const its = (): PrivateEngine => {
    if (engine === undefined) throw new Error('skipped');
    return engine;
  };

  beforeAll(async () => {
    await startContainer(its(), name, ['--restart', 'always']);
    target = await dockerTarget(its(), name);
    watch = new Watching(target);
    await watch.running();
  });
  afterAll(async () => {
    await watch.stop();
    await target.close();
    await strike(its(), name);
    await engine?.remove();
    await place[Symbol.asyncDispose]();
  });

  test.each(['stop', 'kill'] as const)('by %s', async (how) => {
    const before = await watch.running();
    const stream = await target.exec(
      before,
      ['python3.14', '-c', 'import sys; print(1, flush=True); sys.stdin.read()'],
      {},
      never,
    );
    stream.stderr.resume();
    await until(() => stream.stdout.readableLength > 0, 'the program is up');
    await its()[how]();
    const { replicas, error } = await watch.failing('docker-unreachable');
    expect(replicas).toEqual([]);
    expect(error?.message).toContain(its().socketPath);
    stream.stdout.resume();
    await stream.exit;
    await expect(target.exec(before, ['true'], {}, never)).rejects.toMatchObject({ code: 'docker-unreachable' });

    await its().start();
    const begin = performance.now();
    const after = await watch.running('it runs again', 60_000);
    expect(after.id).toBe(before.id);
    expect(watch.last?.error).toBeNull();
    // The back-off is at most 3 s; the engine itself may take longer to start the container.
    const inspected = async (): Promise<boolean> =>
      (await cli(its(), 'inspect', '-f', '{{.State.Running}}', name)) === 'true';
    expect(await inspected()).toBe(true);
    expect(performance.now() - begin).toBeLessThan(60_000);
    expect(
      await outputOf(await target.exec(await watch.running(), ['python3.14', '-c', 'print("back")'], {}, never)),
    ).toBe('back');
  });
});
