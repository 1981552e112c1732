// The real agent under a lease, on wires that are cut: the same conversation goes on, nothing lost and nothing twice.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, Socket, type Server } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { agentCommand } from '../../../src/agent/bundle.ts';
import { AgentClient } from '../../../src/agent/client.ts';
import type { AgentEvent } from '../../../src/agent/protocol.ts';
import type { Cut } from '../../../src/agent/wire.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { execHere } from '../../support/agent.ts';
import { Cuttable } from '../../support/cuttable.ts';
import { olderPythons, python } from '../../support/python.ts';
import { until } from '../../support/until.ts';

const everyAgent = [...(await olderPythons()), { version: '3.14', path: await python('3.14') }];
const anAgent = everyAgent[0]?.path ?? '';
const never = new AbortController().signal;

class Leased {
  readonly wires = new Cuttable((argv) => Promise.resolve(execHere(argv)));
  readonly cuts: (Cut | null)[] = [];
  readonly events: AgentEvent[] = [];
  client!: AgentClient;

  static async start(path: string, seconds: number, pingMs = 5_000): Promise<Leased> {
    const leased = new Leased();
    const { argv, bytes } = agentCommand(path);
    const stream = await leased.wires.open(argv, never);
    leased.client = await AgentClient.start(
      stream,
      {
        bundle: bytes,
        name: 'here',
        lease: {
          seconds,
          interpreter: path,
          pingMs,
          reopen: leased.wires.open,
          onCut: (cut) => leased.cuts.push(cut),
        },
      },
      never,
    );
    leased.client.onEvent((event) => leased.events.push(event));
    all.push(leased);
    return leased;
  }

  get pid(): number {
    return this.client.hello.pid;
  }

  get alive(): boolean {
    try {
      process.kill(this.pid, 0);
      return true;
    } catch {
      return false;
    }
  }

  async ping(): Promise<void> {
    await this.client.request('ping', {}, never);
  }
}

const all: Leased[] = [];
const servers: Server[] = [];

afterEach(async () => {
  await Promise.all(all.map(({ client }) => client.close()));
  for (const server of servers.splice(0)) server.close();
  for (const leased of all.splice(0)) await until(() => !leased.alive, 'the agent is gone');
});

/** Names of the abstract sockets that a process listens on. */
function doors(pid: number): string[] {
  const own = new Set(
    readdirSync(`/proc/${String(pid)}/fd`).map((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${String(pid)}/fd/${fd}`))?.[1] ?? '';
      } catch {
        return '';
      }
    }),
  );
  return readFileSync('/proc/net/unix', 'latin1')
    .split('\n')
    .map((line) => line.split(/ +/))
    .filter(([, , , flags, , , inode, name]) => flags === '00010000' && own.has(inode ?? '') && name !== undefined)
    .map((fields) => fields[7]?.slice(1) ?? '');
}

/** On the loopback; what connects is handed over. */
async function listen(accept: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    accept(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe.each(everyAgent)('an agent on Python $version', ({ path }) => {
  test('goes on with the same conversation over another wire', async () => {
    const leased = await Leased.start(path, 20);
    const port = await listen((socket) => socket.pipe(socket));
    const channel = await leased.client.dial(port, never);
    const heard: string[] = [];
    channel.on('data', (chunk: Buffer) => heard.push(chunk.toString()));
    channel.write('before;');
    await until(() => heard.join('') === 'before;', 'an echo');
    leased.wires.cut();
    channel.write('during;');
    const pong = leased.ping();
    await until(() => heard.join('') === 'before;during;', 'an echo of what was said meanwhile');
    await pong;
    expect(leased.cuts.map((cut) => cut === null)).toEqual([false, true]);
    // A second time, over the bridge's wire.
    leased.wires.cut();
    await leased.ping();
    channel.destroy();
    expect(leased.wires.opened).toBe(3);
  });

  test('leaves once nobody came back within the lease', async () => {
    const leased = await Leased.start(path, 0.5);
    leased.wires.refuse = new DebugwandError({ code: 'unreachable', message: 'no way', fix: 'wait' });
    const cut = performance.now();
    leased.wires.cut();
    await until(() => !leased.alive, 'the agent is gone');
    expect(performance.now() - cut).toBeGreaterThan(400);
    expect((await leased.client.closed).why).toMatch(/could not be reached again in time/);
  });
});

describe('a cut', () => {
  test('at any byte: each byte arrives once, in order, both ways', { timeout: 120_000 }, async () => {
    const size = 3_000_000;
    const sent = Buffer.from(Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8)) & 0xff));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 2_000_000 }), { minLength: 1, maxLength: 6 }),
        async (cuts) => {
          const leased = await Leased.start(anAgent, 20);
          const port = await listen((socket) => socket.pipe(socket));
          const channel = await leased.client.dial(port, never);
          const echoed: Buffer[] = [];
          let bytes = 0;
          channel.on('data', (chunk: Buffer) => {
            echoed.push(chunk);
            bytes += chunk.length;
          });
          const left = [...cuts];
          const next = (): void => {
            leased.wires.bytesLeft = left.shift() ?? Infinity;
          };
          next();
          leased.wires.cut();
          const timer = setInterval(() => {
            if (leased.wires.bytesLeft === Infinity) next();
          }, 5);
          channel.write(sent);
          await until(() => bytes >= size, 'all of it', 60_000);
          clearInterval(timer);
          await leased.ping();
          expect(bytes).toBe(size);
          expect(leased.cuts.length).toBeGreaterThanOrEqual(2);
          expect(Buffer.concat(echoed).equals(sent)).toBe(true);
          channel.destroy();
          await leased.client.close();
        },
      ),
      { numRuns: 8 },
    );
  });

  test('while the daemon closes: the agent is left to its lease', async () => {
    const leased = await Leased.start(anAgent, 0.5);
    leased.wires.refuse = new Error('no way');
    leased.wires.cut();
    await until(() => leased.cuts.length > 0, 'the cut is seen');
    const asked = performance.now();
    await leased.client.close();
    expect(performance.now() - asked).toBeLessThan(300);
    await until(() => !leased.alive, 'the agent is gone');
  });

  test('that nobody is told of is found by silence, and mended over another wire', async () => {
    const leased = await Leased.start(anAgent, 20, 50);
    leased.wires.freeze(true);
    await until(() => leased.cuts.length === 2, 'cut, and mended');
    await leased.ping();
    expect(leased.wires.opened).toBe(2);
  });

  test('that was but a pause is none: the same wire goes on', async () => {
    const leased = await Leased.start(anAgent, 20, 50);
    leased.wires.refuse = new Error('no way');
    leased.wires.freeze(true);
    const answer = leased.ping();
    await until(() => leased.cuts.length === 1, 'the silence is noticed');
    leased.wires.freeze(false);
    await answer;
    await until(() => leased.cuts.length === 2, 'mended');
    leased.wires.refuse = null;
    const { opened } = leased.wires;
    await leased.ping();
    expect(leased.wires.opened).toBe(opened);
  });

  test('of an agent that is gone by then ends it at once', async () => {
    const leased = await Leased.start(anAgent, 20);
    leased.wires.cut();
    process.kill(leased.pid, 'SIGKILL');
    expect((await leased.client.closed).why).toMatch(/left meanwhile/);
  });

  test('with the replica gone ends it at once', async () => {
    const leased = await Leased.start(anAgent, 0.5);
    leased.wires.refuse = new DebugwandError({ code: 'replica-gone', message: 'it does not run', fix: '' });
    leased.wires.cut();
    expect((await leased.client.closed).why).toMatch(/does not run/);
  });
});

describe('the door', () => {
  test('opens for nobody who does not know the token', async () => {
    const leased = await Leased.start(anAgent, 20);
    const [name = ''] = await until(() => {
      const found = doors(leased.pid);
      return found.length > 0 && found;
    }, 'a door');
    const tries = [
      Buffer.alloc(5_000, 'x'),
      Buffer.from('0000002702' + Buffer.from('{"resume": "guess", "received": 1}    ').toString('hex'), 'hex'),
    ];
    for (const bytes of tries) {
      const socket = new Socket();
      socket.on('error', () => undefined);
      socket.connect(`\0${name}`);
      socket.write(bytes);
      let said = 0;
      socket.on('data', (chunk: Buffer) => (said += chunk.length));
      await until(() => socket.closed, 'hung up on');
      expect(said).toBe(0);
    }
    await leased.ping();
    expect(leased.cuts).toEqual([]);
  });
});
