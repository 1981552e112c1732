import { chmod, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { Desktop } from '../../../src/ui/desktop.ts';
import { notificationState, Notifier } from '../../../src/ui/notify.ts';
import { type Folder, folder } from '../../support/folder.ts';
import { until } from '../../support/until.ts';
import { attached, report, waiting } from '../../support/reports.ts';

/** A notify-send that writes its arguments down, a line each. */
async function service(script: string): Promise<{ project: Folder; env: Record<string, string> }> {
  const project = await folder({ 'bin/notify-send': `#!/bin/sh\n${script}\n` });
  await chmod(project.at('bin/notify-send'), 0o755);
  return {
    project,
    env: {
      PATH: `${project.at('bin')}:/usr/bin:/bin`,
      DBUS_SESSION_BUS_ADDRESS: 'unix:path=/none',
      OUT: project.at('out'),
    },
  };
}

const record = `printf '%s\\n' "$@" --- >> "$OUT"`;
const linux = test.skipIf(process.platform !== 'linux');

linux('words reach the service as they are, whatever a shell would make of them', async () => {
  const { project, env } = await service(record);
  await using _ = project;
  await new Desktop(env).show(
    { kind: 'blocked', title: '-u "$(touch /tmp/x)" `id` \'', message: 'a\\n; rm -rf $HOME <b> & \u001B[2J\nend' },
    null,
  );
  expect((await readFile(project.at('out'), 'utf8')).split('\n')).toEqual([
    '--app-name=debugwand',
    '--urgency=normal',
    '--',
    '-u "$(touch /tmp/x)" `id` \'',
    'a\\\\n; rm -rf $HOME &lt;b&gt; &amp; ␛[2J end', // notify-send itself reads `\\\\` as one
    '---',
    '',
  ]);
});

linux('where none can be shown, why', async () => {
  const { project, env } = await service(record);
  await using _ = project;
  expect(notificationState(env)).toBeNull();
  expect(notificationState({ ...env, CI: 'true' })).toContain('CI');
  expect(notificationState({ PATH: env['PATH'] })).toContain('DBUS_SESSION_BUS_ADDRESS');
  expect(notificationState({ ...env, PATH: '/nowhere' })).toContain('notify-send is not installed');
});

linux('one for a burst of re-attachments, none for a target that wants none', async () => {
  const { project, env } = await service(record);
  await using _ = project;
  let now = 0;
  const failures: string[] = [];
  const notifier = new Notifier({
    env,
    wants: (name) => name !== 'quiet',
    onFailure: (why) => failures.push(why),
    now: () => now,
  });
  const tick = (count: number): void => {
    const reattach = { count, last: { at: 0, ms: 140, seenMs: 1, reason: 'reload' as const }, history: [] };
    notifier.update(
      report([
        { ...attached, reattach },
        { ...attached, name: 'quiet', reattach },
      ]),
    );
  };
  for (const count of [1, 2, 3]) tick(count);
  now = 10_000;
  tick(3);
  // The file is there before all of it is.
  const written = async (): Promise<string | null> => {
    const text = await readFile(project.at('out'), 'utf8').catch(() => '');
    return text.endsWith('---\n') ? text : null;
  };
  const out = await until(written, 'a notification');
  expect(out).toContain('api: debugger back in 0.14 s\nworker 43 after a reload (2 times)\n---\n');
  expect(out).not.toContain('quiet');
  expect(failures).toEqual([]);
  notifier.close();
});

linux('a service that fails is left alone from then on', async () => {
  const { project, env } = await service(`${record}; echo 'no such service' >&2; exit 1`);
  await using _ = project;
  let now = 0;
  const failures: string[] = [];
  const notifier = new Notifier({ env, wants: () => true, onFailure: (why) => failures.push(why), now: () => now });
  const blocked = { ...waiting, phase: 'blocked' as const, error: { code: 'x', message: 'm', fix: 'f' } };
  for (let n = 0; n < 2; n += 1) {
    notifier.update(report([attached]));
    notifier.update(report([blocked]));
    now += 10_000;
    notifier.update(report([blocked]));
    await until(() => failures.length > 0, 'the failure');
  }
  expect(failures).toHaveLength(1);
  expect(failures[0]).toContain('no such service');
  expect((await readFile(project.at('out'), 'utf8')).match(/---/g)).toHaveLength(1);
});
