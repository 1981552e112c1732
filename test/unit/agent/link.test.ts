import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeData, encodeLink, FrameDecoder, type Frame } from '../../../src/agent/framing.ts';
import { parseLink } from '../../../src/agent/guards.ts';
import { Link, MAX_KEPT_BYTES } from '../../../src/agent/link.ts';

describe('Link', () => {
  test('keeps what is not acknowledged, and no more', () => {
    const link = new Link();
    const frames = ['a', 'bb', 'ccc'].map((text) => Buffer.from(text));
    for (const frame of frames) link.sent(frame);
    expect(link.missing).toEqual(frames);
    expect(link.acked(2)).toBe(true);
    expect(link.missing).toEqual(frames.slice(2));
    expect(link.acked(2)).toBe(true);
    expect(link.acked(3)).toBe(true);
    expect(link.missing).toEqual([]);
  });

  test.each([1, 4, -1, 2.5, NaN, Infinity])('takes no count that cannot be: %d', (count) => {
    const link = new Link();
    for (const text of ['a', 'b', 'c']) link.sent(Buffer.from(text));
    link.acked(2);
    expect(link.acked(count)).toBe(false);
    expect(link.missing).toEqual([Buffer.from('c')]);
  });

  test('is full beyond its bound, until that much is acknowledged', () => {
    const link = new Link();
    link.sent(Buffer.alloc(MAX_KEPT_BYTES));
    expect(link.full).toBe(false);
    link.sent(Buffer.alloc(1));
    expect(link.full).toBe(true);
    link.acked(1);
    expect(link.full).toBe(false);
  });

  test.each<[string, number, number, boolean]>([
    ['nothing came', 0, 0, false],
    ['a few frames', 63, 1_000, false],
    ['many frames', 64, 64, true],
    ['many bytes', 1, 262_144, true],
    ['many bytes of no whole frame', 0, 262_144, false],
  ])('owes an acknowledgement: %s', (_name, frames, bytes, owes) => {
    const link = new Link(1);
    for (let count = 0; count < frames; count += 1) link.took();
    link.came(bytes);
    expect(link.owesAck).toBe(owes);
    expect(link.received).toBe(1 + frames);
    link.told();
    expect(link.owesAck).toBe(false);
  });
});

/** One end of a conversation, its wire as a buffer. */
class End {
  readonly link = new Link();
  readonly got: number[] = [];
  wire = Buffer.alloc(0);
  #decoder = new FrameDecoder();

  say(value: number): void {
    const bytes = Buffer.alloc(1 + (value % 7));
    const frame = encodeData(value, bytes);
    this.link.sent(frame);
    this.wire = Buffer.concat([this.wire, frame]);
  }

  hear(bytes: Buffer): void {
    for (const frame of this.#decoder.push(bytes)) this.#take(frame);
    if (!this.link.owesAck) return;
    this.wire = Buffer.concat([this.wire, encodeLink({ ack: this.link.received })]);
    this.link.told();
  }

  /** Another wire: what was under way is lost. */
  resume(other: End): void {
    this.#decoder = new FrameDecoder();
    expect(this.link.acked(other.link.received)).toBe(true);
    this.wire = Buffer.concat(this.link.missing);
  }

  #take(frame: Frame): void {
    if (frame.kind === 'data') {
      this.link.took();
      this.got.push(frame.channel);
    } else if (frame.kind === 'link') {
      const message = parseLink(frame.value);
      expect(message !== null && 'ack' in message && this.link.acked(message.ack)).toBe(true);
    } else {
      throw new Error(`unexpected ${frame.kind}`);
    }
  }
}

test('whatever is cut wherever: each frame arrives once, in order, both ways', () => {
  const deed = fc.oneof(
    fc.record({ do: fc.constant('say' as const), who: fc.constantFrom(0, 1), many: fc.integer({ min: 1, max: 90 }) }),
    fc.record({ do: fc.constant('move' as const), who: fc.constantFrom(0, 1), many: fc.integer({ min: 1, max: 900 }) }),
    fc.record({ do: fc.constant('cut' as const), who: fc.constant(0), many: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 60 }), (deeds) => {
      const ends = [new End(), new End()] as const;
      const said: number[][] = [[], []];
      const other = (who: number): End => (who === 0 ? ends[1] : ends[0]);
      const self = (who: number): End => (who === 0 ? ends[0] : ends[1]);
      const move = (who: number, many: number): void => {
        const { wire } = self(who);
        self(who).wire = wire.subarray(many);
        other(who).hear(wire.subarray(0, many));
      };
      for (const { do: what, who, many } of deeds) {
        if (what === 'move') {
          move(who, many);
        } else if (what === 'cut') {
          const [one, two] = ends;
          one.resume(two);
          two.resume(one);
        } else {
          for (let count = 0; count < many; count += 1) {
            const value = said[who]?.length ?? 0;
            said[who]?.push(value);
            self(who).say(value);
          }
        }
      }
      while (ends.some(({ wire }) => wire.length > 0)) for (const who of [0, 1]) move(who, 1 << 20);
      expect(ends[1].got).toEqual(said[0]);
      expect(ends[0].got).toEqual(said[1]);
    }),
    { numRuns: 300 },
  );
});
