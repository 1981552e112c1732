/**
 * A target that does what a test says: its one container starts, stops, moves and fails on command. What is exec'd in it
 * are real programs of this machine, unless the test gives them a body.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Replica, Scope, Snapshot } from '../../src/core/types.ts';
import { asDebugwandError, DebugwandError } from '../../src/lib/errors.ts';
import { observed } from '../../src/targets/snapshots.ts';
import type { ExecOptions, ExecStream, Target } from '../../src/targets/target.ts';
import { Wake } from '../../src/targets/wake.ts';

type Body = (replica: Replica, argv: readonly string[], options: ExecOptions) => Promise<ExecStream>;

export interface FakeOptions {
  /** What runs in the fake container; default: a process of this machine. */
  readonly body?: Body;
  /** With a helper container that works like `exec`. */
  readonly helper?: boolean;
  readonly interpreters?: readonly string[];
  readonly scope?: Scope;
}

export class FakeTarget implements Target {
  readonly kind = 'docker';
  readonly execHelper: Target['execHelper'];
  /** Every exec that was asked for, in order. */
  readonly execs: { readonly argv: readonly string[]; readonly options: ExecOptions; readonly helper: boolean }[] = [];
  readonly #options: FakeOptions;
  readonly #wakes = new Set<Wake>();
  readonly #streams = new Set<{ readonly kill: () => void; readonly close: () => void }>();
  readonly #failures: { exec: unknown[]; interpreters: unknown[] } = { exec: [], interpreters: [] };
  #replica: Replica | null = null;
  #error: DebugwandError | null = null;
  #starts = 0;
  #containers = 0;
  closed = false;

  constructor(options: FakeOptions = {}) {
    this.#options = options;
    this.execHelper =
      options.helper === true ? (replica, argv, signal) => this.#exec(replica, argv, {}, true, signal) : null;
  }

  /** How many of what was exec'd runs still. */
  get open(): number {
    return this.#streams.size;
  }

  /** Creates the container if there is none, and starts it. */
  start(): void {
    this.#starts += 1;
    if (this.#replica === null) this.#containers += 1;
    this.#set({
      id: this.#replica?.id ?? `fake-${String(this.#containers)}`,
      name: 'fake',
      state: 'running',
      startedAt: `start ${String(this.#starts)}`,
      scope: this.#options.scope ?? { kind: 'namespace' },
    });
  }

  /** Kills what runs in it. */
  stop(): void {
    this.cut('kill');
    this.#setState('stopped');
  }

  pause(): void {
    this.#setState('paused');
  }

  unpause(): void {
    this.#setState('running');
  }

  remove(): void {
    this.cut('kill');
    this.#set(null);
  }

  /** The platform is gone, or (null) there again. */
  fail(error: DebugwandError | null): void {
    this.#error = error;
    this.#changed();
  }

  /** The next call of that kind fails. */
  failNext(what: 'exec' | 'interpreters', error: unknown): void {
    this.#failures[what].push(error);
  }

  /** Ends all that is exec'd: as if killed, or as if only the wire was cut. */
  cut(how: 'kill' | 'close' = 'close'): void {
    for (const stream of this.#streams) stream[how]();
  }

  async *watch(signal: AbortSignal): AsyncGenerator<Snapshot, void, void> {
    const wake = new Wake();
    this.#wakes.add(wake);
    try {
      yield* observed(async (push, inner) => {
        while (!inner.aborted) {
          push(this.#snapshot());
          await wake.sleep(60_000, inner);
        }
      }, signal);
    } finally {
      this.#wakes.delete(wake);
    }
  }

  async exec(
    replica: Replica,
    argv: readonly string[],
    options: ExecOptions,
    signal: AbortSignal,
  ): Promise<ExecStream> {
    return this.#exec(replica, argv, options, false, signal);
  }

  async interpreters(): Promise<readonly string[]> {
    if (this.#failures.interpreters.length > 0) throw this.#failures.interpreters.shift();
    return this.#options.interpreters ?? ['python3'];
  }

  explain(error: unknown): DebugwandError {
    return asDebugwandError(error, 'fake-failed');
  }

  async close(): Promise<void> {
    this.closed = true;
    this.cut();
  }

  #snapshot(): Snapshot {
    if (this.#error !== null) return { replicas: [], waitingFor: null, error: this.#error };
    const replica = this.#replica;
    const waitingFor =
      replica?.state === 'running'
        ? null
        : replica === null
          ? 'container `fake` does not exist'
          : `container \`fake\` is ${replica.state}`;
    return { replicas: replica === null ? [] : [replica], waitingFor, error: null };
  }

  #setState(state: Replica['state']): void {
    if (this.#replica !== null) this.#set({ ...this.#replica, state });
  }

  #set(replica: Replica | null): void {
    this.#replica = replica;
    this.#changed();
  }

  #changed(): void {
    for (const wake of this.#wakes) wake.call();
  }

  async #exec(
    replica: Replica,
    argv: readonly string[],
    options: ExecOptions,
    helper: boolean,
    signal: AbortSignal,
  ): Promise<ExecStream> {
    signal.throwIfAborted();
    this.execs.push({ argv, options, helper });
    if (this.#failures.exec.length > 0) throw this.#failures.exec.shift();
    const now = this.#replica;
    if (now?.id !== replica.id || now.startedAt !== replica.startedAt || now.state === 'stopped') {
      throw new DebugwandError({ code: 'replica-gone', message: 'the container is gone', fix: 'start it' });
    }
    if (this.#options.body !== undefined) return this.#options.body(replica, argv, options);
    return this.#spawn(argv);
  }

  async #spawn(argv: readonly string[]): Promise<ExecStream> {
    const [program = '', ...args] = argv;
    const child = spawn(program, args, { stdio: 'pipe' });
    try {
      await once(child, 'spawn');
    } catch (error) {
      const message = `\`${program}\` cannot be run`;
      throw new DebugwandError({ code: 'exec-not-found', message, fix: 'install it', cause: error });
    }
    const { stdin, stdout, stderr } = child;
    for (const stream of [stdin, stdout, stderr]) stream.on('error', () => undefined);
    let closed = false;
    const close = (): void => {
      closed = true;
      for (const stream of [stdin, stdout, stderr]) stream.destroy();
    };
    const handle = { kill: () => child.kill('SIGKILL'), close };
    this.#streams.add(handle);
    const exit = new Promise<{ readonly code: number | null }>((resolve) => {
      child.once('close', (code) => {
        this.#streams.delete(handle);
        resolve({ code: closed ? null : (code ?? 137) });
      });
    });
    return { stdin, stdout, stderr, exit, close };
  }
}
