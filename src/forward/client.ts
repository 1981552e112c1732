// Owns one client of a forwarded port: it waits for the app, is carried to it, and told when there is none.
// Must not know where the app is: that is the route's.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { speechOf, unavailable } from './http.ts';
import { MAX_KEPT_BYTES, WAIT_MS, mayTryAgain, nextAttempt, type Lost } from './patience.ts';

export interface Route {
  /** A connection to the app. @throws anything: nothing was delivered */
  dial(signal: AbortSignal): Promise<Duplex>;
  /** Sleeps so long, or until it is worth trying again. Never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** What is waited for, one sentence. */
  why(): string;
}

/** What is still said to a client that was told no. */
const FAREWELL_MS = 1_000;
const RETRY_AFTER_SECONDS = 2;

export class Client {
  readonly #socket: Socket;
  readonly #route: Route;
  readonly #abort = new AbortController();
  /** What it said while there was no app. */
  #kept: Buffer[] = [];
  #keptBytes = 0;
  /** It will say no more. */
  #over = false;
  #app: Duplex | null = null;
  #delivered = false;

  /** `socket` may be half-open; it is this object's from here on. */
  constructor(socket: Socket, route: Route) {
    this.#socket = socket;
    this.#route = route;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#onData(chunk);
    });
    socket.on('drain', () => {
      this.#app?.resume();
    });
    socket.on('end', () => {
      this.#over = true;
      if (this.#app !== null) this.#app.end();
      // It came and went without a word: nobody has to hear of it.
      else if (this.#keptBytes === 0) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', (hadError) => {
      // In good order both ways: what is still under way to the app arrives there.
      if (hadError || this.#app?.readableEnded !== true) this.#app?.destroy();
      this.#abort.abort();
    });
  }

  /** Resolves when it is gone. Never rejects. */
  async run(): Promise<void> {
    for (let cuts = 0; !this.#abort.signal.aborted; cuts += 1) {
      const app = await this.#dial();
      if (this.#abort.signal.aborted) {
        app?.destroy();
        return;
      }
      if (app === null) {
        this.#turnAway();
        return;
      }
      const lost = await this.#carry(app);
      if (!mayTryAgain(lost)) {
        // Cut short must not look like a proper end.
        if (!lost.ended) this.#socket.resetAndDestroy();
        return;
      }
      // An app that takes connections and drops them must not be knocked at without a pause.
      await this.#route.sleep(nextAttempt(cuts, 0) ?? 0, this.#abort.signal);
    }
  }

  /** At once. */
  close(): void {
    this.#socket.resetAndDestroy();
  }

  /** Null: it has waited long enough. */
  async #dial(): Promise<Duplex | null> {
    const { signal } = this.#abort;
    const since = performance.now();
    for (let attempts = 0; ; attempts += 1) {
      const patience = new AbortController();
      const timer = setTimeout(
        () => {
          patience.abort();
        },
        Math.max(1, WAIT_MS - (performance.now() - since)),
      );
      try {
        return await this.#route.dial(AbortSignal.any([signal, patience.signal]));
      } catch {
        const ms = nextAttempt(attempts, performance.now() - since);
        if (ms === null || signal.aborted) return null;
        await this.#route.sleep(ms, signal);
        if (signal.aborted) return null;
      } finally {
        clearTimeout(timer);
      }
    }
  }

  /** Resolves when that connection to the app is over. */
  #carry(app: Duplex): Promise<Lost> {
    return new Promise((resolve) => {
      app.on('data', (chunk: Buffer) => {
        this.#delivered = true;
        if (!this.#socket.write(chunk)) app.pause();
      });
      app.on('drain', () => {
        this.#socket.resume();
      });
      app.on('end', () => {
        this.#socket.end();
      });
      app.on('error', () => undefined);
      app.on('close', () => {
        if (this.#app === app) this.#app = null;
        resolve({ delivered: this.#delivered, ended: app.readableEnded });
      });
      if (app.destroyed) {
        resolve({ delivered: false, ended: false });
        return;
      }
      this.#app = app;
      for (const chunk of this.#kept) this.#onData(chunk);
      this.#kept = [];
      this.#keptBytes = 0;
      if (this.#over) app.end();
      else if (!app.writableNeedDrain) this.#socket.resume();
    });
  }

  #onData(chunk: Buffer): void {
    if (this.#app === null) {
      this.#kept.push(chunk);
      this.#keptBytes += chunk.length;
      if (this.#keptBytes >= MAX_KEPT_BYTES) this.#socket.pause();
      return;
    }
    this.#delivered = true;
    if (!this.#app.write(chunk)) this.#socket.pause();
  }

  #turnAway(): void {
    const said = Buffer.concat(this.#kept);
    if (speechOf(said) !== 'http') {
      this.#socket.destroy();
      return;
    }
    this.#socket.removeAllListeners('data');
    this.#socket.end(unavailable(this.#route.why(), RETRY_AFTER_SECONDS, said));
    // Bytes that nobody read would turn the answer into a reset.
    this.#socket.resume();
    setTimeout(() => {
      this.#socket.destroy();
    }, FAREWELL_MS).unref();
  }
}
