// Owns as much of SPDY/3.1 as a port-forward with one connection takes: frames out, frames in. Pure.
//
// A control frame: 1 bit set, 15 bits version (3), 16 bits type, 8 bits flags, 24 bits length. A data frame: 31 bits stream,
// 8 bits flags, 24 bits length. Header blocks are one zlib stream for the whole connection, which may do without compression
// and (in Go, RFC 1950 allows it) without the preset dictionary; those of the other side are of no interest. Kubernetes
// knows no flow control but that of TCP.

export const ERROR_STREAM = 1;
export const DATA_STREAM = 3;

const SYN_STREAM = 1;
const RST_STREAM = 3;
const PING = 6;
const GOAWAY = 7;
const FIN = 1;
const HEAD_BYTES = 8;
/** What is looked at of a control frame. */
const MAX_CONTROL_BYTES = 64;

export type SpdyEvent =
  | { readonly type: 'data'; readonly stream: number; readonly bytes: Buffer }
  | { readonly type: 'end'; readonly stream: number }
  | { readonly type: 'reset'; readonly stream: number }
  | { readonly type: 'ping'; readonly answer: Buffer }
  | { readonly type: 'goaway' };

/** Opens both streams of one connection to a port; the error stream is only listened to. */
export function openStreams(port: number): Buffer {
  const common = { port: String(port), requestid: '0' };
  return Buffer.concat([
    synStream(ERROR_STREAM, { streamtype: 'error', ...common }, true),
    endOf(ERROR_STREAM),
    synStream(DATA_STREAM, { streamtype: 'data', ...common }, false),
  ]);
}

export function dataHead(stream: number, length: number, flags = 0): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(stream, 0);
  head.writeUInt32BE(((flags << 24) | length) >>> 0, 4);
  return head;
}

export function endOf(stream: number): Buffer {
  return dataHead(stream, 0, FIN);
}

function control(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32BE(0x8003_0000 + type, 0);
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
}

/** `first`: the zlib stream of the connection begins with it. */
function synStream(stream: number, headers: Readonly<Record<string, string>>, first: boolean): Buffer {
  const pairs = Object.entries(headers).flatMap((pair) => pair.flatMap((text) => [uint32(text.length), text]));
  const block = Buffer.concat(
    [uint32(Object.keys(headers).length), ...pairs].map((part) =>
      typeof part === 'string' ? Buffer.from(part, 'latin1') : part,
    ),
  );
  const zlib = first ? Buffer.of(0x78, 0x01) : Buffer.alloc(0);
  // An empty block is what zlib itself ends a flush with: without it a reader waits for more.
  const stored = Buffer.concat([storedHead(block.length), block, storedHead(0)]);
  // No associated stream, highest priority, no slot.
  return control(SYN_STREAM, Buffer.concat([uint32(stream), uint32(0), Buffer.alloc(2), zlib, stored]));
}

/** RFC 1951, section 3.2.4. */
function storedHead(length: number): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt16LE(length, 1);
  head.writeUInt16LE(~length & 0xffff, 3);
  return head;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Bytes in, events out; data is passed on as it comes. */
export class SpdyDecoder {
  readonly #emit: (event: SpdyEvent) => void;
  #kept = Buffer.alloc(0);
  #head: { readonly stream: number | null; readonly type: number; readonly flags: number } | null = null;
  #left = 0;
  #body = Buffer.alloc(0);

  constructor(emit: (event: SpdyEvent) => void) {
    this.#emit = emit;
  }

  push(chunk: Buffer): void {
    let rest: Buffer = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    this.#kept = Buffer.alloc(0);
    for (;;) {
      if (this.#head === null) {
        if (rest.length < HEAD_BYTES) break;
        const [first, second] = [rest.readUInt32BE(0), rest.readUInt32BE(4)];
        const isControl = first >= 0x8000_0000;
        this.#head = { stream: isControl ? null : first, type: first & 0xffff, flags: second >>> 24 };
        this.#left = second & 0xff_ffff;
        rest = rest.subarray(HEAD_BYTES);
      }
      const part = rest.subarray(0, this.#left);
      this.#left -= part.length;
      rest = rest.subarray(part.length);
      const { stream } = this.#head;
      if (stream === null) {
        const room = MAX_CONTROL_BYTES - this.#body.length;
        if (room > 0) this.#body = Buffer.concat([this.#body, part.subarray(0, room)]);
      } else if (part.length > 0) this.#emit({ type: 'data', stream, bytes: part });
      if (this.#left > 0) break;
      this.#finish(this.#head);
      this.#head = null;
      this.#body = Buffer.alloc(0);
    }
    // A copy: what is kept must not hold the whole chunk in memory.
    if (rest.length > 0) this.#kept = Buffer.from(rest);
  }

  #finish({ stream, type, flags }: { stream: number | null; type: number; flags: number }): void {
    const body = this.#body;
    if (stream !== null) {
      if ((flags & FIN) !== 0) this.#emit({ type: 'end', stream });
    } else if (type === RST_STREAM && body.length >= 4) {
      this.#emit({ type: 'reset', stream: body.readUInt32BE(0) });
    } else if (type === PING && body.length === 4) {
      // Odd ones are answers to ours, and we ask none.
      if (body.readUInt32BE(0) % 2 === 0) this.#emit({ type: 'ping', answer: control(PING, body) });
    } else if (type === GOAWAY) this.#emit({ type: 'goaway' });
  }
}
