// Owns showing desktop notifications: the only importer of node-notifier, and only once there is something to show.
// Never fatal, never in the way: without a notification service it is silent.
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { StatusReport } from '../core/status.ts';
import { messageOf } from '../lib/errors.ts';
import { printable } from '../lib/printable.ts';
import { advance, type Notification, type NotificationState, QUIET } from './notifications.ts';

type Env = Readonly<Record<string, string | undefined>>;

const TIMEOUT_MS = 5_000;
const MAX_TEXT = 250;

/** Null: notifications can be shown. Else why not, in words. */
export function notificationState(env: Env): string | null {
  if (env['CI'] !== undefined && env['CI'] !== '' && env['CI'] !== 'false') return 'this is CI';
  if (process.platform === 'darwin' || process.platform === 'win32') return null;
  if (!hasBus(env)) return 'there is no desktop session (DBUS_SESSION_BUS_ADDRESS)';
  return programPath('notify-send', env) === null ? 'notify-send is not installed (libnotify)' : null;
}

export interface NotifierOptions {
  /** Asked for each notification: the config may change. */
  readonly enabled: (target: string) => boolean;
  /** Why one was not shown. */
  readonly onFailure: (why: string) => void;
  readonly env: Env;
  readonly now?: () => number;
}

/** Told each report; shows what is due. `close` forgets what is pending. */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #now: () => number;
  #state: NotificationState = QUIET;
  #report: StatusReport | null = null;
  #timer: NodeJS.Timeout | null = null;
  #silent: boolean;

  constructor(options: NotifierOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#silent = notificationState(options.env) !== null;
  }

  update(report: StatusReport): void {
    if (this.#silent) return;
    const targets = report.targets.filter(({ name }) => this.#options.enabled(name));
    this.#report = { ...report, targets };
    this.#advance();
  }

  close(): void {
    this.#silent = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #advance(): void {
    if (this.#silent || this.#report === null) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const now = this.#now();
    const { state, show, wakeAt } = advance(this.#state, this.#report, now);
    this.#state = state;
    this.#timer =
      wakeAt === null
        ? null
        : setTimeout(
            () => {
              this.#advance();
            },
            Math.max(1, wakeAt - now),
          ).unref();
    if (show === null) return;
    showNotification(show, this.#options.env).catch((error: unknown) => {
      // What failed once will fail again: a service that went away is not asked at each reload.
      this.close();
      this.#options.onFailure(`no more notifications: ${messageOf(error)}`);
    });
  }
}

/**
 * Linux's backend of node-notifier puts a line together for a shell; here the words go to notify-send as they are.
 * On macOS and Windows node-notifier starts its own programs, without a shell.
 * @throws Error when the service did not take it
 */
export async function showNotification(notification: Notification, env: Env): Promise<void> {
  const title = bounded(notification.title);
  const message = bounded(notification.message);
  if (process.platform === 'darwin' || process.platform === 'win32') {
    const { default: notifier } = await import('node-notifier');
    await new Promise<void>((resolve, reject) => {
      notifier.notify({ title, message, wait: false }, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
    return;
  }
  const program = programPath('notify-send', env);
  if (program === null) throw new Error('notify-send is not installed');
  await new Promise<void>((resolve, reject) => {
    // A body may hold markup, and notify-send makes a line break of `\n` in it. Nothing else is special.
    const body = message.replace(/\\/g, '\\\\').replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
    execFile(
      program,
      ['--app-name=debugwand', '--', title, body],
      { env: { ...env }, timeout: TIMEOUT_MS },
      (error) => {
        if (error === null) resolve();
        else reject(new Error(messageOf(error).split('\n').slice(0, 2).join(': ')));
      },
    );
  });
}

function bounded(text: string): string {
  const clean = printable(text.replace(/\s+/g, ' ').trim());
  return clean.length > MAX_TEXT ? `${clean.slice(0, MAX_TEXT)}…` : clean;
}

function hasBus(env: Env): boolean {
  if (env['DBUS_SESSION_BUS_ADDRESS'] !== undefined && env['DBUS_SESSION_BUS_ADDRESS'] !== '') return true;
  return env['XDG_RUNTIME_DIR'] !== undefined && existsSync(join(env['XDG_RUNTIME_DIR'], 'bus'));
}

function programPath(name: string, env: Env): string | null {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    try {
      const path = join(folder, name);
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Look on.
    }
  }
  return null;
}
