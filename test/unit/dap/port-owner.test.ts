import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { describePortOwner, listenersOn, portFix, portOwner } from '../../../src/dap/port-owner.ts';

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:162F 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0
   1: 0100007F:162F 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000        0 4712 1 0000000000000000 100 0 0 10 0
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000000000000000 100 0 0 10 0
`;
const TABLE6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:162F 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4714 1 0000000000000000 100 0 0 10 0
`;

describe('the table of sockets', () => {
  it.each([
    ['listens on 127.0.0.1, others are connected', TABLE, 5679, ['4711']],
    ['listens everywhere', TABLE, 22, ['4713']],
    ['listens on ::1', TABLE6, 5679, ['4714']],
    ['listens nowhere', TABLE, 5680, []],
    ['is empty', '', 5679, []],
    ['is no table', 'what\n: is this :162F 0A', 5679, []],
  ])('%s', (_, table, port, inodes) => {
    expect(listenersOn(table, port)).toEqual(inodes);
  });
});

describe('the fix for a port that is taken', () => {
  it.each([
    ['tilt up', /port_forwards=\[5679\] out of the Tiltfile/],
    ['/usr/local/bin/tilt', /port_forwards=\[5679\]/],
    ['skaffold dev --port-forward', /portForward/],
    ['/opt/tilt/bin/python app.py', /^end it \(kill 7\)$/],
    ['tilted', /^end it/],
    [null, /^end it/],
  ])('%s', (command, fix) => {
    expect(portFix({ pid: 7, command }, 5679)).toMatch(fix);
  });

  it('of a process that cannot be named', () => {
    expect(portFix({ pid: null, command: null }, 5679)).toBe('end that process');
  });
});

describe.skipIf(process.platform !== 'linux')('the owner of a port', () => {
  it('is named with its command', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    expect(portOwner(port)).toMatchObject({ pid: process.pid });
    expect(describePortOwner(port)).toMatch(new RegExp(`^process ${String(process.pid)} \\(\\S+`));
    await new Promise((resolve) => server.close(resolve));
    expect(portOwner(port)).toBeNull();
    expect(describePortOwner(port)).toBeNull();
  });
});
