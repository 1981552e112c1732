import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { notificationState, showNotification } from '../../src/ui/notify.ts';
import { aptInstall } from '../support/debian.ts';
import { attempt } from '../support/run.ts';
import { until } from '../support/until.ts';

const service = join(import.meta.dirname, '../fixtures/ui/notification_service.py');

beforeAll(async () => {
  await aptInstall({ 'libnotify-bin': 'notify-send', dbus: 'dbus-run-session' });
  if ((await attempt('/usr/bin/python3', ['-c', 'import dbus, gi'])) === undefined) {
    await aptInstall({ 'python3-dbus': 'python3-dbus', 'python3-gi': 'python3-gi' });
  }
}, 120_000);

/** A session bus with a notification service on it; what both print. */
function desktop(): { child: ChildProcess; output: () => string } {
  const command = 'echo "$DBUS_SESSION_BUS_ADDRESS"; exec /usr/bin/python3 "$0"';
  const child = spawn('dbus-run-session', ['--', 'sh', '-c', command, service], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  onTestFinished(() => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  return { child, output: () => output };
}

test('a notification reaches the desktop with its words as they are', async () => {
  const { output } = desktop();
  await until(() => output().includes('ready'), 'the notification service');
  const env = { PATH: process.env['PATH'], DBUS_SESSION_BUS_ADDRESS: output().split('\n')[0] };
  expect(notificationState(env)).toBeNull();
  await showNotification({ title: 'api: debugger back in 0.14 s', message: '-x "$(id)" <b> & `id` \\n' }, env);
  const line = await until(
    () =>
      output()
        .split('\n')
        .find((text) => text.startsWith('{')),
    'the notification',
  );
  expect(JSON.parse(line)).toEqual({
    app: 'debugwand',
    summary: 'api: debugger back in 0.14 s',
    body: '-x "$(id)" &lt;b&gt; &amp; `id` \\n',
  });
});

test('a bus without such a service is a failure, not a wait', async () => {
  const child = spawn('dbus-run-session', ['--', 'sh', '-c', 'echo "$DBUS_SESSION_BUS_ADDRESS"; exec cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  onTestFinished(() => {
    child.stdin.end();
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await until(() => output.includes('\n'), 'a bus');
  const env = { PATH: process.env['PATH'], DBUS_SESSION_BUS_ADDRESS: output.trim() };
  await expect(showNotification({ title: 't', message: 'm' }, env)).rejects.toThrow('notify-send');
});
