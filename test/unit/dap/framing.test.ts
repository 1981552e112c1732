import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame, FrameDecoder, FramingError, MAX_HEADER_BYTES, type Frame } from '../../../src/dap/framing.ts';

const limits = { maxBodyBytes: 1000, oversized: 'fail' as const };

function decode(
  chunks: readonly Uint8Array[],
  options: ConstructorParameters<typeof FrameDecoder>[0] = limits,
): Frame[] {
  const decoder = new FrameDecoder(options);
  return chunks.flatMap((chunk) => decoder.push(chunk));
}

function codeOf(bytes: string | Uint8Array, options = limits): string {
  try {
    decode([Buffer.from(bytes)], options);
  } catch (error) {
    if (error instanceof FramingError) return error.code;
    throw error;
  }
  return 'accepted';
}

describe('decoder', () => {
  const bodies = ['{"a":1}', '', '{"text":"héllo ☃ \\r\\n\\r\\n"}', 'x'.repeat(999)];
  const stream = Buffer.concat(bodies.map((body) => encodeFrame(body)));
  const expected = bodies.map((text) => ({ kind: 'body', text }));

  it('reads frames split at every byte', () => {
    for (let at = 0; at <= stream.length; at++) {
      expect(decode([stream.subarray(0, at), stream.subarray(at)])).toEqual(expected);
    }
  });

  it('reads frames byte by byte', () => {
    expect(decode(Array.from(stream, (_, i) => stream.subarray(i, i + 1)))).toEqual(expected);
  });

  it('reads whatever was encoded, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 200 }), { maxLength: 6 }),
        fc.array(fc.nat(400), { maxLength: 20 }),
        (texts, cuts) => {
          const bytes = Buffer.concat(texts.map((text) => encodeFrame(text)));
          const chunks: Uint8Array[] = [];
          let at = 0;
          for (const cut of cuts) chunks.push(bytes.subarray(at, (at += cut)));
          chunks.push(bytes.subarray(at));
          const seen = decode(chunks, { maxBodyBytes: 1e6, oversized: 'fail' });
          expect(seen).toEqual(texts.map((text) => ({ kind: 'body', text })));
        },
      ),
    );
  });

  it('takes other header lines and any case', () => {
    const bytes = Buffer.from('Content-Type: application/json\r\ncontent-length:  2 \r\n\r\n{}');
    expect(decode([bytes])).toEqual([{ kind: 'body', text: '{}' }]);
  });

  it.each([
    ['HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'bad-header'],
    ['a header that says nothing of a length', 'Host: x\r\n\r\n', 'no-length'],
    ['binary', new Uint8Array([22, 3, 1, 2, 0]), 'bad-header'],
    ['text without an end', 'a'.repeat(MAX_HEADER_BYTES + 1), 'header-too-large'],
    ['a length that is no number', 'Content-Length: 1x\r\n\r\n', 'bad-header'],
    ['a negative length', 'Content-Length: -1\r\n\r\n', 'bad-header'],
    ['two lengths', 'Content-Length: 1\r\nContent-Length: 2\r\n\r\n', 'bad-header'],
    ['a line without a name', ': 5\r\n\r\n', 'bad-header'],
    ['no header at all', '\r\n\r\n', 'no-length'],
    ['64 MB', 'Content-Length: 67108864\r\n\r\n', 'body-too-large'],
    ['a length beyond all numbers', `Content-Length: ${'9'.repeat(400)}\r\n\r\n`, 'bad-header'],
    ['exactly the limit', `Content-Length: 1000\r\n\r\n`, 'accepted'],
  ])('%s: %#', (_, bytes, code) => {
    expect(codeOf(bytes)).toBe(code);
  });

  it('stays failed', () => {
    const decoder = new FrameDecoder(limits);
    expect(() => decoder.push(Buffer.from('\0'))).toThrow(FramingError);
    expect(() => decoder.push(encodeFrame('{}'))).toThrow(FramingError);
  });

  it('skips what is too long and goes on, keeping both ends', () => {
    const long = `{"head":1,${'x'.repeat(20_000)},"tail":2}`;
    const bytes = Buffer.concat([encodeFrame(long), encodeFrame('{}')]);
    for (const size of [1, 7, 4096, bytes.length]) {
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
      const [first, second] = decode(chunks, { maxBodyBytes: 1000, oversized: 'skip' });
      expect(first).toMatchObject({ kind: 'oversized', bytes: long.length });
      if (first?.kind === 'oversized') {
        expect(long.startsWith(first.head)).toBe(true);
        expect(long.endsWith(first.tail)).toBe(true);
        expect(first.tail).toHaveLength(4096);
      }
      expect(second).toEqual({ kind: 'body', text: '{}' });
    }
  });

  it('takes time in proportion to the bytes, even in small pieces', () => {
    const time = (length: number): number => {
      const decoder = new FrameDecoder({ maxBodyBytes: 1e8, oversized: 'fail' });
      const bytes = encodeFrame('x'.repeat(length));
      const start = performance.now();
      for (let at = 0; at < bytes.length; at += 64) decoder.push(bytes.subarray(at, at + 64));
      return performance.now() - start;
    };
    // The best of several: the machine may be busy with something else.
    const best = (length: number): number => Math.min(...Array.from({ length: 5 }, () => time(length)));
    best(200_000);
    // 20 times the bytes: 20 times the time, 400 times if it were quadratic.
    expect(best(4_000_000) / best(200_000)).toBeLessThan(150);
  });
});
