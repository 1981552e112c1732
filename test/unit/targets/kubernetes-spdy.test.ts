import { inflateSync, constants } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  DATA_STREAM,
  dataHead,
  endOf,
  openStreams,
  SpdyDecoder,
  type SpdyEvent,
} from '../../../src/targets/kubernetes-spdy.ts';

function decode(bytes: Buffer, size: number): string[] {
  const seen: string[] = [];
  const told = (event: SpdyEvent): string => {
    if (event.type === 'data') return `${String(event.stream)} ${event.bytes.toString('latin1')}`;
    if (event.type === 'ping') return `ping ${event.answer.toString('hex')}`;
    return 'stream' in event ? `${event.type} ${String(event.stream)}` : event.type;
  };
  const decoder = new SpdyDecoder((event) => seen.push(told(event)));
  for (let at = 0; at < bytes.length; at += size) decoder.push(bytes.subarray(at, at + size));
  return seen;
}

/** Fields of a SYN_STREAM, its block out of the zlib stream. */
function fieldsOf(block: Buffer): Record<string, string> {
  const fields: Record<string, string> = {};
  let at = 4;
  const text = (): string => {
    const length = block.readUInt32BE(at);
    at += 4 + length;
    return block.toString('latin1', at - length, at);
  };
  for (let left = block.readUInt32BE(0); left > 0; left -= 1) {
    const name = text();
    fields[name] = text();
  }
  return fields;
}

describe('opening a port', () => {
  it('asks for two streams, of one zlib stream that anybody can read', () => {
    const bytes = openStreams(8000);
    const [first, end] = [bytes.readUInt32BE(4), 8];
    const second = end + first + 8;
    expect([bytes.readUInt32BE(0), bytes.readUInt32BE(8)]).toEqual([0x8003_0001, 1]);
    expect(bytes.subarray(end + first, second)).toEqual(endOf(1));
    expect([bytes.readUInt32BE(second), bytes.readUInt32BE(second + 8)]).toEqual([0x8003_0001, 3]);
    const blocks = [bytes.subarray(18, end + first), bytes.subarray(second + 18)];
    const plain = inflateSync(Buffer.concat(blocks), { finishFlush: constants.Z_SYNC_FLUSH });
    const half = plain.length - plain.lastIndexOf('streamtype') + 8;
    expect(fieldsOf(plain)).toEqual({ streamtype: 'error', port: '8000', requestid: '0' });
    expect(fieldsOf(plain.subarray(plain.length - half))).toEqual({ streamtype: 'data', port: '8000', requestid: '0' });
  });
});

describe('what the server says', () => {
  const control = (type: number, body: string): Buffer => {
    const bytes = Buffer.from(body, 'hex');
    const head = Buffer.alloc(8);
    head.writeUInt32BE(0x8003_0000 + type, 0);
    head.writeUInt32BE(bytes.length, 4);
    return Buffer.concat([head, bytes]);
  };
  const whole = Buffer.concat([
    control(2, `00000003${'ab'.repeat(300)}`),
    dataHead(DATA_STREAM, 5),
    Buffer.from('hello'),
    control(6, '00000002'),
    control(6, '00000001'),
    control(9, '0000000300001000'),
    dataHead(1, 3, 1),
    Buffer.from('no!'),
    control(3, '0000000300000005'),
    endOf(DATA_STREAM),
    control(7, '0000000300000000'),
  ]);

  it.each([1, 3, 7, 8, 64, 10_000])('is understood in pieces of %d bytes', (size) => {
    const seen = decode(whole, size);
    const data = (stream: number): string =>
      seen.flatMap((line) => (line.startsWith(`${String(stream)} `) ? [line.slice(2)] : [])).join('');
    expect([data(3), data(1)]).toEqual(['hello', 'no!']);
    expect(seen.filter((line) => !/^\d/.test(line))).toEqual([
      'ping 800300060000000400000002',
      'end 1',
      'reset 3',
      'end 3',
      'goaway',
    ]);
  });
});
