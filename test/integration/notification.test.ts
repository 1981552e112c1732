/** The way to the desktop: the real notify-send, on a real D-Bus session, with a service that does as it is told. */
import { spawn } from 'node:child_process';
import { chmod, readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { DebugwandError } from '../../src/lib/errors.ts';
import { Desktop, whyNoNotifications } from '../../src/ui/desktop.ts';
import type { Notification } from '../../src/ui/notification-text.ts';
import type { Env } from '../../src/ui/notify-send.ts';
import { installDesktop, TestDesktop } from '../support/desktop.ts';
import { folder } from '../support/folder.ts';
import { getOrSkip } from '../support/machine.ts';
import { until } from '../support/until.ts';
import { wand } from '../support/wand.ts';

let installed = false;
beforeAll(async () => {
  installed = (await getOrSkip(async () => installDesktop().then(() => true))) ?? false;
}, 120_000);

const ODD = '-x "$(id)" \'<b>\' & `id` \\n é';
const blocked: Notification = { kind: 'blocked', title: 'api: blocked', message: ODD };
const page = { label: 'Status page', url: 'http://127.0.0.1:4711/?token=a&b' };

async function failureOf(env: Env, link: typeof page | null = null): Promise<DebugwandError> {
  const error: unknown = await new Desktop(env).show(blocked, link).then(
    () => null,
    (why: unknown) => why,
  );
  if (!(error instanceof DebugwandError)) throw new Error(`no failure: ${String(error)}`);
  return error;
}

/** An `xdg-open` that writes down what it is to open, first of all in PATH. */
async function withOpener(env: TestDesktop['env']): Promise<{ env: Env; opened: () => Promise<string> }> {
  const made = await folder({ 'bin/xdg-open': '#!/bin/sh\nprintf "%s\\n" "$@" >> "${0%/*}/../opened"\n' });
  onTestFinished(() => made[Symbol.asyncDispose]());
  await chmod(made.at('bin/xdg-open'), 0o755);
  return {
    env: { ...env, PATH: `${made.at('bin')}:${env.PATH}` },
    opened: () => readFile(made.at('opened'), 'utf8').catch(() => ''),
  };
}

describe('notifications on a D-Bus session', () => {
  test('words arrive as they are', async ({ skip }) => {
    skip(!installed);
    await using desktop = await TestDesktop.start();
    expect(whyNoNotifications(desktop.env)).toBeNull();
    await new Desktop(desktop.env).show({ ...blocked, title: ODD }, null);
    expect(desktop.shown()).toMatchObject([
      {
        app: 'debugwand',
        summary: ODD,
        body: '-x "$(id)" \'&lt;b&gt;\' &amp; `id` \\n é',
        actions: [],
        urgency: 1,
        transient: false,
      },
    ]);
  });

  test('long ones are cut, lines are joined, and each kind is as important as it is', async ({ skip }) => {
    skip(!installed);
    await using desktop = await TestDesktop.start();
    const shower = new Desktop(desktop.env);
    await shower.show({ kind: 'reattached', title: 'a\nb', message: 'x'.repeat(10_000) }, null);
    await shower.show({ kind: 'paused', title: 't', message: '--version' }, null);
    const [first, second] = desktop.shown();
    expect(first).toMatchObject({ summary: 'a b', transient: true, urgency: 1 });
    expect(first?.body.length).toBe(501);
    expect(second).toMatchObject({ body: '--version', transient: false, urgency: 2 });
  });

  test('a click opens the link', async ({ skip }) => {
    skip(!installed);
    await using desktop = await TestDesktop.start();
    const { env, opened } = await withOpener(desktop.env);
    const shower = new Desktop(env);
    const shown = shower.show(blocked, page);
    const { id, actions } = await desktop.nth(1);
    expect(actions).toEqual(['default', 'Status page', 'open', 'Status page']);
    expect(desktop.clients()).toHaveLength(2); // notify-send, and who ends it in time
    await desktop.order(`invoke ${String(id)} open`);
    await shown;
    expect(await until(async () => ((await opened()) === '' ? null : opened()), 'the browser')).toBe(`${page.url}\n`);
    expect(desktop.clients()).toEqual([]);
  });

  test('a notification that is closed opens nothing', async ({ skip }) => {
    skip(!installed);
    await using desktop = await TestDesktop.start();
    const { env, opened } = await withOpener(desktop.env);
    const shown = new Desktop(env).show(blocked, page);
    const { id } = await desktop.nth(1);
    await desktop.order(`close ${String(id)}`);
    await shown;
    expect(await opened()).toBe('');
  });

  test('one process at a time waits for a click, and none when nobody wants it any more', async ({ skip }) => {
    skip(!installed);
    await using desktop = await TestDesktop.start();
    const { env } = await withOpener(desktop.env);
    const shower = new Desktop(env);
    const first = shower.show(blocked, page);
    await desktop.nth(1);
    const second = shower.show(blocked, page);
    await desktop.nth(2);
    await first;
    await until(() => desktop.clients().length === 2, 'one that waits');
    shower.close();
    await second;
    await until(() => desktop.clients().length === 0, 'nobody');
  });

  test('a service without actions gets the words alone', async ({ skip }) => {
    skip(!installed);
    await using desktop = await TestDesktop.start();
    const { env } = await withOpener(desktop.env);
    await desktop.order('no-actions');
    const shower = new Desktop(env);
    await shower.show(blocked, page);
    await shower.show(blocked, page);
    expect(desktop.shown().map(({ actions }) => actions)).toEqual([[], []]);
  });

  test('a notify-send that knows no actions gets the words alone', async ({ skip }) => {
    skip(!installed);
    await using desktop = await TestDesktop.start();
    const { env } = await withOpener(desktop.env);
    await using old = await folder({
      'notify-send':
        '#!/bin/sh\ncase "$*" in *--action*|*--print-id*) echo "Unknown option --action" >&2; exit 1;; esac\nexec /usr/bin/notify-send "$@"\n',
    });
    await chmod(old.at('notify-send'), 0o755);
    await new Desktop({ ...env, PATH: `${old.path}:${env['PATH'] ?? ''}` }).show(blocked, page);
    expect(desktop.shown()).toHaveLength(1);
  });

  test.for([null, page])('a refusal is a failure in words, with a fix (click: %j)', async (link, { skip }) => {
    skip(!installed);
    await using desktop = await TestDesktop.start();
    const { env } = await withOpener(desktop.env);
    await desktop.order('refuse');
    const error = await failureOf(env, link);
    expect(error.code).toBe('notify-refused');
    expect(error.message).toContain('too many notifications');
    expect(error.fix).toContain('notify: false');
  });

  test.for([null, page])('a bus without a service is a failure, not a wait (click: %j)', async (link, { skip }) => {
    skip(!installed);
    const child = spawn('dbus-run-session', ['--', 'sh', '-c', 'echo "$DBUS_SESSION_BUS_ADDRESS"; exec cat'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    onTestFinished(() => {
      child.stdin.end();
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await until(() => output.includes('\n'), 'a bus');
    const { env } = await withOpener({ PATH: process.env['PATH'] ?? '', DBUS_SESSION_BUS_ADDRESS: output.trim() });
    const error = await failureOf(env, link);
    expect(error).toMatchObject({ code: 'notify-no-service' });
    expect(error.fix).toContain('dunst');
  });

  test('a bus that is gone', async ({ skip }) => {
    skip(!installed);
    const env = { PATH: process.env['PATH'] ?? '', DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nowhere/bus' };
    expect(await failureOf(env)).toMatchObject({ code: 'notify-no-session' });
  });

  test.for([
    ['takes the call and never answers', (desktop: TestDesktop) => desktop.order('hang')],
    ['does nothing at all', (desktop: TestDesktop) => Promise.resolve(desktop.freeze())],
  ] as const)('a service that %s: 5 s, and nothing is left', async ([, hang], { skip }) => {
    skip(!installed);
    await using desktop = await TestDesktop.start();
    await hang(desktop);
    const began = performance.now();
    expect(await failureOf(desktop.env)).toMatchObject({ code: 'notify-no-answer' });
    expect(performance.now() - began).toBeGreaterThan(4_900);
    expect(desktop.clients()).toEqual([]);
  });
});

describe('wand notify --test', () => {
  async function notifyTest(env: Readonly<Record<string, string>>): Promise<{ code: number | null; said: string }> {
    await using project = await folder();
    const { code, stdout, stderr } = await wand(['notify', '--test'], {
      cwd: project.path,
      env: { DBUS_SESSION_BUS_ADDRESS: '', XDG_RUNTIME_DIR: project.path, ...env },
    });
    return { code, said: stdout + stderr };
  }

  test('shows one of each kind', async ({ skip }) => {
    skip(!installed);
    await using desktop = await TestDesktop.start();
    const { code, said } = await notifyTest(desktop.env);
    expect(said.split('\n').map((line) => line.split(':')[0])).toEqual([
      'reattached',
      'crashed',
      'blocked',
      'paused',
      '',
    ]);
    expect(code).toBe(0);
    expect(desktop.shown().map(({ summary }) => summary)).toEqual([
      'wand: debugger back in 0.16 s',
      'wand: worker crashed',
      'wand: blocked',
      'wand: 10 s left',
    ]);
  });

  test('says why none is shown, and what to do', async ({ skip }) => {
    skip(!installed);
    await using desktop = await TestDesktop.start();
    const without = await notifyTest({});
    expect(without.said).toMatch(/no desktop session.*\n +fix: /);
    expect(without.code).toBe(1);
    expect((await notifyTest({ ...desktop.env, PATH: '/nowhere' })).said).toContain('apt install libnotify-bin');
    await desktop.order('refuse');
    const refused = await notifyTest(desktop.env);
    expect(refused.said).toMatch(/said no: too many notifications\n +fix: /);
    expect(refused.code).toBe(1);
  });
});
