// Owns the daemon's end of one relay: its start, the connections through it, and one end to it all.
// Must not know where it runs, nor for whom a connection is.
import type { Duplex } from 'node:stream';
import { DebugwandError, messageOf } from '../lib/errors.ts';
import type { ExecStream } from '../targets/target.ts';
import { RelayChannel } from './relay-channel.ts';
import * as wire from './wire.ts';

const HANDSHAKE_MS = 15_000;
/** A wire that is silent for two of these is dead: some die without a word. The relay itself waits for 90 s. */
const PING_MS = 20_000;
const STDERR_TAIL = 2_048;

export interface RelayOptions {
  /** What it is to read before any frame: its program, or the token that it knows us by. */
  readonly first: Uint8Array;
  /** Of the replica, for messages. */
  readonly name: string;
  /** The last of its connections ended. */
  readonly onIdle: () => void;
}

interface Opening {
  readonly opened: () => void;
  readonly refused: (why: Error) => void;
}

/** Nothing was delivered: it may be tried again. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

export class RelayClient {
  readonly #stream: ExecStream;
  readonly #name: string;
  readonly #channels = new Map<number, RelayChannel>();
  readonly #opening = new Map<number, Opening>();
  /** Writers that wait for room on the wire. */
  readonly #waiting: (() => void)[] = [];
  readonly #onIdle: () => void;
  readonly #greeted = Promise.withResolvers<null>();
  readonly #closed = Promise.withResolvers<string>();
  readonly #decoder = new wire.Decoder((frame) => {
    this.#frame(frame);
  });
  readonly #pinging: NodeJS.Timeout;
  #silent = 0;
  #stderr = '';
  #last = 0;
  #ended = false;

  private constructor(stream: ExecStream, { name, onIdle }: RelayOptions) {
    this.#stream = stream;
    this.#name = name;
    this.#onIdle = onIdle;
    stream.stdin.on('drain', () => {
      for (const done of this.#waiting.splice(0)) done();
    });
    stream.stdout.on('data', (chunk: Buffer) => {
      this.#receive(chunk);
    });
    stream.stderr.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-STDERR_TAIL);
    });
    for (const part of [stream.stdin, stream.stdout, stream.stderr]) {
      part.on('error', (error: Error) => {
        this.#end(messageOf(error));
      });
    }
    void stream.exit.then(({ code, error }) => {
      if (error !== undefined) this.#end(messageOf(error));
      else this.#end(code === null ? 'the connection was cut' : `the relay ended with status ${String(code)}`);
    });
    this.#pinging = setInterval(() => {
      this.#ping();
    }, PING_MS);
  }

  /**
   * Says the first word and waits for its first word. Owns the stream from here on, also when it fails.
   * @throws DebugwandError `agent-handshake`
   */
  static async start(stream: ExecStream, options: RelayOptions, signal: AbortSignal): Promise<RelayClient> {
    const relay = new RelayClient(stream, options);
    const timer = setTimeout(() => {
      relay.#end('it did not answer in time');
    }, HANDSHAKE_MS);
    const abort = (): void => {
      relay.#end('it is not wanted any more');
    };
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    else stream.stdin.write(options.first);
    try {
      await relay.#greeted.promise;
      return relay;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  /** Resolves once with why, when every connection has been ended. */
  get closed(): Promise<string> {
    return this.#closed.promise;
  }

  get connections(): number {
    return this.#channels.size;
  }

  /** A connection to a port on the target's loopback. @throws Refused when there is none */
  async dial(port: number, signal: AbortSignal): Promise<Duplex> {
    if (this.#ended || signal.aborted) throw new Refused('the relay is gone');
    this.#last += 1;
    const number = this.#last;
    const channel = this.#channel(number);
    const opening = Promise.withResolvers<null>();
    this.#opening.set(number, {
      opened: () => {
        opening.resolve(null);
      },
      refused: opening.reject,
    });
    const abort = (): void => {
      opening.reject(new Refused('it is not wanted any more'));
    };
    signal.addEventListener('abort', abort);
    this.#write(wire.openFrame(number, port));
    try {
      await opening.promise;
      return channel;
    } catch (error) {
      channel.destroy();
      throw error;
    } finally {
      this.#opening.delete(number);
      signal.removeEventListener('abort', abort);
    }
  }

  /** Ends every connection, and the relay. Idempotent. */
  close(): void {
    this.#end('it was closed');
  }

  #channel(number: number): RelayChannel {
    const channel = new RelayChannel({
      send: (bytes, done) => {
        // Not put together: a big body would be copied once more.
        this.#stream.stdin.cork();
        this.#write(wire.header(number, wire.DATA, bytes.length));
        const room = this.#write(bytes);
        this.#stream.stdin.uncork();
        if (room) done();
        else this.#waiting.push(done);
      },
      end: () => {
        this.#write(wire.encode(number, wire.END));
      },
      reset: () => {
        this.#write(wire.encode(number, wire.RESET));
      },
      grant: (bytes) => {
        this.#write(wire.roomFrame(number, bytes));
      },
      forget: () => {
        this.#channels.delete(number);
        if (this.#channels.size === 0) this.#onIdle();
      },
    });
    // Whoever dials hears of it too; an error that nobody heard would end the daemon.
    channel.on('error', () => undefined);
    this.#channels.set(number, channel);
    return channel;
  }

  #receive(chunk: Buffer): void {
    if (this.#ended) return;
    this.#silent = 0;
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.#end(messageOf(error));
      return;
    }
    if (this.#decoder.greeted) this.#greeted.resolve(null);
  }

  #frame({ stream, kind, body }: wire.Frame): void {
    const channel = this.#channels.get(stream);
    switch (kind) {
      case wire.OPENED:
        return this.#opening.get(stream)?.opened();
      case wire.REFUSED:
        return this.#opening.get(stream)?.refused(new Refused(body.toString('utf8')));
      case wire.DATA:
        return channel?.receive(body);
      case wire.END:
        return channel?.receiveEnd();
      case wire.RESET:
        return channel?.lost('the app reset the connection');
      case wire.ROOM:
        return channel?.receiveRoom(body.length === 4 ? body.readUInt32BE(0) : 0);
      default:
    }
  }

  #ping(): void {
    this.#silent += 1;
    if (this.#silent > 2) this.#end('it does not answer any more');
    else this.#write(wire.encode(0, wire.PING));
  }

  #write(bytes: Buffer): boolean {
    if (this.#ended || this.#stream.stdin.destroyed) return true;
    return this.#stream.stdin.write(bytes);
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#pinging);
    this.#stream.close();
    this.#greeted.promise.catch(() => undefined);
    this.#greeted.reject(notStarted(this.#name, why, this.#stderr === '' ? this.#decoder.junk : this.#stderr));
    for (const opening of this.#opening.values()) opening.refused(new Refused(why));
    for (const channel of this.#channels.values()) channel.lost(why);
    for (const done of this.#waiting.splice(0)) done();
    this.#stream.stdout.resume();
    this.#closed.resolve(why);
  }
}

function notStarted(name: string, why: string, tail: string): DebugwandError {
  const last = tail.trim().split('\n').at(-1) ?? '';
  return new DebugwandError({
    code: 'agent-handshake',
    message: `no relay could be started in ${name}: ${last === '' ? why : last}`,
    fix: 'ports are forwarded by a small program on a Python 3.8 or later of the target: see that one may be run there',
  });
}
