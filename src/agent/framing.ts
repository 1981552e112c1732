// Owns the frames between daemon and agent: bytes to messages and back, whatever the splits. Pure: no I/O, no meaning.
import { MAGIC, MAX_FRAME_BYTES, type LinkMessage } from './protocol.ts';

const MESSAGE = 0;
const DATA = 1;
const LINK = 2;
/** What may come before MAGIC (a login banner, the engine's error text) before it is no agent at all. */
export const MAX_JUNK_BYTES = 64 * 1024;

export type Frame =
  | { readonly kind: 'message'; readonly value: unknown }
  | { readonly kind: 'data'; readonly channel: number; readonly bytes: Buffer }
  /** About the wire itself, not numbered. */
  | { readonly kind: 'link'; readonly value: unknown }
  /** Skipped; what follows is read on. */
  | { readonly kind: 'bad'; readonly why: string };

/** A JSON message as a frame. @throws RangeError when it is longer than a frame may be. */
export function encodeMessage(message: object): Buffer {
  const body = Buffer.from(JSON.stringify(message), 'utf8');
  return frame(MESSAGE, [], body);
}

/** A message about the wire itself as a frame. */
export function encodeLink(message: LinkMessage): Buffer {
  return frame(LINK, [], Buffer.from(JSON.stringify(message), 'utf8'));
}

/** Bytes of a channel as a frame; `channel` is a 32-bit number. @throws RangeError when they are too many. */
export function encodeData(channel: number, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(channel);
  return frame(DATA, [head], bytes);
}

function frame(kind: number, head: readonly Uint8Array[], body: Uint8Array): Buffer {
  const length = 1 + head.reduce((sum, part) => sum + part.length, 0) + body.length;
  if (length > MAX_FRAME_BYTES) throw new RangeError(`a frame of ${String(length)} bytes is too long`);
  const start = Buffer.alloc(5);
  start.writeUInt32BE(length);
  start[4] = kind;
  return Buffer.concat([start, ...head, body]);
}

/** Frames out of a byte stream. Keeps less than one frame; one that is too long is skipped in pieces. */
export class FrameDecoder {
  #chunks: Buffer[] = [];
  #bytes = 0;
  #skip = 0;

  /** The frames that `chunk` completes, in order. */
  push(chunk: Uint8Array): Frame[] {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#skip > 0) {
      const taken = Math.min(this.#skip, rest.length);
      this.#skip -= taken;
      rest = rest.subarray(taken);
    }
    if (rest.length > 0) {
      this.#chunks.push(rest);
      this.#bytes += rest.length;
    }
    const frames: Frame[] = [];
    for (let found = this.#next(); found !== null; found = this.#next()) frames.push(found);
    return frames;
  }

  #next(): Frame | null {
    if (this.#bytes < 4) return null;
    let first = this.#chunks[0];
    if (first === undefined || first.length < 4) first = this.#join();
    const length = first.readUInt32BE(0);
    if (length === 0 || length > MAX_FRAME_BYTES) {
      const taken = Math.min(length, this.#bytes - 4);
      this.#take(4 + taken);
      this.#skip = length - taken;
      return { kind: 'bad', why: `a frame of ${String(length)} bytes` };
    }
    if (this.#bytes < 4 + length) return null;
    const whole = this.#take(4 + length);
    return decode(whole[4] ?? -1, whole.subarray(5));
  }

  #join(): Buffer {
    const all = Buffer.concat(this.#chunks, this.#bytes);
    this.#chunks = [all];
    return all;
  }

  #take(size: number): Buffer {
    const all = this.#join();
    this.#bytes -= size;
    this.#chunks = this.#bytes === 0 ? [] : [all.subarray(size)];
    return all.subarray(0, size);
  }
}

function decode(kind: number, body: Buffer): Frame {
  if (kind === DATA && body.length >= 4) {
    return { kind: 'data', channel: body.readUInt32BE(0), bytes: body.subarray(4) };
  }
  if (kind !== MESSAGE && kind !== LINK) return { kind: 'bad', why: `a frame of kind ${String(kind)}` };
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return { kind: kind === LINK ? 'link' : 'message', value };
  } catch {
    return { kind: 'bad', why: 'a message that is no JSON' };
  }
}

/** Looks for the magic word; what comes before it is junk, kept only as far as an error message needs it. */
export class MagicFinder {
  readonly #magic: string;
  #seen = Buffer.alloc(0);

  constructor(magic = MAGIC) {
    this.#magic = magic;
  }

  /** Null: not yet. Else the bytes after the magic word. @throws RangeError after MAX_JUNK_BYTES without it. */
  push(chunk: Uint8Array): Buffer | null {
    this.#seen = Buffer.concat([this.#seen, chunk]);
    const at = this.#seen.indexOf(this.#magic, 0, 'latin1');
    if (at >= 0 && at <= MAX_JUNK_BYTES) {
      const after = this.#seen.subarray(at + this.#magic.length);
      this.#seen = this.#seen.subarray(0, at);
      return after;
    }
    if (this.#seen.length > MAX_JUNK_BYTES) {
      this.#seen = this.#seen.subarray(0, MAX_JUNK_BYTES);
      throw new RangeError(`no agent answered within ${String(MAX_JUNK_BYTES)} bytes`);
    }
    return null;
  }

  /** What came before it (or instead of it), as text. */
  get junk(): string {
    return this.#seen.toString('utf8');
  }
}
