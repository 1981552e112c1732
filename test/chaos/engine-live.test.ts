/** A Docker daemon that leaves its containers alone when it goes (`--live-restore`): then its end is but a cut. */
import { chmod } from 'node:fs/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { startPrivateDocker } from '../support/docker.ts';
import { folder } from '../support/folder.ts';
import { IMAGES } from '../support/images.ts';
import { assertGoodSession, connectEditor } from '../support/invariants.ts';
import { getOrSkip } from '../support/machine.ts';
import { ATTACHED, lookAt, writeConfig } from '../support/rig.ts';
import { cli, uniqueName } from '../support/target-stage.ts';
import { WandDaemon } from '../support/wand.ts';

const place = await folder();
const engine = await getOrSkip(() => startPrivateDocker(place.path, ['distroless'], ['--live-restore']));

const LOOP = 'import time\nn = 0\nwhile True:\n    time.sleep(0.05)\n    n += 1\n';
const LINE = 5;

describe.skipIf(engine === undefined)('a Docker daemon with --live-restore', () => {
  afterAll(async () => {
    await engine?.remove();
    await place[Symbol.asyncDispose]();
  });

  it.each(['stop', 'kill'] as const)(
    'ends by %s and comes back: the stop is the same',
    { timeout: 180_000 },
    async (how) => {
      if (engine === undefined) return;
      await using project = await folder({ 'app.py': LOOP });
      const name = uniqueName('live');
      await chmod(project.path, 0o755);
      const volume = ['-v', `${project.path}:/app`, '-w', '/app'];
      await cli(engine, 'run', '-d', '--name', name, '--init', ...volume, IMAGES.distroless, 'app.py');
      const { app = 0 } = await writeConfig(project.path, {
        app: { docker: { container: name, host: `unix://${engine.socketPath}` } },
      });
      const daemon = new WandDaemon(['watch', '--plain'], { cwd: project.path });
      try {
        const { worker } = await daemon.target('attached', ATTACHED, { timeoutMs: 60_000 });
        const editor = await connectEditor(app, 60_000);
        await editor.attach({ [project.at('app.py')]: [{ line: LINE }] });
        const stopped = await editor.waitFor('stopped');
        const stop = await lookAt(editor, stopped);
        await engine[how]();
        await daemon.target('cut', ({ message }) => /is cut/.test(message), { timeoutMs: 40_000 });
        await engine.start();
        await daemon.target('whole again', ({ phase, message }) => phase === 'stopped' && !/is cut/.test(message), {
          timeoutMs: 60_000,
        });
        expect(await lookAt(editor, stopped)).toEqual(stop);
        const after = editor.mark();
        await editor.request('continue', { threadId: stop.threadId });
        await editor.waitFor('stopped', undefined, { after });
        await assertGoodSession(editor);
        const last = await daemon.target('stopped again', ATTACHED);
        expect(last.worker?.pid).toBe(worker?.pid);
        expect(last.reattach.count).toBe(0);
        await editor.disconnect();
      } finally {
        await daemon.stop();
        await cli(engine, 'rm', '-f', name);
      }
    },
  );
});
