// Owns showing one notification on whatever desktop this is, and opening what a click on it asks for. The only importer of
// node-notifier, and only once there is something to show: it starts programs of its own on macOS and Windows, without a
// shell. Its way on Linux puts a line together for a shell: there it is notify-send.ts.
import { DebugwandError } from '../lib/errors.ts';
import { printable } from '../lib/printable.ts';
import type { Link, Notification } from './notification-text.ts';
import { type Env, NotifySend, whyNoNotifySend } from './notify-send.ts';
import { canOpen, openLink } from './open-link.ts';

const MOST_TEXT = 500;
const ANSWER_MS = 5_000;

/** Null: notifications can be shown, as far as can be told without showing one. */
export function whyNoNotifications(env: Env): DebugwandError | null {
  return process.platform === 'darwin' || process.platform === 'win32' ? null : whyNoNotifySend(env);
}

/** At most one process of ours at a time. */
export class Desktop {
  readonly #env: Env;
  readonly #notifySend: NotifySend;

  constructor(env: Env) {
    this.#env = env;
    this.#notifySend = new NotifySend(env);
  }

  /**
   * Takes the place of the one before. Without a link it is over within 5 s; with one a click is waited for.
   * @throws DebugwandError when it was not shown, or not within 5 s
   */
  async show(notification: Notification, link: Link | null): Promise<void> {
    const title = bounded(notification.title);
    const message = bounded(notification.message);
    if (process.platform === 'darwin' || process.platform === 'win32') {
      await foreign(title, message, link);
      return;
    }
    const label = link !== null && canOpen(this.#env) ? link.label : null;
    const { kind } = notification;
    const words = { title, message, urgent: kind === 'paused', fleeting: kind === 'reattached' };
    const clicked = await this.#notifySend.show(words, label);
    if (clicked && link !== null) openLink(link.url, this.#env);
  }

  /** Nobody can click any more. Safe to call twice. */
  close(): void {
    this.#notifySend.close();
  }
}

async function foreign(title: string, message: string, link: Link | null): Promise<void> {
  const { default: notifier } = await import('node-notifier');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    reject(refused('the system does not answer'));
  }, ANSWER_MS);
  // `open` is macOS's: there the notification itself knows what a click opens.
  const words = { title, message, wait: false, ...(link === null ? {} : { open: link.url }) };
  notifier.notify(words, (error) => {
    if (error === null) resolve();
    else reject(refused(error.message));
  });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
  }
}

function refused(why: string): DebugwandError {
  return new DebugwandError({
    code: 'notify-refused',
    message: `the notification was not shown: ${why}`,
    fix: 'allow notifications in the settings of the system, or set `notify: false`',
  });
}

function bounded(text: string): string {
  const clean = printable(text.replace(/\s+/g, ' ').trim());
  return clean.length > MOST_TEXT ? `${clean.slice(0, MOST_TEXT)}…` : clean;
}
