// Owns the wire between daemon and relay (payload/_debugwand_forward.py): frames, and their taking apart. Pure.
//
// 4 bytes stream, 1 byte kind, 4 bytes length, body; all big-endian. The daemon numbers the streams. DATA is passed on as
// it comes, never waited for. Each side may send on a stream as many bytes as the other has room for: at first
// WINDOW_TO_APP and WINDOW_FROM_APP, then what ROOM adds: what was taken, and more for who keeps up.

export const MAGIC = 'DEBUGWAND-RELAY/1\n';

export const OPEN = 0; // to the relay; body: port, 2 bytes
export const OPENED = 1;
export const REFUSED = 2; // instead of OPENED; body: why, in words
export const DATA = 3;
export const END = 4; // no more DATA from this side; a stream that ended both ways is forgotten
export const RESET = 5; // forgotten at once
export const ROOM = 6; // body: so many bytes more, 4 bytes
export const PING = 7; // sent back as it came
export const LISTENING = 8; // before anything else, on standard output: the wire is to be dialled there; body: port

export const WINDOW_TO_APP = 256 * 1024;
export const WINDOW_FROM_APP = 1024 * 1024;
export const WIDEST_FROM_APP = 4 * 1024 * 1024;
/** What a reader took is told in portions of this size. */
export const GRANT_BYTES = 128 * 1024;

const HEAD_BYTES = 9;
const MAX_CONTROL_BYTES = 1024;
const MAX_JUNK_BYTES = 64 * 1024;

export interface Frame {
  readonly stream: number;
  readonly kind: number;
  /** Of DATA: a part of it, which stays the decoder's until the next `push`. */
  readonly body: Buffer;
}

export function header(stream: number, kind: number, length: number): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUInt32BE(stream, 0);
  head[4] = kind;
  head.writeUInt32BE(length, 5);
  return head;
}

export function encode(stream: number, kind: number, body: Uint8Array = new Uint8Array()): Buffer {
  return Buffer.concat([header(stream, kind, body.length), body]);
}

export function openFrame(stream: number, port: number): Buffer {
  const body = Buffer.alloc(2);
  body.writeUInt16BE(port);
  return encode(stream, OPEN, body);
}

export function roomFrame(stream: number, bytes: number): Buffer {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(bytes);
  return encode(stream, ROOM, body);
}

/** Skips what comes before MAGIC (a banner, an engine's error text), then calls `emit` with frames and parts of DATA. */
export class Decoder {
  readonly #emit: (frame: Frame) => void;
  #greeted = false;
  #kept = Buffer.alloc(0);
  #frame: { readonly stream: number; readonly kind: number } | null = null;
  #left = 0;

  constructor(emit: (frame: Frame) => void) {
    this.#emit = emit;
  }

  get greeted(): boolean {
    return this.#greeted;
  }

  /** What came instead of MAGIC, as text. */
  get junk(): string {
    return this.#greeted ? '' : this.#kept.toString('utf8');
  }

  /** @throws RangeError for what no relay sends */
  push(chunk: Buffer): void {
    let rest: Buffer = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    this.#kept = Buffer.alloc(0);
    if (!this.#greeted) {
      const at = rest.indexOf(MAGIC, 0, 'latin1');
      if (at < 0) {
        if (rest.length > MAX_JUNK_BYTES) throw new RangeError('no relay answered');
        this.#kept = Buffer.from(rest);
        return;
      }
      this.#greeted = true;
      rest = rest.subarray(at + MAGIC.length);
    }
    while (rest.length > 0) {
      const after = this.#next(rest);
      if (after === null) {
        // A copy: what is kept must not hold the whole chunk in memory.
        this.#kept = Buffer.from(rest);
        return;
      }
      rest = after;
    }
  }

  /** Null: more is needed. */
  #next(bytes: Buffer): Buffer | null {
    if (this.#frame !== null) {
      const body = bytes.subarray(0, this.#left);
      const { stream, kind } = this.#frame;
      this.#left -= body.length;
      if (this.#left === 0) this.#frame = null;
      this.#emit({ stream, kind, body });
      return bytes.subarray(body.length);
    }
    if (bytes.length < HEAD_BYTES) return null;
    const [stream, kind, length] = [bytes.readUInt32BE(0), bytes.readUInt8(4), bytes.readUInt32BE(5)];
    if (kind === DATA) {
      if (length > WINDOW_FROM_APP) throw new RangeError(`${String(length)} bytes at once`);
      if (length > 0) this.#frame = { stream, kind };
      this.#left = length;
      return bytes.subarray(HEAD_BYTES);
    }
    if (kind > LISTENING || length > MAX_CONTROL_BYTES) throw new RangeError(`a frame of kind ${String(kind)}`);
    if (bytes.length < HEAD_BYTES + length) return null;
    this.#emit({ stream, kind, body: bytes.subarray(HEAD_BYTES, HEAD_BYTES + length) });
    return bytes.subarray(HEAD_BYTES + length);
  }
}
