// Owns the daemon's end of one agent: requests and their answers, channels, events, and one end to it all.
// Must not decide what to ask for, nor how the agent's program is started.
import type { Duplex } from 'node:stream';
import type { ExecStream } from '../targets/target.ts';
import { Channels, CHUNK_BYTES } from './channels.ts';
import { AgentFailure, agentLost, noAgent, reasonOf } from './failure.ts';
import { encodeMessage, type Frame } from './framing.ts';
import { parseIncoming, RESULTS } from './guards.ts';
import type { AgentEvent, Hello, Methods } from './protocol.ts';
import { AgentWire, type Lease } from './wire.ts';

export { AgentFailure } from './failure.ts';

const HANDSHAKE_MS = 15_000;
/** The agent leaves within 5 s of the end of its standard input; then the wire is cut. */
const LEAVE_MS = 6_000;

export interface AgentOptions {
  /** What the agent's program reads first: `agentCommand().bytes`. */
  readonly bundle: Uint8Array;
  /** Of the replica, for messages. */
  readonly name: string;
  readonly handshakeMs?: number;
  /** Makes a cut no end: requests and channels wait, and go on. */
  readonly lease?: Lease;
}

export interface AgentEnd {
  /** In words. */
  readonly why: string;
  /** The last of what the agent (or whatever ran instead of it) wrote to standard error. */
  readonly stderrTail: string;
}

interface Pending {
  readonly method: string;
  readonly settle: (result: unknown) => void;
  readonly fail: (error: Error) => void;
}

export class AgentClient {
  readonly #wire: AgentWire;
  readonly #name: string;
  readonly #pending = new Map<number, Pending>();
  readonly #channels: Channels;
  readonly #listeners = new Set<(event: AgentEvent) => void>();
  readonly #greeted = Promise.withResolvers<Hello>();
  readonly #closed = Promise.withResolvers<AgentEnd>();
  #hello: Hello | null = null;
  #lastId = 0;
  #ended = false;
  #leaving = false;

  private constructor(stream: ExecStream, name: string, lease: Lease | null) {
    this.#name = name;
    const hooks = {
      onFrame: (frame: Frame): void => {
        this.#frame(frame);
      },
      onEnd: (why: string, tail: string): void => {
        this.#settle(why, tail);
      },
    };
    this.#wire = new AgentWire(stream, hooks, lease);
    this.#channels = new Channels({
      send: (frame) => this.#write(frame),
      whenRoom: (done) => {
        this.#wire.whenRoom(done);
      },
      hangup: (channel) => {
        if (this.#ended || this.#leaving) return;
        // Nobody waits for it: an agent that is gone has hung up.
        this.request('hangup', { channel }, new AbortController().signal).catch(() => undefined);
      },
      pause: (paused) => {
        this.#wire.pause(paused);
      },
    });
  }

  /**
   * Sends the bundle and waits for the agent's first word. Owns the stream from here on, also when it fails.
   * @throws DebugwandError `agent-handshake`: no Python, one that is too old, or no answer in time.
   */
  static async start(stream: ExecStream, options: AgentOptions, signal: AbortSignal): Promise<AgentClient> {
    const agent = new AgentClient(stream, options.name, options.lease ?? null);
    const timer = setTimeout(() => {
      agent.#wire.end('it did not answer in time');
    }, options.handshakeMs ?? HANDSHAKE_MS);
    const abort = (): void => {
      agent.#wire.end('it is not wanted any more');
    };
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    else agent.#wire.begin(options.bundle);
    try {
      await agent.#greeted.promise;
      return agent;
    } catch (error) {
      await agent.closed;
      signal.throwIfAborted();
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  get hello(): Hello {
    if (this.#hello === null) throw new Error('an agent is there only after its first word');
    return this.#hello;
  }

  /** Resolves once, last of all: requests have failed and channels have ended by then. */
  get closed(): Promise<AgentEnd> {
    return this.#closed.promise;
  }

  /** Every event but `hello`. Returns a function that stops it. */
  onEvent(listener: (event: AgentEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * @throws AgentFailure when the agent says no, DebugwandError `agent-lost` when it is gone, the signal's reason when that
   * aborts: the agent turns back from an aborted `enter`, or releases what it reached.
   */
  request<M extends keyof Methods>(
    method: M,
    params: Methods[M]['params'],
    signal: AbortSignal,
  ): Promise<Methods[M]['result']> {
    const { promise, resolve, reject } = Promise.withResolvers<Methods[M]['result']>();
    if (signal.aborted || this.#ended || this.#leaving) {
      reject(signal.aborted ? reasonOf(signal) : agentLost(this.#name, 'it is closed'));
      return promise;
    }
    const id = ++this.#lastId;
    const abort = (): void => {
      // Nobody waits for the answer any more.
      this.#pending.set(id, { method, settle: () => undefined, fail: () => undefined });
      reject(reasonOf(signal));
      if (method !== 'enter' || !('pid' in params) || !('startTime' in params)) return;
      const { pid, startTime } = params;
      this.request('release', { pid, startTime }, new AbortController().signal).catch(() => undefined);
    };
    signal.addEventListener('abort', abort, { once: true });
    this.#pending.set(id, {
      method,
      settle: (value) => {
        signal.removeEventListener('abort', abort);
        const result = RESULTS[method](value);
        if (result === null) reject(new AgentFailure({ code: 'internal', message: `not an answer to ${method}` }));
        else resolve(result);
      },
      fail: (error) => {
        signal.removeEventListener('abort', abort);
        reject(error);
      },
    });
    this.#write(encodeMessage({ id, method, params }));
    return promise;
  }

  /** A byte stream to a TCP port on the target's loopback. @throws as `request` does. */
  async dial(port: number, signal: AbortSignal): Promise<Duplex> {
    const { channel, duplex } = this.#channels.open();
    try {
      await this.request('dial', { channel, port }, signal);
    } catch (error) {
      // Aborted: it may be open over there. Refused: closing what is closed does no harm.
      duplex.destroy();
      throw error;
    }
    return duplex;
  }

  /** Sends a zip file of debugpy; resolves with its folder on the target. `key` names the content. @throws as `request`. */
  async upload(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<string> {
    const channel = this.#channels.number();
    const answer = this.request('upload', { channel, key, size: bytes.length }, signal);
    const failed = answer.then(
      () => false,
      () => true,
    );
    for (let at = 0; at < bytes.length && !this.#ended; at += CHUNK_BYTES) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      this.#channels.send(channel, bytes.subarray(at, at + CHUNK_BYTES), () => {
        resolve(false);
      });
      if (await Promise.race([promise, failed])) break;
    }
    return (await answer).path;
  }

  /** Lets the agent release what it entered and leave; cuts the wire when it does not. Idempotent. */
  async close(): Promise<void> {
    if (!this.#leaving && !this.#ended) {
      this.#leaving = true;
      // While the wire is cut nobody can be told.
      if (!this.#wire.leave()) this.#wire.end('it was closed');
    }
    const timer = setTimeout(() => {
      this.#wire.end('it did not leave in time');
    }, LEAVE_MS);
    await this.closed;
    clearTimeout(timer);
  }

  #frame(frame: Frame): void {
    if (this.#ended) return;
    if (frame.kind === 'bad') {
      // The agent never does that: something else writes to its standard output, and nothing that follows can be trusted.
      this.#wire.end(`it sent ${frame.why}`);
      return;
    }
    if (frame.kind === 'data') {
      this.#channels.receive(frame.channel, frame.bytes);
      return;
    }
    const incoming = parseIncoming(frame.kind === 'message' ? frame.value : null);
    if (incoming === null) {
      this.#wire.end('it sent a message that this version does not know');
    } else if (incoming.type === 'event') {
      this.#event(incoming.event);
    } else if (incoming.id !== null) {
      const pending = this.#pending.get(incoming.id);
      this.#pending.delete(incoming.id);
      if (incoming.type === 'answer') pending?.settle(incoming.result);
      else pending?.fail(new AgentFailure(incoming.error));
    }
  }

  #event(event: AgentEvent): void {
    if (event.event === 'hello') {
      this.#hello = event;
      this.#wire.grantLease();
      this.#greeted.resolve(event);
      return;
    }
    if (event.event === 'channel-closed') this.#channels.closed(event.channel);
    for (const listener of this.#listeners) listener(event);
  }

  #write(bytes: Buffer): boolean {
    return this.#ended || this.#leaving || this.#wire.send(bytes);
  }

  /** After the one end of the wire: everything is settled, then `closed` resolves. */
  #settle(why: string, stderrTail: string): void {
    this.#ended = true;
    const reason = this.#leaving ? 'it was closed' : why;
    if (this.#hello === null) {
      this.#greeted.promise.catch(() => undefined);
      this.#greeted.reject(noAgent(this.#name, why, stderrTail));
    }
    for (const pending of this.#pending.values()) pending.fail(agentLost(this.#name, reason));
    this.#pending.clear();
    this.#channels.end();
    this.#closed.resolve({ why: reason, stderrTail });
  }
}
