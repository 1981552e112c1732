import { spawn, type SpawnOptionsWithStdioTuple } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { describePortOwner, listenersOn, NOBODY, portFix, portOwner } from '../../../src/dap/port-owner.ts';

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
    ['node /usr/local/bin/wand watch --detach', /^`wand stop` in \/srv\/shop$/],
    ['/opt/node/bin/node src/bin.ts debug --pid 7', /^`wand stop` in \/srv\/shop$/],
    ['python wand.py watch', /^end it/],
    [null, /^end it/],
  ])('%s', (command, fix) => {
    expect(portFix({ pid: 7, command, parent: 'bash', folder: '/srv/shop' }, 5679)).toMatch(fix);
  });

  it.each([
    ['skaffold dev', /portForward/],
    ['/opt/bin/tilt up', /port_forwards=\[5679\]/],
    ['bash', /^end it \(kill 7\)$/],
    [null, /^end it/],
  ])('of a kubectl that was started by %s', (parent, fix) => {
    expect(
      portFix({ pid: 7, command: 'kubectl port-forward service/web 5679:80', parent, folder: '/srv/shop' }, 5679),
    ).toMatch(fix);
  });

  it('of a process that cannot be named', () => {
    expect(portFix(NOBODY, 5679)).toBe('end that process');
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

  it('is named with who started it: Skaffold has its kubectl forward', async () => {
    const listen =
      "require('net').createServer().listen(0, '127.0.0.1', function () { console.log(this.address().port) })";
    const start = `require('child_process').spawn(process.execPath, ['-e', process.argv[1]], { argv0: 'kubectl', stdio: 'inherit' })`;
    // A group of its own, so that both end.
    const options: SpawnOptionsWithStdioTuple<'ignore', 'pipe', 'ignore'> = {
      argv0: 'skaffold',
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    };
    const parent = spawn(process.execPath, ['-e', start, listen], options);
    try {
      const [line] = (await once(parent.stdout, 'data')) as [Buffer];
      const owner = portOwner(Number(line.toString()));
      expect(owner?.command).toMatch(/^kubectl /);
      expect(owner?.parent).toMatch(/^skaffold /);
    } finally {
      process.kill(-(parent.pid ?? 0), 'SIGKILL');
    }
  });
});
