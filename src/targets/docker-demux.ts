// Owns the taking apart of an exec's wire: frames of 8 bytes header (stream, 0, 0, 0, length big-endian) and a body.
// Docker's own client library never ends its outputs and knows no back-pressure; this one does both.
import { Readable, type Duplex } from 'node:stream';

const HEADER_BYTES = 8;
const STDERR = 2;

export interface Demuxed {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves once the wire gave its last byte; with the error, if it broke. Never rejects. */
  readonly ended: Promise<{ readonly error?: unknown }>;
}

/** A state machine over chunks of any size: calls `emit` with parts of a body as they come, never waiting for all of it. */
export class FrameSplitter {
  readonly #emit: (stream: number, part: Buffer) => void;
  #header: Buffer = Buffer.alloc(0);
  #stream = 0;
  #left = 0;

  constructor(emit: (stream: number, part: Buffer) => void) {
    this.#emit = emit;
  }

  /** True when the wire may end here: between two frames. */
  get atRest(): boolean {
    return this.#left === 0 && this.#header.length === 0;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        const wanted = HEADER_BYTES - this.#header.length;
        const part = chunk.subarray(at, at + wanted);
        this.#header = this.#header.length === 0 ? part : Buffer.concat([this.#header, part]);
        at += part.length;
        if (this.#header.length < HEADER_BYTES) {
          // What is kept must not hold the whole chunk in memory.
          this.#header = Buffer.from(this.#header);
          return;
        }
        this.#stream = this.#header.readUInt8(0);
        this.#left = this.#header.readUInt32BE(4);
        this.#header = Buffer.alloc(0);
        continue;
      }
      const body = chunk.subarray(at, at + this.#left);
      at += body.length;
      this.#left -= body.length;
      this.#emit(this.#stream, body);
    }
  }
}

/**
 * Splits what comes from `wire`. Both outputs must be read (or resumed): while one of them is full, the wire is paused,
 * as both travel on it. Both end when the wire ends, and also when it breaks or is destroyed.
 */
export function demux(wire: Duplex): Demuxed {
  const full = new Set<Readable>();
  const output = (): Readable => {
    const readable: Readable = new Readable({
      read() {
        if (full.delete(readable) && full.size === 0) wire.resume();
      },
      destroy(error, done) {
        // Nobody reads it any more: it must not hold up the other one.
        if (full.delete(readable) && full.size === 0) wire.resume();
        done(error);
      },
    });
    return readable;
  };
  const stdout = output();
  const stderr = output();
  const splitter = new FrameSplitter((stream, part) => {
    const target = stream === STDERR ? stderr : stdout;
    if (target.destroyed || target.readableEnded) return;
    if (!target.push(part)) {
      full.add(target);
      wire.pause();
    }
  });
  const ended = new Promise<{ readonly error?: unknown }>((resolve) => {
    let failure: { readonly error?: unknown } = {};
    let over = false;
    const finish = (): void => {
      if (over) return;
      over = true;
      for (const readable of [stdout, stderr]) if (!readable.destroyed) readable.push(null);
      resolve(failure);
    };
    wire.on('data', (chunk: Buffer) => {
      splitter.push(chunk);
    });
    wire.once('end', finish);
    wire.once('close', finish);
    wire.on('error', (error) => {
      failure = { error };
    });
  });
  return { stdout, stderr, ended };
}
