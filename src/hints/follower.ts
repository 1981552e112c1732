// Owns staying with one source of hints: finding it, reading it, waiting when it is away, telling the log once of each
// trouble. What its events mean is its feed's matter.
import { delayMs, type BackoffPolicy } from '../core/backoff.ts';
import type { HintReport } from '../core/status.ts';
import { printable } from '../lib/printable.ts';
import type { Log } from '../lib/log.ts';
import { pause } from '../lib/time.ts';
import type { Endpoint } from './endpoint.ts';
import { readEvents } from './event-stream.ts';
import { heard, hintReport, QUIET, type HintState, type News, type OurPort } from './news.ts';

export interface Feed {
  /** For people and in the report: `skaffold`. */
  readonly source: string;
  /** Where it is now; or, in words, why it is nowhere. Never rejects. */
  find(): Promise<Endpoint | string>;
  /** What the values of one connection mean; null: that is none of theirs. */
  reader(): (value: unknown) => News | null;
}

export interface FollowerHooks {
  /** Something may have changed. */
  readonly look: (why: string) => void;
  readonly changed: () => void;
  readonly log: Log;
}

/** Between two searches for a tool that does not run, ms. */
const SEARCH_MS = 10_000;
const RECONNECT: BackoffPolicy = { firstMs: 200, maxMs: 15_000, healthyMs: 5_000 };

export class Follower {
  readonly #feed: Feed;
  readonly #hooks: FollowerHooks;
  readonly #searchMs: number;
  readonly #abort = new AbortController();
  #state: HintState = QUIET;
  #told = '';
  #done: Promise<void> = Promise.resolve();

  constructor(feed: Feed, hooks: FollowerHooks, searchMs = SEARCH_MS) {
    this.#feed = feed;
    this.#hooks = hooks;
    this.#searchMs = searchMs;
  }

  start(): void {
    this.#done = this.#run();
  }

  report(ours: readonly OurPort[]): HintReport {
    return hintReport(this.#feed.source, this.#state, ours);
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    let attempts = 0;
    while (!signal.aborted) {
      const found = await this.#feed.find();
      if (typeof found === 'string') {
        // A tool that said goodbye has ended until another one comes.
        if (this.#state.state !== 'ended') this.#set({ ...QUIET, message: found, lastEvent: this.#state.lastEvent });
        await pause(this.#searchMs, signal);
        continue;
      }
      const startedAt = Date.now();
      const { events, why } = await this.#read(found);
      if (signal.aborted) return;
      attempts = Date.now() - startedAt > RECONNECT.healthyMs ? 1 : attempts + 1;
      if (this.#state.state !== 'ended') {
        this.#set({
          ...QUIET,
          message: `${new URL(found.url).origin}: ${printable(why)}`,
          lastEvent: this.#state.lastEvent,
        });
        if (events === 0) this.#tell(`no hints from ${this.#feed.source} at ${found.url}: ${why}; it is tried again`);
      }
      await pause(delayMs(RECONNECT, attempts, Math.random()), signal);
    }
  }

  async #read(endpoint: Endpoint): Promise<{ readonly events: number; readonly why: string }> {
    const { source } = this.#feed;
    const understand = this.#feed.reader();
    const since = Date.now();
    let first = true;
    let isTold = false;
    return await readEvents(
      endpoint,
      (value) => {
        const news = understand(value);
        if (news === null) {
          if (!first && !isTold) this.#hooks.log.debug(`${source} sent something that is no event; it is passed over`);
          isTold = true;
          return false;
        }
        if (first) {
          first = false;
          this.#set({ ...QUIET, state: 'connected', message: `its events come from ${new URL(endpoint.url).origin}` });
          this.#hooks.log.debug(`${source}: its events come from ${endpoint.url}`);
          this.#told = '';
          // What happened while nobody listened is seen by looking, not by what it tells of that time.
          this.#hooks.look(`${source} is there`);
        }
        const { state, look } = heard(this.#state, news, since, Date.now());
        this.#set(state);
        if (look !== null) this.#hooks.look(`${source}: ${look}`);
        return true;
      },
      this.#abort.signal,
    );
  }

  /** The same trouble is told once, until it was well in between. */
  #tell(text: string): void {
    if (this.#told === text) return;
    this.#told = text;
    this.#hooks.log.warn(printable(text));
  }

  #set(state: HintState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#hooks.changed();
  }
}
