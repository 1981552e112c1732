/** What ends with a command of wand's is no crash, what dies in one that goes on is: real reloaders, real signals. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folder } from '../support/folder.ts';
import { freePort, getOrSkip } from '../support/machine.ts';
import { ALL_PACKAGES } from '../support/packages.ts';
import { python, venv } from '../support/python.ts';
import { ATTACHED } from '../support/rig.ts';
import { SETUPS } from '../support/servers.ts';
import { until } from '../support/until.ts';
import { WandDaemon } from '../support/wand.ts';

const environment = await getOrSkip(() => venv('3.14', ALL_PACKAGES));

describe.skipIf(environment === undefined)('flask --debug', () => {
  it.each(['SIGINT', 'SIGTERM', 'restart'] as const)(
    'kills its worker when it ends, which is no crash: by %s',
    async (way) => {
      const setup = SETUPS.find(({ name }) => name === 'flask-debug');
      if (setup === undefined) throw new Error('no setup flask-debug');
      await using project = await folder(setup.files);
      const place = { bin: join(environment ?? '', 'bin'), port: await freePort(), dir: project.path, redis: '' };
      const daemon = new WandDaemon(['watch', '--port', String(await freePort()), '--', ...setup.command(place)], {
        cwd: project.path,
        env: setup.env?.(place) ?? {},
      });
      try {
        const before = await daemon.target('attached', ATTACHED);
        if (way === 'restart') {
          expect(await daemon.run('restart')).toMatchObject({ code: 0 });
          const after = await daemon.target(
            'the next one',
            (target) => ATTACHED(target) && target.worker?.pid !== before.worker?.pid,
          );
          expect(after.lastEnd).toMatchObject({ pid: before.worker?.pid, crashed: false });
          expect(after.reattach.last?.reason).toBe('restart');
        }
        await daemon.stop(way === 'restart' ? 'SIGTERM' : way);
        expect(daemon.output).not.toContain('crashed');
      } finally {
        await daemon.stop('SIGKILL');
      }
    },
  );
});

describe('a command that takes Ctrl-C for something else', () => {
  /** A prompt with a worker below it; the first `wait` ends with the signal. */
  const PROMPT = `trap 'echo not yet' INT; while :; do "$0" loop.py & wait $!; wait $!; done`;

  it('and loses its worker after it: that is a crash', async () => {
    const interpreter = await python('3.14');
    await using project = await folder({ 'loop.py': 'import time\nwhile True:\n    time.sleep(0.05)\n' });
    const daemon = new WandDaemon(
      ['watch', '--port', String(await freePort()), '--', 'bash', '-c', PROMPT, interpreter],
      { cwd: project.path },
    );
    try {
      const { worker } = await daemon.target('attached', ATTACHED);
      const pid = worker?.pid ?? 0;
      daemon.child.kill('SIGINT');
      await until(() => daemon.output.includes('not yet'), 'it has the signal');
      process.kill(pid, 'SIGKILL');
      await until(() => daemon.output.includes(`worker ${String(pid)} crashed: SIGKILL`), 'it is told');
    } finally {
      await daemon.stop();
    }
  });
});
