// Owns the daemon's sources of hints, and what a hint does: a look now, and more looks for a while. What they say is never
// taken for true.
import type { HintReport } from '../core/status.ts';
import type { ProjectConfig, TargetConfig } from '../core/types.ts';
import { Follower, type Feed } from '../hints/follower.ts';
import { ourPorts } from '../hints/news.ts';
import { skaffoldFeed } from '../hints/skaffold.ts';
import { tiltFeed } from '../hints/tilt.ts';
import type { Log } from '../lib/log.ts';
import { printable } from '../lib/printable.ts';
import { pause } from '../lib/time.ts';

export interface HintsHooks {
  /** `anew`: what waits for its next try is tried now, too. */
  readonly look: (anew: boolean) => void;
  readonly changed: () => void;
  /** Ports of ours that are known to be taken: the error of their target names who has them, and the fix. */
  readonly portsTaken: () => ReadonlySet<number>;
  readonly log: Log;
}

/** After a hint, how long and how often it is looked again, ms: a reload takes about that long to begin. */
const LOOK_FOR_MS = 5_000;
const LOOK_EVERY_MS = 500;
const MOST_WORDS = 100;

export class Hints {
  readonly #hooks: HintsHooks;
  readonly #abort = new AbortController();
  #followers: readonly Follower[] = [];
  #targets: readonly TargetConfig[] = [];
  #settings = '';
  readonly #told = new Set<string>();
  #notified: HintReport['lastEvent'] = null;
  #lookUntil = 0;
  /** A hint came after the last look. */
  #anew = false;
  #looking: Promise<void> | null = null;

  constructor(hooks: HintsHooks) {
    this.#hooks = hooks;
  }

  /** Follows the sources that the config and the project name. */
  async configure({ root, skaffold, targets }: ProjectConfig): Promise<void> {
    this.#targets = targets;
    const settings = JSON.stringify([root, skaffold]);
    if (settings === this.#settings || this.#abort.signal.aborted) return;
    this.#settings = settings;
    const former = this.#followers;
    const feeds: readonly (Feed | null)[] = [
      skaffold?.events === 'off' ? null : skaffoldFeed(root, skaffold?.events ?? null),
      tiltFeed(process.env),
    ];
    this.#followers = feeds
      .filter((feed) => feed !== null)
      .map(
        (feed) =>
          new Follower(feed, {
            look: (why) => {
              this.#look(why);
            },
            changed: () => {
              this.#warn();
              this.#hooks.changed();
            },
            log: this.#hooks.log,
          }),
      );
    for (const follower of this.#followers) follower.start();
    await Promise.all(former.map((follower) => follower.close()));
  }

  /** A hint by `wand notify`: any word. */
  notify(event: string): void {
    const text = printable(event.length > MOST_WORDS ? `${event.slice(0, MOST_WORDS - 1)}…` : event);
    this.#notified = { at: Date.now(), text };
    this.#hooks.changed();
    this.#look(`notify: ${text}`);
  }

  reports(): readonly HintReport[] {
    const taken = this.#hooks.portsTaken();
    const ours = ourPorts(this.#targets).filter(({ port }) => !taken.has(port));
    const followed = this.#followers.map((follower) => follower.report(ours));
    if (this.#notified === null) return followed;
    const message = '`wand notify` was called';
    return [...followed, { source: 'notify', state: 'connected', message, lastEvent: this.#notified, problems: [] }];
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await Promise.all([this.#looking, ...this.#followers.map((follower) => follower.close())]);
  }

  /** Each problem once, in the log. */
  #warn(): void {
    for (const { message, fix } of this.reports().flatMap(({ problems }) => problems)) {
      if (!this.#told.has(message)) this.#hooks.log.warn(`${message}\nfix: ${fix}`);
      this.#told.add(message);
    }
  }

  #look(why: string): void {
    if (this.#abort.signal.aborted) return;
    this.#hooks.log.debug(`looking now: ${why}`);
    this.#lookUntil = performance.now() + LOOK_FOR_MS;
    this.#anew = true;
    // Hints come in bursts: while it is being looked, another one only makes that longer.
    this.#looking ??= this.#lookForAWhile().finally(() => {
      this.#looking = null;
    });
  }

  async #lookForAWhile(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted && performance.now() < this.#lookUntil) {
      const anew = this.#anew;
      this.#anew = false;
      this.#hooks.look(anew);
      await pause(LOOK_EVERY_MS, signal);
    }
  }
}
