import { Duplex, PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { demux, FrameSplitter } from '../../../src/targets/docker-demux.ts';
import { until } from '../../support/until.ts';

function frame(stream: number, body: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}

function splitAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

function collect(chunks: readonly Buffer[]): { streams: Record<number, Buffer>; atRest: boolean } {
  const streams: Record<number, Buffer> = {};
  const splitter = new FrameSplitter((stream, part) => {
    streams[stream] = Buffer.concat([streams[stream] ?? Buffer.alloc(0), part]);
  });
  for (const chunk of chunks) splitter.push(chunk);
  return { streams, atRest: splitter.atRest };
}

describe('FrameSplitter', () => {
  const wire = Buffer.concat([
    frame(1, Buffer.from('hello')),
    frame(2, Buffer.from('E')),
    frame(1, Buffer.from(' you')),
  ]);
  const parted = { streams: { 1: Buffer.from('hello you'), 2: Buffer.from('E') }, atRest: true };

  it.each(Array.from({ length: wire.length + 1 }, (_, cut) => cut))('split at byte %i', (cut) => {
    expect(collect(splitAt(wire, [cut]))).toEqual(parted);
  });

  it('split anywhere gives the same', () => {
    const frames = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 50 })), { maxLength: 8 });
    fc.assert(
      fc.property(frames, fc.array(fc.nat(500), { maxLength: 10 }), (parts, cuts) => {
        const bytes = Buffer.concat(parts.map(([stream, body]) => frame(stream, Buffer.from(body))));
        const inside = cuts.map((cut) => Math.min(cut, bytes.length));
        const { streams, atRest } = collect(splitAt(bytes, inside));
        expect(atRest).toBe(true);
        for (const stream of [1, 2]) {
          const sent = Buffer.concat(parts.filter(([to]) => to === stream).map(([, body]) => Buffer.from(body)));
          expect(streams[stream] ?? Buffer.alloc(0)).toEqual(sent);
        }
      }),
    );
  });

  it('hands on the part of a body that is here', () => {
    const { streams, atRest } = collect([frame(1, Buffer.alloc(1_000_000)).subarray(0, 100)]);
    expect(streams[1]).toHaveLength(92);
    expect(atRest).toBe(false);
  });
});

describe('demux', () => {
  it('ends both outputs when the wire ends', async () => {
    const wire = new PassThrough();
    const { stdout, stderr, ended } = demux(wire);
    wire.end(Buffer.concat([frame(1, Buffer.from('out')), frame(2, Buffer.from('err'))]));
    expect(await stdout.toArray()).toEqual([Buffer.from('out')]);
    expect(await stderr.toArray()).toEqual([Buffer.from('err')]);
    expect(await ended).toEqual({});
  });

  it('ends both outputs when the wire breaks, and tells the error', async () => {
    const wire = new PassThrough();
    const { stdout, stderr, ended } = demux(wire);
    wire.destroy(new Error('reset'));
    expect([await stdout.toArray(), await stderr.toArray()]).toEqual([[], []]);
    expect(await ended).toMatchObject({ error: { message: 'reset' } });
  });

  it('pauses the wire while nobody reads, and an output that was given up does not hold up the other', async () => {
    let given = 0;
    const wire = new Duplex({
      read() {
        // Not at once, or a reader that keeps up would never let go of the thread.
        setImmediate(() => {
          given += 1;
          this.push(frame(given % 2 === 0 ? 1 : 2, Buffer.alloc(16_000)));
        });
      },
      write(_chunk, _encoding, done) {
        done();
      },
    });
    const { stdout, stderr, ended } = demux(wire);
    await until(() => wire.isPaused(), 'the wire is paused');
    expect(stdout.readableLength + stderr.readableLength).toBeLessThan(300_000);
    const before = given;
    stderr.destroy();
    stdout.resume();
    await until(() => given > before + 50, 'the wire flows again');
    wire.destroy();
    await ended;
  });
});
