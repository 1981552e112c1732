// Owns one connection to the debugpy in a worker: opening, framing, back-pressure, and letting go in the one way that
// never leaves the app stopped. Knows nothing of the session.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { messageOf } from '../lib/errors.ts';
import { encodeFrame, FrameDecoder, MAX_BODY_BYTES, type Frame } from './framing.ts';
import type { Goodbye } from './session-types.ts';
import { parseMessage, requestSeqOf, type Incoming } from './messages.ts';

/** How long the worker may take to be reached. */
const OPEN_MS = 10_000;
/** How long debugpy may take to answer `disconnect`. */
const RELEASE_MS = 1000;
const CLOSE_MS = 200;
/** What may wait to be written before the editor is read no further, in bytes. */
const MAX_UNSENT_BYTES = 16 * 1024 * 1024;

export interface UpstreamEvents {
  opened(): void;
  message(message: Incoming): void;
  oversized(requestSeq: number | null, bytes: number): void;
  /** Once, last. */
  closed(why: string): void;
  /** What was too much to take has been written. */
  drained(): void;
}

export class UpstreamConnection {
  readonly #events: UpstreamEvents;
  readonly #abort = new AbortController();
  readonly #decoder = new FrameDecoder({ maxBodyBytes: MAX_BODY_BYTES, oversized: 'skip' });
  readonly #closed = Promise.withResolvers<undefined>();
  #stream: Duplex | null = null;
  #seq = 0;
  #releasing = false;
  #disconnectSeq: number | null = null;
  #ended = false;

  constructor(events: UpstreamEvents) {
    this.#events = events;
  }

  /** Resolves when nothing of it is left; never rejects. */
  get closed(): Promise<unknown> {
    return this.#closed.promise;
  }

  /** Opens the connection once `after` is over: debugpy serves one at a time, and a new one steals the session. */
  async connect(open: (signal: AbortSignal) => Promise<Duplex>, after: Promise<unknown>): Promise<void> {
    // Its time is for the opening alone: an opener may hand the signal to the stream, which must live on.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), OPEN_MS);
    const signal = AbortSignal.any([this.#abort.signal, late.signal]);
    try {
      await after;
      signal.throwIfAborted();
      const opening = open(signal);
      // An opener that does not look at its signal must not hold us up.
      const stream = await Promise.race([opening, aborted(signal)]).catch((error: unknown) => {
        void opening.then(
          (stream) => stream.destroy(),
          () => undefined,
        );
        throw error;
      });
      if (signal.aborted) {
        stream.destroy();
        signal.throwIfAborted();
      }
      this.#use(stream);
    } catch (error) {
      this.#end(signal.aborted && !this.#abort.signal.aborted ? 'it could not be reached in time' : messageOf(error));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Too much waits to be written: read no more from the editor until `drained`. */
  get congested(): boolean {
    return (this.#stream?.writableLength ?? 0) > MAX_UNSENT_BYTES;
  }

  /** Sends a request. One that debugpy would not accept for its length is answered here. */
  send(seq: number, command: string, args: object): void {
    this.#seq = Math.max(this.#seq, seq);
    const frame = encodeFrame(JSON.stringify({ seq, type: 'request', command, arguments: args }));
    if (frame.length > MAX_BODY_BYTES) {
      const message = `"${command}" is too long for debugpy (${String(frame.length)} bytes)`;
      this.#events.message({ type: 'response', request_seq: seq, command, success: false, message });
      return;
    }
    if (this.#stream?.writable === true) this.#stream.write(frame);
  }

  /** While paused nothing is read from debugpy. */
  pause(paused: boolean): void {
    if (this.#releasing) return;
    if (paused) this.#stream?.pause();
    else this.#stream?.resume();
  }

  /**
   * Lets the worker go: `disconnect`, a moment for its answer, then the end. Dropping the connection alone would leave a
   * stopped app stopped, unless debugpy ends itself. Nothing is reported any more but `closed`.
   */
  release(how: Goodbye): void {
    if (this.#releasing || this.#ended) return;
    this.#releasing = true;
    const stream = this.#stream;
    if (stream === null || !stream.writable || how === 'hang-up') {
      this.#abort.abort();
      this.#end('released');
      return;
    }
    stream.resume();
    this.#disconnectSeq = this.#seq + 1;
    const request = { seq: this.#disconnectSeq, type: 'request', command: 'disconnect' };
    stream.write(encodeFrame(JSON.stringify({ ...request, arguments: { terminateDebuggee: how === 'terminate' } })));
    setTimeout(() => this.#hangUp(), RELEASE_MS).unref();
  }

  #use(stream: Duplex): void {
    this.#stream = stream;
    if (stream instanceof Socket) stream.setNoDelay(true);
    stream.on('data', (chunk: Uint8Array) => this.#read(chunk));
    stream.on('drain', () => this.#events.drained());
    stream.on('error', (error) => this.#end(messageOf(error)));
    stream.on('end', () => this.#end('debugpy closed the connection'));
    stream.on('close', () => this.#end('the connection was closed'));
    this.#events.opened();
  }

  #read(chunk: Uint8Array): void {
    let frames: Frame[];
    try {
      frames = this.#decoder.push(chunk);
    } catch (error) {
      return this.#end(`what answers is not debugpy: ${messageOf(error)}`);
    }
    for (const frame of frames) {
      if (this.#ended) return;
      const message = frame.kind === 'body' ? parseMessage(frame.text) : null;
      if (this.#releasing) {
        if (message?.type === 'response' && message.request_seq === this.#disconnectSeq) this.#hangUp();
      } else if (frame.kind === 'oversized') {
        this.#events.oversized(requestSeqOf(frame.head, frame.tail), frame.bytes);
      } else if (message !== null) {
        this.#events.message(message);
      }
    }
  }

  #hangUp(): void {
    if (this.#ended) return;
    this.#stream?.end(() => this.#end('released'));
    setTimeout(() => this.#end('released'), CLOSE_MS).unref();
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stream?.destroy();
    this.#closed.resolve(undefined);
    this.#events.closed(why);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error(messageOf(signal.reason))), { once: true });
  });
}
