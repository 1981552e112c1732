// Owns one byte stream through an agent as a Node stream. Must not know frames: it is given ways to send and to hang up.
import { Duplex } from 'node:stream';

/** Bytes that wait for a slow reader here before the whole wire pauses. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;

export interface ChannelWays {
  /** Calls back when there is room for more. */
  readonly send: (bytes: Buffer, done: () => void) => void;
  /** Called once, when this side is done; not when the agent closed it. */
  readonly hangup: () => void;
  /** The reader took what had piled up. */
  readonly onRoom: () => void;
}

/** Half-open ends are not a thing of this wire: `end()` hangs up after what was written, as `destroy()` does at once. */
export class Channel extends Duplex {
  readonly #ways: ChannelWays;
  #open = true;

  constructor(ways: ChannelWays) {
    super({ allowHalfOpen: false });
    this.#ways = ways;
  }

  /** Whether more than is good waits for the reader. */
  get full(): boolean {
    return this.readableLength > MAX_UNREAD_BYTES;
  }

  /** Bytes came from the agent. */
  receive(bytes: Buffer): void {
    if (this.#open && !this.destroyed) this.push(bytes);
  }

  /** The agent says that it is closed, or the agent is gone. `error`: only where that is a fault. */
  wireClosed(error?: Error): void {
    if (!this.#open) return;
    this.#open = false;
    if (error !== undefined) this.destroy(error);
    else if (!this.destroyed) this.push(null);
  }

  override _read(): void {
    this.#ways.onRoom();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (!this.#open) {
      done(); // the end is on its way to the reader
      return;
    }
    this.#ways.send(chunk, () => {
      done();
    });
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#hangup();
    this.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#hangup();
    done(error);
  }

  #hangup(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#ways.hangup();
  }
}
