/** What a user sees of a pause that somebody will end: at attach, at the stop, and while the time runs. No cluster. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Script } from '../support/agent.ts';
import { connectEditor } from '../support/invariants.ts';
import { python } from '../support/python.ts';
import { writeConfig } from '../support/rig.ts';
import { WandDaemon } from '../support/wand.ts';

const LIMIT = 'celery --time-limit kills the worker after 40 s';

test('a limit on the command line is told, counted from the stop on, and gone when the app runs', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'wand-paused-'));
  // A program of that name: only its command line matters.
  const file = join(folder, 'celery');
  await writeFile(
    file,
    'import time\ndef work(n):\n    return n + 1\nwhile True:\n    work(1)\n    time.sleep(0.02)\n',
  );
  const worker = new Script([await python('3.14'), file, '-A', 'tasks', 'worker', '-P', 'solo', '--time-limit=40']);
  const ports = await writeConfig(folder, { app: { process: { pid: worker.pid } } });
  const daemon = new WandDaemon(['watch', '--plain'], { cwd: folder });
  try {
    const { pause, pauseBudget } = await daemon.target('attached', ({ phase }) => phase === 'attached');
    expect(pause).toBeNull();
    expect(pauseBudget).toEqual({ answered: [], limits: [LIMIT], seconds: 40 });
    const editor = await connectEditor(ports['app'] ?? 0);
    const after = editor.mark();
    await editor.attach({ [file]: [{ line: 3 }] });
    const { body } = await editor.waitFor('stopped', undefined, { after, timeoutMs: 20_000 });
    const stopped = await daemon.target('stopped', ({ phase }) => phase === 'stopped');
    const since = stopped.pause?.since ?? 0;
    expect(Math.abs(Date.now() - since)).toBeLessThan(10_000);
    expect(stopped.pause).toEqual({ since, until: since + 40_000, limits: [LIMIT] });
    const status = await daemon.run('status');
    expect(status.stdout).toMatch(/stopped at celery:3 \(breakpoint\), \d+ s left/);
    await editor.request('setBreakpoints', { source: { path: file }, breakpoints: [] });
    await editor.request('continue', { threadId: (body as { threadId: number }).threadId });
    expect((await daemon.target('running', ({ phase }) => phase === 'attached')).pause).toBeNull();
    expect(daemon.stdout).toContain(`app: while paused: ${LIMIT}`);
    expect(daemon.stdout).toContain(`app: stopped at celery:3 (breakpoint); ${LIMIT}`);
    await editor.disconnect();
  } finally {
    await daemon.stop();
    await worker.kill();
    await rm(folder, { recursive: true, force: true });
  }
});
