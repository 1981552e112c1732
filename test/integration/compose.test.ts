/** Beside the real Docker Compose: one session through all that it does to a container. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockPath } from '../../src/lib/paths.ts';
import { type ComposeApp, ensureCompose, startComposeApp } from '../support/compose.ts';
import { ensureDocker } from '../support/docker.ts';
import { assertGoodSession, connectEditor } from '../support/invariants.ts';
import { getOrSkip } from '../support/machine.ts';
import { ATTACHED, lookAt, Rig, writeConfig } from '../support/rig.ts';
import { BREAKPOINT_LINE } from '../support/sample-app.ts';
import { KEYS, Terminal } from '../support/terminal.ts';
import { bin } from '../support/wand.ts';

const tested = await getOrSkip(async () => ({
  docker: await ensureDocker(['python314']),
  compose: await ensureCompose(),
}));

/** Images are built and containers made: on a busy machine that takes its time. */
const STORY_MS = 300_000;
const STEP_MS = 60_000;

interface Story {
  readonly app: ComposeApp;
  readonly rig: Rig;
  /** Stops at the breakpoint, goes on, and sees that the app answered with that. */
  readonly hit: (total: number) => Promise<void>;
}

async function story(play: (story: Story) => Promise<void>): Promise<void> {
  if (tested === undefined) return;
  const app = await startComposeApp(tested.docker, tested.compose);
  const rig = await Rig.start(app, { docker: { compose: { project: app.project, service: 'api' } } });
  try {
    await rig.attached();
    await rig.attach();
    const hit = async (total: number): Promise<void> => {
      const seen = { line: BREAKPOINT_LINE, path: rig.file, variables: { amount: '14' }, total };
      expect(await rig.hit()).toMatchObject(seen);
    };
    await play({ app, rig, hit });
  } finally {
    await rig.stop();
  }
}

describe.skipIf(tested === undefined)('beside docker compose', () => {
  it('the session stays through restart, recreation, watch and its rebuild', { timeout: STORY_MS }, async () => {
    await story(async ({ app, rig, hit }) => {
      await hit(42);
      await rig.reattached(() => app.compose('restart', '--timeout', '1'), STEP_MS);
      await rig.reattached(() => app.compose('up', '--detach', '--force-recreate'), STEP_MS);
      // The file changes here; Compose brings it into the container, whose reloader sees it.
      const watch = await app.watch();
      await rig.reattached(() => app.setFactor(5), STEP_MS);
      await hit(70);
      await rig.reattached(() => writeFile(join(app.folder, 'requirements.txt'), '# changed\n'), STEP_MS);
      await watch[Symbol.asyncDispose]();
      await hit(70);
    });
  });

  it('the session stays through build, scale and down', { timeout: STORY_MS }, async () => {
    await story(async ({ app, rig, hit }) => {
      await app.setFactor(6);
      await rig.reattached(() => app.compose('up', '--detach', '--build'), STEP_MS);
      await hit(84);
      await app.compose('up', '--detach', '--scale', 'api=2');
      const two = await rig.status('both are seen', ({ replicas }) => replicas.length === 2, STEP_MS);
      expect(two.editor.connected).toBe(true);
      await app.compose('up', '--detach', '--scale', 'api=1');
      await rig.status('one is left', (target) => target.replicas.length === 1 && ATTACHED(target), STEP_MS);
      await hit(84);
      await app.compose('down', '--timeout', '1');
      await rig.status('it waits', ({ phase }) => phase === 'waiting', STEP_MS);
      await rig.reattached(() => app.compose('up', '--detach'), STEP_MS);
      await hit(84);
    });
  });

  it(
    'wand watch -- docker compose up: both on one terminal, and both end by Ctrl-C',
    { timeout: STORY_MS },
    async () => {
      if (tested === undefined) return;
      const app = await startComposeApp(tested.docker, tested.compose);
      const { app: port = 0 } = await writeConfig(app.folder, {
        app: { docker: { compose: { project: app.project, service: 'api' } } },
      });
      await app.compose('down', '--timeout', '1');
      const terminal = await Terminal.shell({ cwd: app.folder, env: app.env });
      try {
        const mark = terminal.mark();
        terminal.enter(`${process.execPath} ${bin()} watch -- docker compose up`);
        await terminal.shows(/attached: worker \d+/, mark, 60_000);
        // Compose sees the terminal: its own progress is in colours.
        await terminal.shows('\u001B[32m✔', mark);
        const editor = await connectEditor(port);
        await editor.attach({ [join(app.folder, 'app.py')]: [{ line: BREAKPOINT_LINE }] });
        await app.answers();
        const after = editor.mark();
        const answer = app.price(14);
        const stop = await lookAt(editor, await editor.waitFor('stopped', undefined, { after }));
        await editor.request('continue', { threadId: stop.threadId });
        expect(await answer).toEqual({ total: 42 });
        await assertGoodSession(editor);
        editor.destroy();
        const leaving = terminal.mark();
        terminal.type(KEYS.interrupt);
        // As it is without wand.
        expect(await terminal.prompt(leaving)).toBe(0);
        expect(await app.compose('ps', '--services')).toBe('');
        expect(existsSync(lockPath(app.folder))).toBe(false);
        expect(await terminal.modes()).toMatchObject({ canonical: true, echo: true, signals: true });
      } finally {
        await terminal[Symbol.asyncDispose]();
        await app.stop();
      }
    },
  );
});
