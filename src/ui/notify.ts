// Owns when notifications are shown while a daemon runs: each report is told, what is due is shown. Never fatal, never in the
// way: where there is no desktop it is silent, and a service that fails is left alone for a while.
import type { StatusReport } from '../core/status.ts';
import type { NotifyKind } from '../core/types.ts';
import { asDebugwandError } from '../lib/errors.ts';
import { Desktop, whyNoNotifications } from './desktop.ts';
import { linkOf } from './notification-text.ts';
import { advance, type NotificationState, QUIET } from './notifications.ts';
import type { Env } from './notify-send.ts';

/** After a failure nothing is shown for so long, ms. */
const SULK_MS = 300_000;

export interface NotifierOptions {
  /** Asked for each notification: the config may change. */
  readonly wants: (target: string, kind: NotifyKind) => boolean;
  /** Why one was not shown. */
  readonly onFailure: (why: string) => void;
  readonly env: Env;
  readonly now?: () => number;
}

/** Null: a daemon shows notifications here. Else why not, in words. */
export function notificationState(env: Env): string | null {
  if (env['CI'] !== undefined && env['CI'] !== '' && env['CI'] !== 'false') return 'this is CI';
  return whyNoNotifications(env)?.message ?? null;
}

/** Told each report; shows what is due. `close` forgets what is pending and ends what it started. */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #now: () => number;
  readonly #desktop: Desktop;
  #state: NotificationState = QUIET;
  #report: StatusReport | null = null;
  #timer: NodeJS.Timeout | null = null;
  #silent: boolean;
  #sulksUntil = -Infinity;

  constructor(options: NotifierOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#desktop = new Desktop(options.env);
    this.#silent = notificationState(options.env) !== null;
  }

  update(report: StatusReport): void {
    if (this.#silent) return;
    this.#report = report;
    this.#advance();
  }

  close(): void {
    this.#silent = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#desktop.close();
  }

  #advance(): void {
    if (this.#silent || this.#report === null) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const now = this.#now();
    const { state, show, wakeAt } = advance(this.#state, this.#report, now, this.#options.wants);
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
    if (show === null || now < this.#sulksUntil) return;
    this.#desktop.show(show, linkOf(this.#report)).catch((error: unknown) => {
      if (this.#silent) return;
      this.#sulksUntil = this.#now() + SULK_MS;
      const { message, fix } = asDebugwandError(error);
      this.#options.onFailure(`no notifications for five minutes: ${message}\nfix: ${fix}`);
    });
  }
}
