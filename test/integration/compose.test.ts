/** Beside the real Docker Compose: one session through all that it does to a container. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ensureCompose, startComposeApp } from '../support/compose.ts';
import { ensureDocker } from '../support/docker.ts';
import { getOrSkip } from '../support/machine.ts';
import { ATTACHED, Rig } from '../support/rig.ts';
import { BREAKPOINT_LINE } from '../support/sample-app.ts';

const tested = await getOrSkip(async () => ({
  docker: await ensureDocker(['python314']),
  compose: await ensureCompose(),
}));

describe.skipIf(tested === undefined)('beside docker compose', () => {
  it('the session stays through restart, recreation, rebuild, watch, scale and down', async () => {
    if (tested === undefined) return;
    const app = await startComposeApp(tested.docker, tested.compose);
    const rig = await Rig.start(app, { docker: { compose: { project: app.project, service: 'api' } } });
    try {
      await rig.attached();
      await rig.attach();
      const hit = async (total: number): Promise<void> => {
        expect(await rig.hit()).toMatchObject({
          line: BREAKPOINT_LINE,
          path: rig.file,
          variables: { amount: '14' },
          total,
        });
      };
      await hit(42);

      await rig.reattached(() => app.compose('restart', '--timeout', '1'));
      await rig.reattached(() => app.compose('up', '--detach', '--force-recreate'));
      await hit(42);

      // The file changes here; Compose brings it into the container, whose reloader sees it.
      const watch = await app.watch();
      await rig.reattached(() => app.setFactor(5));
      await hit(70);
      await rig.reattached(() => writeFile(join(app.folder, 'requirements.txt'), '# changed\n'));
      await watch[Symbol.asyncDispose]();
      await hit(70);

      await app.setFactor(6);
      await rig.reattached(() => app.compose('up', '--detach', '--build'));
      await hit(84);

      await app.compose('up', '--detach', '--scale', 'api=2');
      const two = await rig.status('both are seen', ({ replicas }) => replicas.length === 2);
      expect(ATTACHED(two)).toBe(true);
      await app.compose('up', '--detach', '--scale', 'api=1');
      await rig.status('one is left', (target) => target.replicas.length === 1 && ATTACHED(target));
      await hit(84);

      await app.compose('down', '--timeout', '1');
      await rig.status('it waits', ({ phase }) => phase === 'waiting');
      await rig.reattached(() => app.compose('up', '--detach'));
      await hit(84);
    } finally {
      await rig.stop();
    }
  });
});
