// Owns one connection through a relay as a Node stream, half-closing and all, within the credit of both sides.
// Must not know frames: it is given ways to send.
import { Duplex } from 'node:stream';
import { GRANT_BYTES, WIDEST_FROM_APP, WINDOW_FROM_APP, WINDOW_TO_APP } from './wire.ts';

export interface ChannelWays {
  /** Calls back when there is room on the wire for more. */
  readonly send: (bytes: Buffer, done: () => void) => void;
  readonly end: () => void;
  readonly reset: () => void;
  /** The reader took so many bytes. */
  readonly grant: (bytes: number) => void;
  /** Nothing more comes of it. */
  readonly forget: () => void;
}

export class RelayChannel extends Duplex {
  readonly #ways: ChannelWays;
  /** The relay still knows it. */
  #known = true;
  #room = WINDOW_TO_APP;
  #pending: { readonly rest: Buffer; readonly done: () => void } | null = null;
  #received = 0;
  #granted = 0;
  #window = WINDOW_FROM_APP;

  constructor(ways: ChannelWays) {
    super({ allowHalfOpen: true });
    this.#ways = ways;
  }

  /** Bytes came from the app. */
  receive(bytes: Buffer): void {
    if (this.destroyed || this.readableEnded) return;
    this.#received += bytes.length;
    this.push(bytes);
    this.#grant();
  }

  /** The app will send no more. */
  receiveEnd(): void {
    if (!this.destroyed) this.push(null);
  }

  receiveRoom(bytes: number): void {
    this.#room += bytes;
    const pending = this.#pending;
    this.#pending = null;
    if (pending !== null) this.#send(pending.rest, pending.done);
  }

  /** The relay forgot it, or is gone. */
  lost(why: string): void {
    this.#known = false;
    this.destroy(Object.assign(new Error(why), { code: 'ECONNRESET' }));
  }

  override _read(): void {
    this.#grant();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#ways.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#pending = null;
    if (this.#known && !(this.readableEnded && this.writableFinished)) this.#ways.reset();
    this.#known = false;
    this.#ways.forget();
    done(error);
  }

  #send(chunk: Buffer, done: () => void): void {
    const now = chunk.subarray(0, this.#room);
    const rest = chunk.subarray(now.length);
    this.#room -= now.length;
    if (rest.length > 0) this.#pending = { rest, done };
    if (now.length > 0) this.#ways.send(now, rest.length > 0 ? () => undefined : done);
  }

  #grant(): void {
    const taken = this.#received - this.readableLength - this.#granted;
    if (taken < GRANT_BYTES || !this.#known) return;
    this.#granted += taken;
    // Who keeps up gets more at once: a wire with a long way needs it.
    const more = this.readableLength > GRANT_BYTES ? 0 : Math.min(taken, WIDEST_FROM_APP - this.#window);
    this.#window += more;
    this.#ways.grant(taken + more);
  }
}
