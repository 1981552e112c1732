import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  encodeData,
  encodeMessage,
  FrameDecoder,
  MagicFinder,
  MAX_JUNK_BYTES,
  type Frame,
} from '../../../src/agent/framing.ts';
import { MAGIC, MAX_FRAME_BYTES } from '../../../src/agent/protocol.ts';

/** Frames made comparable: Buffers by their bytes. */
function plain(frames: readonly Frame[]): unknown[] {
  return frames.map((frame) =>
    frame.kind === 'data' ? { kind: frame.kind, channel: frame.channel, hex: frame.bytes.toString('hex') } : frame,
  );
}

const MESSAGE = encodeMessage({ id: 1, text: 'grüße 🙂' });
const DATA = encodeData(0xffff_fff0, Buffer.from([0, 1, 2, 255]));
const FRAMES = [
  { kind: 'message', value: { id: 1, text: 'grüße 🙂' } },
  { kind: 'data', channel: 0xffff_fff0, hex: '000102ff' },
  { kind: 'data', channel: 7, hex: '' },
];

describe('FrameDecoder', () => {
  test('gives the same frames at every split', () => {
    const all = Buffer.concat([MESSAGE, DATA, encodeData(7, Buffer.alloc(0))]);
    for (let at = 0; at <= all.length; at += 1) {
      const decoder = new FrameDecoder();
      expect(plain([...decoder.push(all.subarray(0, at)), ...decoder.push(all.subarray(at))])).toEqual(FRAMES);
    }
  });

  test('gives what was encoded, in any pieces', () => {
    const piece = fc.oneof(
      fc.jsonValue().map((value) => ({ kind: 'message' as const, value: { value } })),
      fc
        .tuple(fc.nat({ max: 0xffff_ffff }), fc.uint8Array({ maxLength: 300 }))
        .map(([channel, bytes]) => ({ kind: 'data' as const, channel, hex: Buffer.from(bytes).toString('hex') })),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 40 })), (pieces, sizes) => {
        const all = Buffer.concat(
          pieces.map((one) =>
            one.kind === 'message' ? encodeMessage(one.value) : encodeData(one.channel, Buffer.from(one.hex, 'hex')),
          ),
        );
        const decoder = new FrameDecoder();
        const found: Frame[] = [];
        let at = 0;
        for (let turn = 0; at < all.length; turn += 1) {
          const size = sizes[turn % Math.max(1, sizes.length)] ?? 1;
          found.push(...decoder.push(all.subarray(at, at + size)));
          at += size;
        }
        // JSON knows no -0 and no undefined: compare as text.
        expect(JSON.stringify(plain(found))).toBe(JSON.stringify(pieces));
      }),
    );
  });

  test.each([
    ['an unknown kind', Buffer.from([0, 0, 0, 2, 9, 0]), 'a frame of kind 9'],
    ['data too short for its channel', Buffer.from([0, 0, 0, 3, 1, 0, 0]), 'a frame of kind 1'],
    ['broken JSON', Buffer.concat([Buffer.from([0, 0, 0, 3, 0]), Buffer.from('{"')]), 'a message that is no JSON'],
    ['nothing at all', Buffer.from([0, 0, 0, 0]), 'a frame of 0 bytes'],
  ])('skips %s and reads on', (_name, bad, why) => {
    const all = Buffer.concat([bad, MESSAGE]);
    for (let at = 0; at <= all.length; at += 1) {
      const decoder = new FrameDecoder();
      const frames = [...decoder.push(all.subarray(0, at)), ...decoder.push(all.subarray(at))];
      expect(plain(frames)).toEqual([{ kind: 'bad', why }, FRAMES[0]]);
    }
  });

  test('skips a frame that is too long without keeping it', () => {
    const decoder = new FrameDecoder();
    const head = Buffer.alloc(4);
    head.writeUInt32BE(MAX_FRAME_BYTES + 1);
    expect(decoder.push(head)).toEqual([{ kind: 'bad', why: `a frame of ${String(MAX_FRAME_BYTES + 1)} bytes` }]);
    const piece = Buffer.alloc(1 << 20, 1);
    for (let left = MAX_FRAME_BYTES + 1; left > 0; left -= piece.length) {
      expect(decoder.push(piece.subarray(0, Math.min(left, piece.length)))).toEqual([]);
    }
    expect(plain(decoder.push(MESSAGE))).toEqual([FRAMES[0]]);
  });

  test('refuses to encode what no decoder would take', () => {
    expect(() => encodeData(1, Buffer.alloc(MAX_FRAME_BYTES))).toThrow(RangeError);
  });
});

describe('MagicFinder', () => {
  test('finds the start at every split, after junk', () => {
    const all = Buffer.concat([Buffer.from(`motd: welcome\nDEBUGWAND-AGE ${MAGIC}`), MESSAGE]);
    for (let at = 0; at <= all.length; at += 1) {
      const finder = new MagicFinder();
      const first = finder.push(all.subarray(0, at));
      const rest = first === null ? finder.push(all.subarray(at)) : Buffer.concat([first, all.subarray(at)]);
      expect(rest?.toString('hex')).toBe(MESSAGE.toString('hex'));
      expect(finder.junk).toBe('motd: welcome\nDEBUGWAND-AGE ');
    }
  });

  test('gives up after a bounded amount of junk, and keeps it for the message', () => {
    const finder = new MagicFinder();
    expect(finder.push(Buffer.from('exec failed: no such file '))).toBeNull();
    expect(() => finder.push(Buffer.alloc(MAX_JUNK_BYTES, 'x'))).toThrow(RangeError);
    expect(finder.junk.startsWith('exec failed: no such file xxx')).toBe(true);
    expect(finder.junk).toHaveLength(MAX_JUNK_BYTES);
  });
});
