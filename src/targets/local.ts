// Owns the local target: processes of this machine, by a command that we start, by pid, or by their command lines. Linux
// only: elsewhere it says so and what works instead.
import { DebugwandError, asDebugwandError } from '../lib/errors.ts';
import { pause } from '../lib/time.ts';
import type { Replica, Scope, Snapshot, TargetSource } from '../core/types.ts';
import { agoText } from '../lib/ago.ts';
import { LocalCommand } from './local-command.ts';
import { execHere, type LocalExec } from './local-exec.ts';
import { ringWord, withHook } from './local-environment.ts';
import { findInterpreters } from './local-interpreters.ts';
import { cwdOf, isAlive, startTimeOf } from './local-proc.ts';
import { observed } from './snapshots.ts';
import type { CommandChild, ExecOptions, ExecStream, Target } from './target.ts';
import { Wake } from './wake.ts';

export type LocalSource = Extract<TargetSource, { kind: 'local' }>;

export interface LocalOptions {
  /** For words: the name of the target in the config. */
  readonly name: string;
  readonly inheritStdio: boolean;
  readonly onLine: (stream: 'stdout' | 'stderr', line: string) => void;
  /** @internal for tests */
  readonly platform?: NodeJS.Platform;
}

/** How often a pid is looked after, ms: one small read. */
const PID_POLL_MS = 500;
/** How often words like "3 s ago" are renewed, ms. */
const WORDS_MS = 10_000;
/** What agents get to leave in order when the target is closed, ms. */
const LEAVE_MS = 1_000;
const NAME = 'this machine';

export class LocalTarget implements Target {
  readonly kind = 'local';
  readonly execHelper = null;
  readonly child?: CommandChild;
  readonly ring?: string;
  readonly #source: LocalSource;
  readonly #options: LocalOptions;
  readonly #unsupported: DebugwandError | null;
  readonly #command: LocalCommand | null;
  readonly #running = new Set<LocalExec>();
  readonly #wake = new Wake();
  /** Start time of the pid that was named, from the moment that it was first seen: pids are used again. */
  #pidStart: string | null = null;

  constructor(source: LocalSource, options: LocalOptions) {
    this.#source = source;
    this.#options = options;
    this.#unsupported = whyUnsupported(options.platform ?? process.platform);
    const ring = 'command' in source ? ringWord() : undefined;
    if (ring !== undefined) this.ring = ring;
    this.#command =
      'command' in source && this.#unsupported === null
        ? new LocalCommand({
            argv: source.command,
            cwd: source.cwd,
            inheritStdio: options.inheritStdio,
            environment: (before) => (ring === undefined ? before : withHook(before, ring)),
            onLine: options.onLine,
            onChange: () => {
              this.#wake.call();
            },
          })
        : null;
    if (this.#command !== null) this.child = this.#command;
  }

  /** Starts the command of the target, if it has one. */
  async start(): Promise<void> {
    await this.#command?.start();
  }

  watch(signal: AbortSignal): AsyncIterable<Snapshot> {
    return observed(async (push, inner) => {
      while (!inner.aborted) {
        push(this.#look());
        if (this.#unsupported !== null)
          await new Promise((done) => {
            inner.addEventListener('abort', done);
          });
        else if ('pid' in this.#source) await pause(PID_POLL_MS, inner);
        else await this.#wake.sleep(WORDS_MS, inner);
      }
    }, signal);
  }

  async exec(
    replica: Replica,
    argv: readonly string[],
    options: ExecOptions,
    signal: AbortSignal,
  ): Promise<ExecStream> {
    if (this.#unsupported !== null) throw this.#unsupported;
    const now = this.#look().replicas[0];
    if (now?.startedAt !== replica.startedAt || now.state !== 'running') {
      throw new DebugwandError({
        code: 'replica-gone',
        message: this.#look().waitingFor ?? 'the process is gone',
        fix: 'nothing to do: it is entered again as soon as it runs',
      });
    }
    const running = await execHere(argv, options.user, signal);
    this.#running.add(running);
    void running.gone.then(() => this.#running.delete(running));
    return running;
  }

  async interpreters(replica: Replica, signal: AbortSignal): Promise<readonly string[]> {
    if (this.#unsupported !== null) throw this.#unsupported;
    return findInterpreters(replica.scope, signal);
  }

  explain(error: unknown): DebugwandError {
    return asDebugwandError(error, 'local-failed');
  }

  async close(): Promise<void> {
    // Agents first: they free the app while it is still there.
    await Promise.all([...this.#running].map((running) => running.end(LEAVE_MS)));
    await this.#command?.close();
  }

  #look(): Snapshot {
    if (this.#unsupported !== null) return { replicas: [], waitingFor: null, error: this.#unsupported };
    if ('command' in this.#source) return this.#lookAtCommand(this.#source.command, this.#source.cwd);
    if ('pid' in this.#source) return this.#lookAtPid(this.#source.pid);
    // The machine always runs; whether something matches is for the process tree to say.
    return running({ scope: { kind: 'match', pattern: this.#source.match }, startedAt: `boot ${bootMark()}` });
  }

  #lookAtCommand(command: readonly string[], cwd: string): Snapshot {
    const state = this.#command?.state ?? { state: 'idle' };
    const words = `\`${command.join(' ')}\``;
    const again = `start it again: \`wand restart ${this.#options.name}\``;
    switch (state.state) {
      case 'idle':
        return waiting(`${words} is being started`);
      case 'failed':
        return { replicas: [], waitingFor: null, error: state.error };
      case 'ended': {
        const how =
          state.code === null ? `was ended by ${state.signal ?? 'a signal'}` : `exited with ${String(state.code)}`;
        return waiting(`${words} ${how}, ${agoText(Date.now() - state.at)}; ${again}`);
      }
      case 'running': {
        const scope: Scope = { kind: 'descendants', roots: [state.pid] };
        return running({
          scope,
          startedAt: `pid ${String(state.pid)} at ${state.startTime}`,
          workingDir: cwd,
          ...(this.#command?.isToldToEnd === true ? { toldToEnd: true } : {}),
        });
      }
      default:
        return state satisfies never;
    }
  }

  #lookAtPid(pid: number): Snapshot {
    const startTime = isAlive(pid) ? startTimeOf(pid) : null;
    if (startTime === null) {
      return waiting(this.#pidStart === null ? `there is no process ${String(pid)}` : `process ${String(pid)} ended`);
    }
    this.#pidStart ??= startTime;
    if (this.#pidStart !== startTime) return waiting(`process ${String(pid)} ended; that number is another one's now`);
    const cwd = cwdOf(pid);
    return running({
      scope: { kind: 'descendants', roots: [pid] },
      startedAt: `pid ${String(pid)} at ${startTime}`,
      ...(cwd === null ? {} : { workingDir: cwd }),
    });
  }
}

function running(facts: Pick<Replica, 'scope' | 'startedAt' | 'workingDir' | 'toldToEnd'>): Snapshot {
  return { replicas: [{ id: 'host', name: NAME, state: 'running', ...facts }], waitingFor: null, error: null };
}

function waiting(waitingFor: string): Snapshot {
  return { replicas: [], waitingFor, error: null };
}

/** Start time of process 1: the machine's (or container's) start. */
function bootMark(): string {
  return startTimeOf(1) ?? '';
}

function whyUnsupported(platform: NodeJS.Platform): DebugwandError | null {
  if (platform === 'linux') return null;
  const system = platform === 'darwin' ? 'macOS' : platform === 'win32' ? 'Windows' : platform;
  return new DebugwandError({
    code: 'local-unsupported',
    message: `processes of this machine can only be debugged on Linux, and this is ${system}`,
    fix: 'run the app in a container and use a docker target, e.g. { docker: { container: "api" } }: that works here too',
    permanent: true,
  });
}
