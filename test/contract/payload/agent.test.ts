// The agent's own life: junk on its input, workers that come and go, and an end that leaves nothing behind.
import { readdirSync, readlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { agentCommand } from '../../../src/agent/bundle.ts';
import { AgentFailure } from '../../../src/agent/client.ts';
import { encodeMessage, FrameDecoder, MagicFinder } from '../../../src/agent/framing.ts';
import type { EnterResult } from '../../../src/agent/protocol.ts';
import { execHere, Script, startAgent, type RunningAgent } from '../../support/agent.ts';
import { olderPythons, python } from '../../support/python.ts';
import { until } from '../../support/until.ts';

const target = await python('3.14');
const everyAgent = [...(await olderPythons()), { version: '3.14', path: target }];
const anAgent = everyAgent[0]?.path ?? target;
const never = new AbortController().signal;
const LOOP = 'import time\nprint("up")\nwhile True: time.sleep(0.01)';

/** In debugpy's place: listens on the port that the test names as debugpy's folder. */
const STAND_IN = `
import json
def main(sock, op, options):
    def say(**line):
        sock.sendall(json.dumps(line).encode() + b"\\n")
    if options["debugpy"] == "raise":
        raise ValueError("no such debugger")
    say(event="listening", port=int(options["debugpy"]), debugpy="1.0", origin="ours")
    if not options["holdAtStart"]:
        options["letGo"]()
    for line in sock.makefile():
        command = json.loads(line)["command"]
        print("command", command, flush=True)
        if command == "unhold":
            options["letGo"]()
        if command == "release":
            say(event="released")
            return
    print("deserted", flush=True)
`;

const agents: RunningAgent[] = [];
const scripts: Script[] = [];
const servers: Server[] = [];

async function agent(path = anAgent): Promise<RunningAgent> {
  const started = await startAgent(path, { replace: { _debugwand_worker: STAND_IN } });
  agents.push(started);
  return started;
}

async function worker(code = LOOP): Promise<Script> {
  const started = new Script([target, '-c', code]);
  scripts.push(started);
  await started.says('up');
  return started;
}

async function enter(
  { client }: RunningAgent,
  inside: Script,
  debugpy = '1',
  holdAtStart = false,
): Promise<EnterResult> {
  return client.request('enter', { ...inside.identity, debugpy, holdAtStart, timeoutMs: 5_000 }, never);
}

/** A listener on the loopback, and all that it was sent. */
async function listener(
  onSocket: (socket: Socket) => void = () => undefined,
): Promise<{ port: number; got: () => string }> {
  let text = '';
  const server = createServer((socket) => {
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('error', () => undefined);
    onSocket(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, got: () => text };
}

function descriptors(pid: number): string[] {
  return readdirSync(`/proc/${String(pid)}/fd`).map((name) => {
    try {
      return readlinkSync(`/proc/${String(pid)}/fd/${name}`).replace(/\d+/g, 'N');
    } catch {
      return '';
    }
  });
}

afterEach(async () => {
  await Promise.all(agents.splice(0).map(({ client }) => client.close()));
  await Promise.all(scripts.splice(0).map((one) => one.kill()));
  for (const server of servers.splice(0)) server.close();
});

describe.each(everyAgent)('on Python $version', ({ path }) => {
  test('junk frames get a named error, and what follows is answered', async () => {
    const { argv, bytes } = agentCommand(path);
    const stream = execHere(argv);
    const magic = new MagicFinder();
    const decoder = new FrameDecoder();
    const messages: unknown[] = [];
    let begun = false;
    stream.stdout.on('data', (chunk: Buffer) => {
      const rest = begun ? chunk : magic.push(chunk);
      begun = rest !== null;
      for (const frame of decoder.push(rest ?? Buffer.alloc(0)))
        if (frame.kind === 'message') messages.push(frame.value);
    });
    const long = Buffer.alloc(4 + 0x1_00_00_01, 7);
    long.writeUInt32BE(0x1_00_00_01);
    stream.stdin.write(bytes);
    stream.stdin.write(Buffer.from([0, 0, 0, 2, 9, 9, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0x7b, 0x22]));
    stream.stdin.write(encodeMessage([1, 2]));
    stream.stdin.write(long);
    stream.stdin.write(encodeMessage({ id: 'x', method: 'nope' }));
    stream.stdin.write(encodeMessage({ id: 4, method: 'dial', params: { channel: 'one', port: 1 } }));
    stream.stdin.write(encodeMessage({ id: 5, method: 'ping', params: {} }));
    await until(() => messages.length >= 8, 'eight messages');
    const code = 'bad-request';
    expect(messages.slice(1)).toEqual([
      { id: null, error: { code, message: 'the daemon sent a frame of kind 9' } },
      { id: null, error: { code, message: 'the daemon sent a frame of 0 bytes' } },
      { id: null, error: { code, message: 'the daemon sent a message that is no JSON' } },
      { id: null, error: { code, message: 'the daemon sent a message that is no object' } },
      { id: null, error: { code, message: 'the daemon sent a frame of 16777217 bytes' } },
      { id: 'x', error: { code, message: "no method 'nope' with params" } },
      { id: 4, error: { code, message: 'channel must be a number' } },
      { id: 5, result: {} },
    ]);
    stream.stdin.end();
    expect(await stream.exit).toEqual({ code: 0 });
  });

  test('enters, lets go, and says when a worker is gone', async () => {
    const one = await agent(path);
    const [first, second] = [await worker(), await worker()];
    const entered = await enter(one, first, '4711');
    expect(entered).toMatchObject({ port: 4711, debugpy: '1.0', origin: 'ours' });
    expect(entered.python).toMatch(/^3\.14\./);
    expect(await enter(one, first, '1')).toEqual(entered);
    await one.client.request('release', first.identity, never);
    await first.says('command release');
    await expect(one.client.request('release', first.identity, never)).rejects.toMatchObject({ code: 'gone' });
    await enter(one, second);
    const { pid, startTime } = second.identity;
    await second.kill();
    await until(() => one.events.length > 0, 'an event');
    expect(one.events).toEqual([{ event: 'left', pid, startTime, why: 'the worker ended', ended: true }]);
  });

  test('the latest enter counts, and one under way is taken back', async () => {
    const one = await agent(path);
    const asleep = await worker('import ctypes\nprint("up")\nctypes.CDLL(None).pause()');
    const sleep = async (): Promise<unknown> =>
      one.client
        .request('enter', { ...asleep.identity, debugpy: '1', holdAtStart: false, timeoutMs: 60_000 }, never)
        .catch((error: unknown) => error);
    const [first, second] = [sleep(), sleep()];
    expect(await first).toMatchObject({ code: 'gone' });
    const third = sleep();
    expect(await second).toMatchObject({ code: 'gone' });
    await one.client.request('release', asleep.identity, never);
    expect(await third).toMatchObject({ code: 'gone' });

    const inside = await worker();
    const entered = await enter(one, inside, '4711');
    const released = one.client.request('release', inside.identity, never);
    // Answered in any case; refused when the first one is through already.
    const twice = one.client.request('release', inside.identity, never).catch(() => null);
    const again = enter(one, inside, '4712');
    await Promise.all([released, twice]);
    expect((await again).port).toBe(4712);
    expect(entered.port).toBe(4711);
    await one.client.request('release', inside.identity, never);
    expect(one.events).toEqual([]);
  });

  test('the end of standard input releases every worker and leaves nothing behind', async () => {
    const inside = await worker();
    const before = descriptors(inside.pid);
    const one = await agent(path);
    const { port, got } = await listener();
    await enter(one, inside, String(port));
    const duplex = await one.client.dial(port, never);
    duplex.resume();
    duplex.write('Content-Length: 20\r\n\r\n{"half":');
    await until(() => got().includes('half'), 'bytes through the channel');
    const started = performance.now();
    await one.client.close();
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(one.child.exitCode).toBe(0);
    await inside.says('command release');
    // Half a message was ended, so that the farewell is one of its own.
    expect(got()).toMatch(
      /\{"half": {12}Content-Length: \d+\r\n\r\n\{"seq":\d+,"type":"request","command":"disconnect"/,
    );
    // But for the flag socket, the worker is as it was.
    await until(() => descriptors(inside.pid).length <= before.length + 1, 'descriptors closed in the worker');
    await inside.kill();
    expect(inside.stderr).toBe('');
  });
});

test('an agent that is killed deserts its worker, and the next one enters it', async () => {
  const inside = await worker();
  const one = await agent();
  await enter(one, inside);
  one.child.kill('SIGKILL');
  await inside.says('deserted');
  await expect(enter(await agent(), inside, '2')).resolves.toMatchObject({ port: 2 });
  expect(inside.stderr).toBe('');
});

test('what fails inside comes back with its traceback', async () => {
  const inside = await worker();
  const traceback: unknown = expect.stringContaining('no such debugger');
  await expect(enter(await agent(), inside, 'raise')).rejects.toMatchObject({
    code: 'failed',
    message: 'ValueError: no such debugger',
    facts: { traceback },
  });
  expect(inside.stderr).toBe('');
});

test('a worker that starts is held until it is let go, and not longer than 3 s', async () => {
  const one = await agent();
  const hold = async (): Promise<Script> => {
    const inside = new Script([
      target,
      '-c',
      'import json\nimport colorsys\nprint("up")\nimport time\nwhile True: time.sleep(0.01)',
    ]);
    scripts.push(inside);
    const entered = await until(
      () =>
        enter(one, inside, '1', true).catch((error: unknown) => {
          if (error instanceof AgentFailure && error.code === 'changed') return null;
          throw error;
        }),
      'entering',
    );
    expect(entered.held).toBe(true);
    return inside;
  };
  const first = await hold();
  await one.client.request('unhold', first.identity, never);
  await first.says('up');
  const started = performance.now();
  await (await hold()).says('up');
  expect(performance.now() - started).toBeLessThan(4_500);
});

describe('channels', () => {
  test('carry a lot both ways, and end at the end', async () => {
    const one = await agent();
    const { port } = await listener((socket) => socket.pipe(socket));
    const duplex = await one.client.dial(port, never);
    const sent = Buffer.alloc(3 << 20, 'abcdefg');
    let received = 0;
    duplex.on('data', (chunk: Buffer) => (received += chunk.length));
    duplex.write(sent);
    await until(() => received === sent.length, 'all bytes back');
    const ended = new Promise<void>((resolve) => duplex.on('close', resolve));
    for (const server of servers) server.close();
    duplex.end();
    await ended;
  });

  test('nothing listens: a failure with a name', async () => {
    const { port } = await listener();
    await new Promise((resolve) => servers.splice(0)[0]?.close(resolve));
    await expect((await agent()).client.dial(port, never)).rejects.toMatchObject({ code: 'gone', facts: { port } });
  });

  test('one that nobody reads is cut, and the others go on', async () => {
    const one = await agent();
    const deaf = await listener((socket) => socket.pause());
    const echo = await listener((socket) => socket.pipe(socket));
    const [stuck, fine] = [await one.client.dial(deaf.port, never), await one.client.dial(echo.port, never)];
    const closed = new Promise<void>((resolve) => stuck.on('close', resolve));
    stuck.on('error', () => undefined);
    stuck.resume();
    stuck.write(Buffer.alloc(24 << 20));
    await closed;
    expect(one.events).toContainEqual({ event: 'channel-closed', channel: 1, why: 'the other end does not read' });
    const heard = new Promise((resolve) => fine.once('data', resolve));
    fine.write('still there');
    expect(String(await heard)).toBe('still there');
  });
});
