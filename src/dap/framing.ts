// Owns the framing of the Debug Adapter Protocol: bytes to bodies and back. Pure and bounded; must not parse JSON.
//
// A frame is `Content-Length: N\r\n` (other header lines are allowed), `\r\n`, N bytes of UTF-8.
import { Buffer } from 'node:buffer';

/** Longest header block that is accepted, in bytes. */
export const MAX_HEADER_BYTES = 8 * 1024;
/** Longest body that debugpy accepts (`MAX_BODY_SIZE` of debugpy/common/messaging.py), in bytes. */
export const MAX_BODY_BYTES = 0xff_ff_ff;

const CR = 13;
const LF = 10;
const FIRST_BODY_BYTES = 64 * 1024;
const KEPT_BYTES = 4096;

export type FramingErrorCode = 'header-too-large' | 'bad-header' | 'no-length' | 'body-too-large';

/** What came is not the protocol; nothing after it can be understood, so the connection has to go. */
export class FramingError extends Error {
  readonly code: FramingErrorCode;

  constructor(code: FramingErrorCode, message: string) {
    super(message);
    this.name = 'FramingError';
    this.code = code;
  }
}

export type Frame =
  | { readonly kind: 'body'; readonly text: string }
  /** A body over the limit, skipped: its length and the text of its first and last 4 KiB. */
  | { readonly kind: 'oversized'; readonly bytes: number; readonly head: string; readonly tail: string };

export interface DecoderOptions {
  /** Bodies over this many bytes are not kept. */
  readonly maxBodyBytes: number;
  /** What a body over the limit is: an error, or skipped and reported. */
  readonly oversized: 'fail' | 'skip';
}

/** Incremental decoder: time linear in the bytes however they are split; memory bounded by the longest body. */
export class FrameDecoder {
  #options: DecoderOptions;
  readonly #header = Buffer.allocUnsafe(MAX_HEADER_BYTES);
  #headerBytes = 0;
  /** How much of `\r\n\r\n` the header ends with. */
  #matched = 0;
  #body: BodyCollector | null = null;
  #failed: FramingError | null = null;

  constructor(options: DecoderOptions) {
    this.#options = options;
  }

  /** For bodies that begin from now on. */
  limit(options: DecoderOptions): void {
    this.#options = options;
  }

  /**
   * The frames that `chunk` completes, in order.
   * @throws FramingError once and on every later call: frames completed before the fault are lost with it.
   */
  push(chunk: Uint8Array): Frame[] {
    if (this.#failed !== null) throw this.#failed;
    try {
      return this.#push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    } catch (error) {
      if (error instanceof FramingError) this.#failed = error;
      throw error;
    }
  }

  #push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#body === null) {
        at = this.#readHeader(chunk, at);
      } else {
        at += this.#body.take(chunk, at);
      }
      if (this.#body?.done === true) {
        frames.push(this.#body.frame());
        this.#body = null;
      }
    }
    return frames;
  }

  /** Reads header bytes from `start` on; returns where it stopped. Sets the body when the header is complete. */
  #readHeader(chunk: Buffer, start: number): number {
    for (let at = start; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (this.#headerBytes === MAX_HEADER_BYTES) {
        throw new FramingError('header-too-large', `no end of header within ${String(MAX_HEADER_BYTES)} bytes`);
      }
      if (byte > 126 || (byte < 32 && byte !== CR && byte !== LF && byte !== 9)) {
        throw new FramingError('bad-header', `byte ${String(byte)} in a header`);
      }
      this.#header[this.#headerBytes++] = byte;
      const wanted = this.#matched % 2 === 0 ? CR : LF;
      this.#matched = byte === wanted ? this.#matched + 1 : byte === CR ? 1 : 0;
      if (this.#matched === 4) {
        const length = contentLength(this.#header.toString('latin1', 0, this.#headerBytes));
        this.#headerBytes = 0;
        this.#matched = 0;
        if (length > this.#options.maxBodyBytes && this.#options.oversized === 'fail') {
          const limit = String(this.#options.maxBodyBytes);
          throw new FramingError('body-too-large', `a message of ${String(length)} bytes, over the limit of ${limit}`);
        }
        this.#body = new BodyCollector(length, length > this.#options.maxBodyBytes);
        return at + 1;
      }
    }
    return chunk.length;
  }
}

/** Collects one body. Grows by doubling, so that a declared length alone costs nothing. */
class BodyCollector {
  readonly #length: number;
  readonly #skip: boolean;
  #bytes: Buffer;
  #seen = 0;
  #tail = Buffer.alloc(0);

  constructor(length: number, skip: boolean) {
    this.#length = length;
    this.#skip = skip;
    this.#bytes = Buffer.allocUnsafe(skip ? KEPT_BYTES : Math.min(length, FIRST_BODY_BYTES));
  }

  get done(): boolean {
    return this.#seen === this.#length;
  }

  /** Takes what belongs to the body; returns how many bytes that was. */
  take(chunk: Buffer, start: number): number {
    const count = Math.min(this.#length - this.#seen, chunk.length - start);
    const end = start + count;
    if (this.#skip) {
      if (this.#seen < KEPT_BYTES) chunk.copy(this.#bytes, this.#seen, start, end);
      const fresh = chunk.subarray(Math.max(start, end - KEPT_BYTES), end);
      this.#tail = Buffer.concat([this.#tail, fresh]);
      if (this.#tail.length > KEPT_BYTES) this.#tail = this.#tail.subarray(this.#tail.length - KEPT_BYTES);
    } else {
      this.#reserve(this.#seen + count);
      chunk.copy(this.#bytes, this.#seen, start, end);
    }
    this.#seen += count;
    return count;
  }

  frame(): Frame {
    if (!this.#skip) return { kind: 'body', text: this.#bytes.toString('utf8', 0, this.#length) };
    const head = this.#bytes.toString('utf8', 0, Math.min(this.#length, KEPT_BYTES));
    return { kind: 'oversized', bytes: this.#length, head, tail: this.#tail.toString('utf8') };
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.min(this.#length, Math.max(size, this.#bytes.length * 2)));
    this.#bytes.copy(grown, 0, 0, this.#seen);
    this.#bytes = grown;
  }
}

function contentLength(header: string): number {
  let length: number | null = null;
  for (const line of header.split('\r\n')) {
    if (line === '') continue;
    const colon = line.indexOf(':');
    if (colon < 1 || /[\r\n]/.test(line)) throw new FramingError('bad-header', 'a header line without a name');
    if (line.slice(0, colon).trim().toLowerCase() !== 'content-length') continue;
    const value = line.slice(colon + 1).trim();
    if (!/^\d{1,15}$/.test(value) || length !== null) {
      throw new FramingError('bad-header', 'Content-Length is not one number');
    }
    length = Number(value);
  }
  if (length === null) throw new FramingError('no-length', 'a header without Content-Length');
  return length;
}

/** One frame around a JSON text. */
export function encodeFrame(text: string): Buffer {
  const bytes = Buffer.byteLength(text, 'utf8');
  const header = `Content-Length: ${String(bytes)}\r\n\r\n`;
  const frame = Buffer.allocUnsafe(header.length + bytes);
  frame.write(header, 0, 'latin1');
  frame.write(text, header.length, 'utf8');
  return frame;
}
