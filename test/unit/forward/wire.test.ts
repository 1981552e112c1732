import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as wire from '../../../src/forward/wire.ts';

interface Seen {
  readonly stream: number;
  readonly kind: number;
  readonly text: string;
}

/** What comes out when it comes in pieces of these sizes; parts of one stream's data put together. */
function decode(bytes: Buffer, sizes: readonly number[]): Seen[] {
  const seen: Seen[] = [];
  const decoder = new wire.Decoder(({ stream, kind, body }) => {
    const last = seen.at(-1);
    const text = body.toString('latin1');
    if (kind === wire.DATA && last?.kind === kind && last.stream === stream)
      seen[seen.length - 1] = { ...last, text: last.text + text };
    else seen.push({ stream, kind, text });
  });
  let at = 0;
  for (let turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    decoder.push(bytes.subarray(at, at + size));
    at += size;
  }
  return seen;
}

const MESSAGES = [
  wire.encode(1, wire.OPENED),
  wire.encode(2, wire.REFUSED, Buffer.from('Connection refused')),
  wire.encode(1, wire.DATA, Buffer.from('hello '.repeat(40))),
  wire.encode(3, wire.DATA, Buffer.from('x')),
  wire.encode(1, wire.END),
  wire.roomFrame(3, 70_000),
  wire.encode(0, wire.PING),
  wire.encode(3, wire.RESET),
];

describe('frames of a relay', () => {
  it('come out as they went in, whatever the splits, and after any junk', () => {
    const whole = Buffer.concat([Buffer.from('a banner\n'), Buffer.from(wire.MAGIC), ...MESSAGES]);
    const expected = decode(whole, [whole.length]);
    expect(expected.map(({ kind }) => kind)).toEqual([
      wire.OPENED,
      wire.REFUSED,
      wire.DATA,
      wire.DATA,
      wire.END,
      wire.ROOM,
      wire.PING,
      wire.RESET,
    ]);
    expect(expected[2]?.text).toBe('hello '.repeat(40));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 }), (sizes) => {
        expect(decode(whole, sizes)).toEqual(expected);
      }),
    );
  });

  it('keeps what came instead of a relay, for the error', () => {
    const decoder = new wire.Decoder(() => undefined);
    decoder.push(Buffer.from('exec: no such '));
    decoder.push(Buffer.from('file'));
    expect([decoder.greeted, decoder.junk]).toEqual([false, 'exec: no such file']);
  });

  it('gives up on what is no relay', () => {
    const greeted = (bytes: Buffer): (() => void) => {
      const decoder = new wire.Decoder(() => undefined);
      decoder.push(Buffer.from(wire.MAGIC));
      return () => {
        decoder.push(bytes);
      };
    };
    expect(() => {
      new wire.Decoder(() => undefined).push(Buffer.alloc(70_000));
    }).toThrow(RangeError);
    expect(greeted(wire.header(1, 99, 0))).toThrow(RangeError);
    expect(greeted(wire.header(1, wire.ROOM, 5_000))).toThrow(RangeError);
    expect(greeted(wire.header(1, wire.DATA, 0xffff_ffff))).toThrow(RangeError);
  });
});
