import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { AgentClient, AgentFailure } from '../../../src/agent/client.ts';
import { encodeData, encodeMessage, FrameDecoder } from '../../../src/agent/framing.ts';
import { MAGIC } from '../../../src/agent/protocol.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import type { ExecStream } from '../../../src/targets/target.ts';
import { until } from '../../support/until.ts';

const HELLO = { event: 'hello', python: '3.8.18', pid: 9, uid: 0, gid: 0, capabilities: '0' };
const BUNDLE = Buffer.from('BUNDLE');
const forever = new AbortController().signal;

interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: object;
}

function isRequest(value: unknown): value is Request {
  return typeof value === 'object' && value !== null && 'method' in value && 'params' in value;
}

/** An agent whose side of the wire the test plays. */
class Script {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly #exit = Promise.withResolvers<{ code: number | null; error?: unknown }>();
  readonly received: Request[] = [];
  readonly data: string[] = [];
  closes = 0;

  constructor() {
    const decoder = new FrameDecoder();
    let bundle = BUNDLE.length;
    this.stdin.on('data', (chunk: Buffer) => {
      const rest = chunk.subarray(Math.min(bundle, chunk.length));
      bundle -= chunk.length - rest.length;
      for (const frame of decoder.push(rest)) {
        if (frame.kind === 'message' && isRequest(frame.value)) this.received.push(frame.value);
        if (frame.kind === 'data') this.data.push(`${String(frame.channel)}:${frame.bytes.toString()}`);
      }
    });
    this.stdin.on('end', () => {
      this.exit(0);
    });
  }

  get stream(): ExecStream {
    const close = (): void => {
      this.closes += 1;
      this.exit(null);
    };
    return { stdin: this.stdin, stdout: this.stdout, stderr: this.stderr, exit: this.#exit.promise, close };
  }

  say(...messages: object[]): void {
    for (const message of messages) this.stdout.write(encodeMessage(message));
  }

  exit(code: number | null): void {
    this.stdout.end();
    this.#exit.resolve({ code });
  }

  /** The request of that method, once it has come. */
  async asked(method: string): Promise<Request> {
    return until(() => this.received.find((one) => one.method === method), `a request ${method}`);
  }
}

const open: AgentClient[] = [];

async function start(script: Script): Promise<AgentClient> {
  const starting = AgentClient.start(script.stream, { bundle: BUNDLE, name: 'api' }, forever);
  script.stdout.write(MAGIC);
  script.say(HELLO);
  const agent = await starting;
  open.push(agent);
  return agent;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((agent) => agent.close()));
});

describe('start', () => {
  test('skips junk before the first word', async () => {
    const script = new Script();
    script.stdout.write('Welcome to the machine\n');
    expect((await start(script)).hello.python).toBe('3.8.18');
  });

  test.each<[string, (script: Script) => void, string]>([
    ['a program that is not there', (s) => (s.stdout.write('exec: "python3": not found'), s.exit(126)), 'not found'],
    ['an old Python', (s) => (s.stderr.write('debugwand needs Python 3.8'), s.exit(1)), 'needs Python 3.8'],
    ['a program that says nothing', (s) => s.exit(0), 'status 0'],
    ['a program that never stops talking', (s) => s.stdout.write(Buffer.alloc(100_000, 'y')), 'yyyy'],
    ['a wrong first word', (s) => (s.stdout.write(MAGIC), s.say({ event: 'boo' })), 'this version does not know'],
  ])('names %s', async (_name, act, said) => {
    const script = new Script();
    const starting = AgentClient.start(script.stream, { bundle: BUNDLE, name: 'api' }, forever);
    act(script);
    const error = await starting.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DebugwandError);
    expect(error).toMatchObject({ code: 'agent-handshake' });
    expect(String(error)).toContain(said);
    expect(script.closes).toBeGreaterThan(0);
  });

  test('does not wait for ever, and not at all once aborted', async () => {
    const silent = AgentClient.start(new Script().stream, { bundle: BUNDLE, name: 'api', handshakeMs: 20 }, forever);
    await expect(silent).rejects.toMatchObject({ code: 'agent-handshake' });
    const aborted = AgentClient.start(new Script().stream, { bundle: BUNDLE, name: 'api' }, AbortSignal.abort());
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('request', () => {
  test('answers in any order, failures with their code and facts', async () => {
    const script = new Script();
    const agent = await start(script);
    const ping = agent.request('ping', {}, forever);
    const release = agent.request('release', { pid: 1, startTime: 2 }, forever);
    const [first, second] = [await script.asked('ping'), await script.asked('release')];
    script.say({ id: second.id, error: { code: 'gone', message: 'it ended', facts: { pid: 1 } } });
    script.say({ id: first.id, result: {} });
    await expect(ping).resolves.toEqual({});
    const error = await release.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AgentFailure);
    expect(error).toMatchObject({ code: 'gone', facts: { pid: 1 } });
  });

  test('an answer of another shape is a failure', async () => {
    const script = new Script();
    const agent = await start(script);
    const answer = agent.request('upload', { channel: 1, key: 'k', size: 1 }, forever);
    script.say({ id: (await script.asked('upload')).id, result: {} });
    await expect(answer).rejects.toMatchObject({ code: 'internal' });
  });

  test('an aborted enter is taken back at once, and once', async () => {
    const script = new Script();
    const agent = await start(script);
    const abort = new AbortController();
    const params = { pid: 5, startTime: 6, execId: '7', debugpy: '/d', holdAtStart: false, timeoutMs: 1 };
    const entering = agent.request('enter', params, abort.signal);
    const { id } = await script.asked('enter');
    abort.abort();
    await expect(entering).rejects.toMatchObject({ name: 'AbortError' });
    expect((await script.asked('release')).params).toEqual({ pid: 5, startTime: 6 });
    script.say({ id, result: {} });
    const ping = agent.request('ping', {}, forever);
    script.say({ id: (await script.asked('ping')).id, result: {} });
    await ping;
    expect(script.received.map(({ method }) => method)).toEqual(['enter', 'release', 'ping']);
  });
});

describe('channels', () => {
  async function dial(script: Script, agent: AgentClient): Promise<Awaited<ReturnType<AgentClient['dial']>>> {
    const dialing = agent.dial(5678, forever);
    script.say({ id: (await script.asked('dial')).id, result: {} });
    return dialing;
  }

  test('carry bytes both ways and hang up once', async () => {
    const script = new Script();
    const agent = await start(script);
    const duplex = await dial(script, agent);
    const heard: string[] = [];
    duplex.on('data', (chunk: Buffer) => heard.push(chunk.toString()));
    script.stdout.write(encodeData(1, Buffer.from('from debugpy')));
    duplex.write('to debugpy');
    await until(() => heard.length > 0 && script.data.length > 0, 'bytes both ways');
    expect([heard, script.data]).toEqual([['from debugpy'], ['1:to debugpy']]);
    duplex.end();
    duplex.destroy();
    await script.asked('hangup');
    await agent.request('ping', {}, AbortSignal.timeout(50)).catch(() => undefined);
    expect(script.received.filter((one) => one.method === 'hangup')).toHaveLength(1);
  });

  test('end when the agent closes them, after what came before', async () => {
    const script = new Script();
    const agent = await start(script);
    const duplex = await dial(script, agent);
    script.stdout.write(encodeData(1, Buffer.from('last words')));
    script.say({ event: 'channel-closed', channel: 1, why: 'reset' });
    const heard: string[] = [];
    for await (const chunk of duplex) heard.push(String(chunk));
    expect(heard).toEqual(['last words']);
    expect(script.received.some((one) => one.method === 'hangup')).toBe(false);
  });

  test('upload sends all bytes, and stops when it is refused', async () => {
    const script = new Script();
    const agent = await start(script);
    const uploading = agent.upload('key', Buffer.alloc(700_000, 'z'), forever);
    const { id, params } = await script.asked('upload');
    expect(params).toMatchObject({ key: 'key', size: 700_000 });
    await until(() => script.data.reduce((sum, one) => sum + one.length - 2, 0) === 700_000, 'all bytes');
    script.say({ id, result: { path: '/tmp/there' } });
    await expect(uploading).resolves.toBe('/tmp/there');
  });
});

describe('the end', () => {
  test('settles requests and channels before `closed`', async () => {
    const script = new Script();
    const agent = await start(script);
    const order: string[] = [];
    const duplexes = agent.dial(1, forever);
    script.say({ id: (await script.asked('dial')).id, result: {} });
    const duplex = await duplexes;
    duplex.on('end', () => order.push('channel'));
    duplex.resume();
    const failing = agent.request('ping', {}, forever).catch((error: unknown) => {
      order.push('request');
      return error;
    });
    script.stderr.write('Traceback: boom');
    await until(() => script.stderr.readableLength === 0, 'stderr read');
    script.exit(1);
    const end = await agent.closed;
    expect(await failing).toMatchObject({ code: 'agent-lost' });
    await until(() => order.length === 2, 'both settled');
    expect(end).toEqual({ why: 'the agent ended with status 1', stderrTail: 'Traceback: boom' });
    await expect(agent.request('ping', {}, forever)).rejects.toMatchObject({ code: 'agent-lost' });
  });

  test('junk on the wire ends it with a name', async () => {
    const script = new Script();
    const agent = await start(script);
    script.stdout.write(Buffer.from([0, 0, 0, 2, 77, 0]));
    expect((await agent.closed).why).toBe('it sent a frame of kind 77');
  });

  test('close ends standard input and is idempotent', async () => {
    const script = new Script();
    const agent = await start(script);
    await Promise.all([agent.close(), agent.close()]);
    expect(script.stdin.writableEnded).toBe(true);
    expect((await agent.closed).why).toBe('it was closed');
  });
});
