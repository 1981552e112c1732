// Owns the way to the ports of one replica: its relay is started at once and again when it is lost, until the replica is
// left. Connections that are open then go on as long as their replica does.
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { messageOf } from '../lib/errors.ts';
import { pause } from '../lib/time.ts';
import { relayCommand, type AgentCommand } from '../agent/bundle.ts';
import { delayMs } from '../core/backoff.ts';
import type { Replica } from '../core/types.ts';
import { Refused, RelayClient } from '../forward/relay.ts';
import { dialledWire } from '../forward/relay-wire.ts';
import type { ExecStream, Target } from '../targets/target.ts';
import { Wake } from '../targets/wake.ts';
import { startOnFirst } from './interpreter.ts';

const RESTART = { firstMs: 250, maxMs: 10_000, healthyMs: 5_000 };

export interface ForwardRelayHooks {
  /** It can be dialled, or cannot any more. */
  readonly onChange: () => void;
  readonly log: (level: 'debug' | 'info', text: string) => void;
}

export class ForwardRelay {
  readonly replica: Replica;
  readonly #target: Target;
  readonly #hooks: ForwardRelayHooks;
  readonly #abort = new AbortController();
  readonly #running: Promise<void>;
  readonly #wake = new Wake();
  #relay: RelayClient | null = null;
  #interpreter: string | null = null;
  #why: string;
  #retired = false;
  #undialled = false;

  constructor(target: Target, replica: Replica, hooks: ForwardRelayHooks) {
    this.#target = target;
    this.replica = replica;
    this.#hooks = hooks;
    this.#why = `a way into ${replica.name} is being opened`;
    this.#running = this.#run();
  }

  /** Null: it can be dialled. Else what is waited for. */
  get waitingFor(): string | null {
    return this.#relay === null ? this.#why : null;
  }

  /** Resolves when it is over. Never rejects. */
  get over(): Promise<void> {
    return this.#running;
  }

  /** @throws Refused: nothing was delivered */
  async dial(port: number, signal: AbortSignal): Promise<Duplex> {
    if (this.#relay !== null) return this.#relay.dial(port, signal);
    this.#wake.call();
    throw new Refused(this.#why);
  }

  /** Takes no more connections; ends when the last one does. */
  retire(): void {
    this.#retired = true;
    if (this.#relay === null || this.#relay.connections === 0) this.close();
  }

  /** Ends all of it. Idempotent. */
  close(): void {
    this.#abort.abort();
    this.#relay?.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    for (let failures = 0; !signal.aborted;) {
      const since = performance.now();
      try {
        const relay = await this.#start();
        this.#relay = relay;
        this.#hooks.onChange();
        if (signal.aborted) relay.close();
        const why = await relay.closed;
        this.#why = `the way into ${this.replica.name} is being opened again: ${why}`;
      } catch (error) {
        this.#why = this.#target.explain(error).message;
      }
      this.#relay = null;
      if (signal.aborted) return;
      this.#hooks.log('debug', `forward: ${this.#why}`);
      this.#hooks.onChange();
      if (this.#retired) return;
      failures = performance.now() - since > RESTART.healthyMs ? 1 : failures + 1;
      const ms = delayMs(RESTART, failures, Math.random());
      // Somebody who waits makes it sooner, but no more often than one can start a program.
      await pause(Math.min(ms, RESTART.firstMs), signal);
      if (ms > RESTART.firstMs) await this.#wake.sleep(ms - RESTART.firstMs, signal);
    }
  }

  async #start(): Promise<RelayClient> {
    if (this.#interpreter !== null) return this.#startWith(this.#interpreter);
    const start = (interpreter: string): Promise<RelayClient> => this.#startWith(interpreter);
    const { interpreter, started } = await startOnFirst(this.#target, this.replica, start, this.#abort.signal);
    this.#interpreter = interpreter;
    return started;
  }

  async #startWith(interpreter: string): Promise<RelayClient> {
    const { signal } = this.#abort;
    const dial = this.#target.dial?.bind(this.#target);
    const options = {
      name: this.replica.name,
      onIdle: (): void => {
        if (this.#retired) this.close();
      },
    };
    const exec = ({ argv }: AgentCommand): Promise<ExecStream> => this.#target.exec(this.replica, argv, {}, signal);
    if (dial !== undefined && !this.#undialled) {
      const token = randomBytes(24).toString('hex');
      const command = relayCommand(interpreter, token);
      const program = { stream: await exec(command), bundle: command.bytes };
      try {
        const open = (port: number): Promise<Duplex> => dial(this.replica, port, signal);
        const wire = await dialledWire(program, open, signal);
        return await RelayClient.start(wire, { ...options, first: Buffer.from(token) }, signal);
      } catch (error) {
        // No right to it, or a network policy: the program's own streams do, only slower.
        this.#hooks.log('debug', `forward: not by a connection of its own: ${messageOf(error)}`);
        this.#undialled = true;
        signal.throwIfAborted();
      }
    }
    const command = relayCommand(interpreter, null);
    return RelayClient.start(await exec(command), { ...options, first: command.bytes }, signal);
  }
}
