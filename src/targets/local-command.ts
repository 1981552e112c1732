// Owns the command that wand starts itself: its start, end, restart, signals and output. Must not know Python.
//
// node:child_process and not execa: raw pipes, process groups and inherited terminals are all that is needed.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { DebugwandError } from '../lib/errors.ts';
import { startTimeOf } from './local-proc.ts';
import { endAll, kill, type Known, treeBelow } from './local-tree.ts';
import { whyNotRunnable } from './runnable.ts';
import type { CommandChild } from './target.ts';

export interface CommandOptions {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** The command gets our own stdin, stdout and stderr, terminal included; else each line goes to `onLine`. */
  readonly inheritStdio: boolean;
  /** The command's environment, made of ours. */
  readonly environment: (before: NodeJS.ProcessEnv) => NodeJS.ProcessEnv;
  readonly onLine: (stream: 'stdout' | 'stderr', line: string) => void;
  /** Told of every start and end. */
  readonly onChange: () => void;
}

export type CommandState =
  | { readonly state: 'idle' }
  | { readonly state: 'running'; readonly pid: number; readonly startTime: string }
  | {
      readonly state: 'ended';
      readonly code: number | null;
      readonly signal: NodeJS.Signals | null;
      readonly at: number;
    }
  | { readonly state: 'failed'; readonly error: DebugwandError };

type End = Awaited<CommandChild['exited']>;

/** How long the command may take to stop by itself before it is killed, ms: all of wand has 2 s. */
const STOP_MS = 1_200;
/** A line longer than that is cut: the log is for people. */
const MAX_LINE = 10_000;

export class LocalCommand implements CommandChild {
  readonly #options: CommandOptions;
  #state: CommandState = { state: 'idle' };
  #child: ChildProcess | null = null;
  /** The run is being ended by us: neither news nor the end of `exited`, unless for good. */
  #stopping = false;
  #exited = Promise.withResolvers<End>();
  #closed = false;
  /** This run was told to end, by us or by the terminal. Whether it does is its own business. */
  #toldToEnd = false;
  /** What was below the command when it was last told to end. */
  #below: readonly Known[] = [];

  constructor(options: CommandOptions) {
    this.#options = options;
  }

  get state(): CommandState {
    return this.#state;
  }

  /** Resolves when the command ends by itself or for good, not when it is restarted meanwhile. Never rejects. */
  get exited(): Promise<End> {
    return this.#exited.promise;
  }

  /** Starts it. A command that cannot be started ends in the state `failed`. */
  async start(): Promise<void> {
    if (this.#closed || this.#state.state === 'running') return;
    const wrapper = await deathWrapper();
    // Looked at again: another start or the close may have come while we waited.
    if (this.#closed || this.#isRunning()) return;
    const { argv, cwd, inheritStdio } = this.#options;
    const [program = '', ...args] = argv;
    const missing = whyNotRunnable(program, cwd);
    if (missing !== null) {
      this.#end({ state: 'failed', error: missing }, { code: 127, signal: null, error: missing });
      return;
    }
    const [file = program, ...rest] = [...wrapper, program, ...args];
    const child = spawn(file, rest, {
      cwd,
      // With our own streams it stays in our group and session, so that job control, Ctrl-C and the terminal are as without
      // wand; else it leads a group of its own, so that all of it can be signalled, and by us alone.
      detached: !inheritStdio,
      stdio: inheritStdio ? 'inherit' : ['ignore', 'pipe', 'pipe'],
      env: this.#options.environment(inheritStdio ? process.env : { PYTHONUNBUFFERED: '1', ...process.env }),
    });
    this.#child = child;
    this.#toldToEnd = false;
    child.once('error', (error) => {
      if (child.pid !== undefined) return;
      const failure = cannotStart(program, error);
      this.#end({ state: 'failed', error: failure }, { code: 126, signal: null, error: failure });
    });
    child.once('exit', (code, signal) => {
      this.#end({ state: 'ended', code, signal, at: Date.now() }, { code, signal });
    });
    this.#forward(child, 'stdout');
    this.#forward(child, 'stderr');
    if (child.pid === undefined) return;
    this.#state = { state: 'running', pid: child.pid, startTime: startTimeOf(child.pid) ?? '' };
    this.#options.onChange();
  }

  get running(): boolean {
    return this.#isRunning();
  }

  /** It runs, and was told to end. */
  get isToldToEnd(): boolean {
    return this.#isRunning() && this.#toldToEnd;
  }

  toldToEnd(): void {
    if (!this.#isRunning() || this.#toldToEnd) return;
    this.#toldToEnd = true;
    this.#options.onChange();
  }

  /** Sends a signal to the command, and to its group where it has one of its own. */
  signal(name: NodeJS.Signals): void {
    const state = this.#state;
    if (state.state !== 'running') return;
    const group = this.#group(state.pid);
    if (!name.startsWith('SIGUSR')) this.toldToEnd();
    if (group === null && !name.startsWith('SIGUSR')) this.#below = treeBelow(state.pid);
    kill(group ?? state.pid, name);
  }

  /** Ends the run that is going on, if any, and starts the next one. */
  async restart(): Promise<void> {
    if (this.#state.state !== 'running') this.#exited = Promise.withResolvers<End>();
    await this.#stop();
    await this.start();
  }

  /** Ends it for good. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#stop();
    // It ended by what we passed on. What it started may not have heard of it.
    await endAll(this.#below, Date.now() + STOP_MS);
    this.#exited.resolve(this.#state.state === 'ended' ? this.#state : { code: null, signal: null });
  }

  #isRunning(): boolean {
    return this.#state.state === 'running';
  }

  #forward(child: ChildProcess, stream: 'stdout' | 'stderr'): void {
    const readable = child[stream];
    if (readable === null) return;
    const lines = createInterface({ input: readable, crlfDelay: Infinity });
    lines.on('line', (line) => {
      this.#options.onLine(stream, line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}…` : line);
    });
    // readline hears an error of its input too, and must not throw it.
    readable.on('error', () => undefined);
    lines.on('error', () => undefined);
  }

  #end(state: CommandState, end: End): void {
    this.#child = null;
    this.#state = state;
    if (!this.#stopping) this.#exited.resolve(end);
    this.#options.onChange();
  }

  /** The process group as `kill` wants it, where the command leads one. */
  #group(pid: number): number | null {
    return this.#options.inheritStdio ? null : -pid;
  }

  async #stop(): Promise<void> {
    const state = this.#state;
    const child = this.#child;
    if (state.state !== 'running' || child === null) return;
    this.#stopping = true;
    this.toldToEnd();
    try {
      const group = this.#group(state.pid);
      // Without a group of its own, what is below it is known only as long as it lives.
      const below = group === null ? treeBelow(state.pid) : [];
      const deadline = Date.now() + STOP_MS;
      const gone = new Promise<void>((done) => {
        child.once('exit', () => {
          done();
        });
      });
      kill(group ?? state.pid, 'SIGTERM');
      // A command that is stopped takes no signal but this one.
      kill(group ?? state.pid, 'SIGCONT');
      const timer = setTimeout(() => {
        kill(group ?? state.pid, 'SIGKILL');
      }, STOP_MS);
      await gone;
      clearTimeout(timer);
      // What the command left behind. Its pid stays taken as long as its group has members: nobody else can be hit.
      if (group !== null) kill(group, 'SIGKILL');
      await endAll(below, deadline);
    } finally {
      this.#stopping = false;
    }
  }
}

function cannotStart(program: string, error: Error): DebugwandError {
  return new DebugwandError({
    code: 'command-failed',
    message: `the command \`${program}\` cannot be started: ${error.message}`,
    fix: 'run it by hand in the same folder, mend what it says, then `wand restart`',
    cause: error,
  });
}

let wrapperFound: Promise<readonly string[]> | null = null;

/**
 * Node cannot ask for PR_SET_PDEATHSIG; util-linux's setpriv can: with it the command is told to end even when wand is
 * killed with -9. Where it is not to be had the command then stays, and only then.
 */
async function deathWrapper(): Promise<readonly string[]> {
  wrapperFound ??= promisify(execFile)('setpriv', ['--pdeathsig', 'TERM', 'true'], { timeout: 2_000 }).then(
    () => ['setpriv', '--pdeathsig', 'TERM'],
    () => [],
  );
  return wrapperFound;
}
