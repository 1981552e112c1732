import { describe, expect, it } from 'vitest';
import { remotePort } from '../../../src/forward/remote-port.ts';

const ports = [
  { name: 'http', port: 8000 },
  { name: null, port: 9000 },
  { name: 'metrics', port: 9100 },
];

describe('a port of the replica', () => {
  it.each([
    [8080, 8080],
    ['8080', 8080],
    ['http', 8000],
    ['metrics', 9100],
    ['grpc', 'web-1 has no port called "grpc": there are http (8000), metrics (9100)'],
  ])('%j is %j', (wanted, found) => {
    expect(remotePort(wanted, { name: 'web-1', ports })).toBe(found);
  });

  it('needs a number where nothing has a name', () => {
    const why = 'web-1 has no port called "http": its ports have no names, use a number';
    expect(remotePort('http', { name: 'web-1' })).toBe(why);
    expect(remotePort('http', { name: 'web-1', ports: [{ name: null, port: 80 }] })).toBe(why);
  });
});
