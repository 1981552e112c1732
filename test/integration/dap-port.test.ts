// What comes to the editor's port besides the editor, and editors that misbehave. The workers are real.
import { readdirSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EditorPort } from '../../src/dap/editor-port.ts';
import { DebugwandError } from '../../src/lib/errors.ts';
import { DapClient } from '../support/dap-client.ts';
import { DapWorker, debugpyVenv, WORKER_FILE, WORKER_LINE } from '../support/dap-worker.ts';
import { Keeper } from '../support/keeper.ts';
import { until } from '../support/until.ts';

const HERE = { [WORKER_FILE]: [{ line: WORKER_LINE }] };

let venv = '';
const workers: DapWorker[] = [];
const keepers: Keeper[] = [];
const sockets: Socket[] = [];

beforeAll(async () => {
  venv = await debugpyVenv();
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(keepers.map((keeper) => keeper.port.close()));
  await Promise.all(workers.map((worker) => worker.kill()));
  for (const list of [sockets, keepers, workers]) list.length = 0;
});

async function keeper(options: Parameters<typeof Keeper.start>[0] = {}): Promise<Keeper> {
  const started = await Keeper.start(options);
  keepers.push(started);
  return started;
}

async function worker(): Promise<DapWorker> {
  const started = await DapWorker.start(venv);
  workers.push(started);
  return started;
}

/** A bare connection: what it received, and whether the other side has ended it. */
async function stranger(to: Keeper): Promise<{ socket: Socket; said: () => string; ended: () => boolean }> {
  const socket = createConnection({ port: to.port.port, host: '127.0.0.1' });
  sockets.push(socket);
  let said = '';
  let ended = false;
  socket.on('data', (chunk: Buffer) => (said += chunk.toString()));
  socket.on('error', () => undefined);
  socket.on('close', () => (ended = true));
  await until(() => !socket.connecting, 'a connection');
  return { socket, said: () => said, ended: () => ended };
}

describe('the port', () => {
  it('is there on 127.0.0.1 and on ::1', async () => {
    const held = await keeper();
    for (const host of ['127.0.0.1', '::1']) {
      const editor = await DapClient.connect(held.port.port, { host });
      await editor.attach();
      await editor.disconnect();
    }
  });

  it('says who has it', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const wanted = new EditorPort({ name: 'shop', port, terminateOnDisconnect: false }, () => undefined);
    const error = await wanted.listen(new AbortController().signal).catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(DebugwandError);
    expect(error).toMatchObject({
      code: 'port-taken',
      message: expect.stringMatching(
        new RegExp(`port ${String(port)} is taken by process ${String(process.pid)} \\(.+\\)`),
      ) as unknown,
      fix: expect.stringContaining('another port') as unknown,
    });
    // It may be tried again, and has it once it is free.
    await new Promise((resolve) => other.close(resolve));
    await wanted.listen(new AbortController().signal);
    await wanted.close();
  });

  it('is not bound when only ::1 is taken, and leaves nothing behind', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen({ port: 0, host: '::1', ipv6Only: true }, resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const wanted = new EditorPort({ name: 'shop', port, terminateOnDisconnect: false }, () => undefined);
    await expect(wanted.listen(new AbortController().signal)).rejects.toMatchObject({ code: 'port-taken' });
    await new Promise((resolve) => other.close(resolve));
    await wanted.listen(new AbortController().signal);
    await wanted.close();
  });

  it('closes at once on an abort, with the editor told', async () => {
    const abort = new AbortController();
    const port = new EditorPort({ name: 'shop', port: 0, terminateOnDisconnect: false }, () => undefined);
    await port.listen(abort.signal);
    const editor = await DapClient.connect(port.port);
    await editor.attach();
    abort.abort();
    await editor.waitFor('terminated');
    await until(() => editor.closed, 'the end of the connection');
  });

  it('lets a stopped app run on when it closes', async () => {
    const held = await keeper();
    const app = await worker();
    held.port.workerUp(app.link(1));
    const editor = await held.editor();
    await editor.attach(HERE);
    await editor.waitFor('stopped');
    const asked = performance.now();
    await held.port.close();
    expect(performance.now() - asked).toBeLessThan(1500);
    await until(() => editor.closed, 'the end of the connection');
    expect(editor.events('terminated')).toHaveLength(1);
    await app.runs();
  });
});

describe('a second editor', () => {
  it('is refused with the name of the first, which hears nothing of it', async () => {
    const held = await keeper();
    held.port.workerUp((await worker()).link(1));
    const first = await held.editor();
    await first.attach(HERE, { initialize: { clientName: 'Visual Studio Code' } });
    await first.waitFor('stopped');
    const mark = first.mark();
    const second = await held.editor();
    const answer = await second.ask('initialize', { clientName: 'Zed' });
    expect(answer).toMatchObject({
      success: false,
      message: expect.stringContaining('Visual Studio Code is attached to "shop" already') as unknown,
      body: { error: { showUser: true } },
    });
    await until(() => second.closed, 'the end of the second');
    expect(first.received).toHaveLength(mark);
    await first.request('threads');
    await first.disconnect();
    const third = await held.editor();
    await third.attach();
    await third.disconnect();
  });

  it('may come in the place of one that never attached', async () => {
    const held = await keeper({ firstMessageMs: 100 });
    const idle = await held.editor();
    await idle.request('initialize');
    const early = await held.editor();
    expect(await early.ask('initialize')).toMatchObject({ success: false });
    const late = await until(async () => {
      const editor = await held.editor();
      return (await editor.ask('initialize')).success === true ? editor : null;
    }, 'the place');
    await late.request('threads');
    expect(idle.closed).toBe(true);
  });
});

describe('what is no editor', () => {
  it.each([
    ['HTTP', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['TLS', Buffer.from('16030100a5010000a10303', 'hex')],
    ['a header of 64 MB', `X: ${'a'.repeat(64 * 1024 * 1024)}`],
    ['a body of 64 MB', 'Content-Length: 67108864\r\n\r\n{'],
    ['a body that is no JSON', 'Content-Length: 3\r\n\r\nabc'],
    ['a message that is no request', 'Content-Length: 2\r\n\r\n{}'],
    ['an event', 'Content-Length: 49\r\n\r\n{"seq":1,"type":"request","command":5,"args":{}  }'],
  ])('%s is shut out, and the session goes on', async (_, bytes) => {
    const held = await keeper();
    held.port.workerUp((await worker()).link(1));
    const editor = await held.editor();
    await editor.attach(HERE);
    const { body } = await editor.waitFor('stopped');
    const before = process.memoryUsage().rss;
    const guest = await stranger(held);
    guest.socket.write(bytes);
    await until(() => guest.ended(), 'the end of the stranger');
    expect(guest.said()).toBe('');
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);
    await editor.request('stackTrace', body);
    await editor.disconnect();
  });

  it('half a frame, and one byte at a time, block nobody and have an end', async () => {
    const held = await keeper({ firstMessageMs: 300 });
    const half = await stranger(held);
    half.socket.write('Content-Length: 500\r\n\r\n{"seq":1,');
    const slow = await stranger(held);
    const drip = setInterval(() => {
      if (!slow.socket.destroyed) slow.socket.write('C');
    }, 20);
    const silent = await stranger(held);
    const editor = await held.editor();
    await editor.attach();
    await until(() => half.ended() && slow.ended() && silent.ended(), 'the end of all three', 3000);
    clearInterval(drip);
    await editor.request('threads');
    await editor.disconnect();
  });

  it('a hundred connections that say nothing keep no editor out', async () => {
    const held = await keeper();
    const descriptors = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 100; i++) await stranger(held);
    const editor = await held.editor();
    await editor.attach();
    await editor.disconnect();
    for (const socket of sockets) socket.destroy();
    await until(() => readdirSync('/proc/self/fd').length <= descriptors, 'the descriptors to come back');
  });

  it('an editor that sends junk in the middle of its session is cut off, and the app runs on', async () => {
    const held = await keeper();
    const app = await worker();
    held.port.workerUp(app.link(1));
    const editor = await held.editor();
    await editor.attach(HERE);
    await editor.waitFor('stopped');
    editor.write('{"no": "frame of the protocol"');
    await until(() => editor.closed, 'the end of the editor');
    await app.runs();
    const next = await held.editor();
    await next.attach();
    await next.disconnect();
  });
});

describe('a flood of output', () => {
  it('that the editor does not read grows no memory, and no answer is lost', { timeout: 60_000 }, async () => {
    const held = await keeper();
    const app = await worker();
    held.port.workerUp(app.link(1));
    const editor = await held.editor({ timeoutMs: 40_000 });
    await editor.attach({}, { attach: { redirectOutput: true } });
    await held.verified(1);
    editor.pause();
    const before = process.memoryUsage().rss;
    app.say('flood 60000');
    await until(() => app.flooded === 60_000, 'the end of the flood', 30_000);
    const grown = process.memoryUsage().rss - before;
    expect(grown).toBeLessThan(60 * 1024 * 1024);
    const answer = editor.request('threads');
    editor.resume();
    await answer;
    expect(editor.violations).toEqual([]);
    await editor.disconnect();
    await app.runs();
  });
});
