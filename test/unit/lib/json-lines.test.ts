import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonLines } from '../../../src/lib/json-lines.ts';

describe('JSON a line', () => {
  it('come out whole, however the chunks fall', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ t: fc.string(), n: fc.integer() })), fc.array(fc.nat(40)), (values, cuts) => {
        const text = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
        const lines = new JsonLines(1_000_000);
        const out: unknown[] = [];
        let from = 0;
        for (const cut of [...cuts, text.length]) {
          out.push(...lines.push(text.subarray(from, from + cut)));
          from = Math.min(text.length, from + cut);
        }
        expect(out).toEqual(values);
      }),
    );
  });

  it('empty ones are passed over, the last one waits for its end', () => {
    const lines = new JsonLines(10_000);
    expect(lines.push(Buffer.from('\n\r\n{"a":1}\n{"b"'))).toEqual([{ a: 1 }]);
    expect(lines.push(Buffer.from(':2}\n'))).toEqual([{ b: 2 }]);
  });

  it('one without end is refused', () => {
    const lines = new JsonLines(100);
    lines.push(Buffer.alloc(60, 'x'));
    expect(() => lines.push(Buffer.alloc(60, 'x'))).toThrow(/more than 100 bytes/);
  });

  it('what is no JSON is refused', () => {
    expect(() => new JsonLines(10_000).push(Buffer.from('<html>\n'))).toThrow(/JSON/);
  });
});
