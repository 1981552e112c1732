/** Strangers on the editor's port and on the control socket: whatever they send, the session and the commands go on. */
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { socketPath } from '../../src/lib/paths.ts';
import { descriptors, residentBytes } from '../support/invariants.ts';
import { Rig } from '../support/rig.ts';
import { startLocalApp, type SampleApp } from '../support/sample-app.ts';
import { until } from '../support/until.ts';

/** A raw connection that keeps what it is told. */
class Stranger {
  readonly socket: Socket;
  closed = false;
  said = '';

  constructor(to: { readonly port: number; readonly host: string } | { readonly path: string }) {
    this.socket = connect(to);
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text: string) => (this.said += text));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => (this.closed = true));
  }

  send(bytes: string | Uint8Array): this {
    this.socket.write(bytes);
    return this;
  }

  /** Resolves when the other side has hung up. */
  async dropped(withinMs: number): Promise<string> {
    await until(() => this.closed, 'the stranger is dropped', withinMs);
    return this.said;
  }
}

const NOISE = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) % 256));
const FRAME = (body: string): string => `Content-Length: ${String(Buffer.byteLength(body))}\r\n\r\n${body}`;

/** Each must be dropped within that time, ms. */
const ON_THE_EDITORS_PORT: readonly (readonly [string, string | Uint8Array, number])[] = [
  ['noise', NOISE, 12_000],
  ['HTTP', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', 12_000],
  ['TLS', Buffer.from('160301020001', 'hex'), 12_000],
  ['a header of 64 MB', `Content-Length: 67108864\r\n\r\n{`, 2_000],
  ['a header without an end', `Content-Length: ${'1'.repeat(100_000)}`, 2_000],
  ['a negative length', 'Content-Length: -1\r\n\r\n{}', 2_000],
  ['no JSON', FRAME('{nonsense'), 2_000],
  ['JSON that is no DAP', FRAME('[1, 2, 3]'), 2_000],
  ['half a frame', 'Content-Length: 500\r\n\r\n{"seq":1,', 12_000],
  ['nothing at all', '', 12_000],
];

const ON_THE_CONTROL_SOCKET: readonly (readonly [string, string | Uint8Array, number])[] = [
  ['noise', NOISE, 6_000],
  ['a line of 64 kB and more', 'x'.repeat(200_000), 2_000],
  ['no JSON', 'status\n', 2_000],
  ['JSON without a command', '{"order": "status"}\n', 2_000],
  ['an unknown command', '{"command": "explode"}\n', 2_000],
  ['half a line', '{"command": "sta', 6_000],
  ['nothing at all', '', 6_000],
];

describe('strangers', () => {
  let app: SampleApp;
  let rig: Rig;

  beforeAll(async () => {
    app = await startLocalApp();
    rig = await Rig.attachedTo(app);
  });

  afterAll(async () => {
    await rig.stop();
  });

  it("on the editor's port, while an editor is attached", async () => {
    const memory = await residentBytes(rig.daemon.child.pid ?? 0);
    await Promise.all(
      ON_THE_EDITORS_PORT.flatMap(([what, bytes, withinMs]) =>
        ['127.0.0.1', '::1'].map(async (host) => {
          const stranger = new Stranger({ port: rig.port, host }).send(bytes);
          await stranger.dropped(withinMs).catch((error: unknown) => {
            throw new Error(`${what}: ${String(error)}`, { cause: error });
          });
        }),
      ),
    );
    expect(await residentBytes(rig.daemon.child.pid ?? 0)).toBeLessThan(memory + 64 * 1024 * 1024);
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
  });

  it('that send one byte a second', async () => {
    const slow = new Stranger({ port: rig.port, host: '127.0.0.1' });
    const frame = FRAME('{"seq":1,"type":"request","command":"initialize"}');
    let at = 0;
    const drip = setInterval(() => slow.send(frame[at++] ?? ' '), 1_000);
    try {
      await slow.dropped(15_000);
      expect(await rig.hit(5)).toMatchObject({ total: 15 });
    } finally {
      clearInterval(drip);
    }
  });

  it('in hundreds, and no descriptor stays', async () => {
    const daemon = rig.daemon.child.pid ?? 0;
    const before = (await descriptors(daemon)) ?? 0;
    const crowd = Array.from({ length: 200 }, () => new Stranger({ port: rig.port, host: '127.0.0.1' }));
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
    for (const { socket } of crowd) socket.destroy();
    await until(async () => ((await descriptors(daemon)) ?? 0) <= before + 2, 'the descriptors are closed');
  });

  it('on the control socket', async () => {
    await Promise.all(
      ON_THE_CONTROL_SOCKET.map(async ([what, bytes, withinMs]) => {
        const stranger = new Stranger({ path: socketPath(app.folder) }).send(bytes);
        const said = await stranger.dropped(withinMs).catch((error: unknown) => {
          throw new Error(`${what}: ${String(error)}`, { cause: error });
        });
        if (said !== '') expect(JSON.parse(said)).toMatchObject({ ok: false, error: { code: 'bad-request' } });
      }),
    );
    const crowd = Array.from({ length: 100 }, () => new Stranger({ path: socketPath(app.folder) }));
    await until(() => crowd.filter(({ closed }) => closed).length > 0, 'too many are turned away');
    for (const { socket } of crowd) socket.destroy();
    await until(async () => (await rig.daemon.run('status', '--ready')).code === 0, 'the commands go on');
  });

  it('and the session goes over the next reload', async () => {
    await rig.reattached(() => app.setFactor(4));
    expect(await rig.hit(5)).toMatchObject({ total: 20 });
  });
});
