/** A terminal for tests: programs on a pseudo terminal of their own, and the shell in which a user would type them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { python } from './python.ts';
import { until } from './until.ts';

const PROGRAM = join(import.meta.dirname, 'terminal.py');

/** What the driver of the terminal is set to: a program that takes keys as they come leaves none of them on. */
export interface Modes {
  readonly canonical: boolean;
  readonly echo: boolean;
  readonly signals: boolean;
  /** The process group that has the terminal. */
  readonly foreground: number;
}

export interface TerminalOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

export const KEYS = { interrupt: '\u0003', end: '\u0004', suspend: '\u001A', quit: '\u001C' } as const;

export class Terminal implements AsyncDisposable {
  /** Exit status of the program on it, as a shell tells it. */
  readonly exited: Promise<number>;
  readonly #child: ChildProcess;
  #output = '';
  #modes: Modes | null = null;
  #pid = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    const ended = Promise.withResolvers<number>();
    this.exited = ended.promise;
    if (child.stdout === null) throw new Error('a terminal has an output');
    // What is said to one whose program has just ended reaches nobody.
    child.stdin?.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const news = JSON.parse(line) as { output?: string; modes?: Modes; exit?: number; pid?: number };
      this.#output += news.output ?? '';
      this.#modes = news.modes ?? this.#modes;
      this.#pid = news.pid ?? this.#pid;
      if (news.exit !== undefined) ended.resolve(news.exit);
    });
  }

  /** Starts a program as the leader of a session that has the terminal, 24 rows of 80 columns. */
  static async start(argv: readonly string[], { cwd, env = {} }: TerminalOptions): Promise<Terminal> {
    const { CI: _, FORCE_COLOR: __, NO_COLOR: ___, ...inherited } = process.env;
    const child = spawn(await python('3.14'), [PROGRAM, '24', '80', ...argv], {
      cwd,
      env: { ...inherited, TERM: 'xterm-256color', ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const terminal = new Terminal(child);
    await until(() => terminal.#pid !== 0, 'the terminal');
    return terminal;
  }

  /** A shell with job control, whose prompt tells the status of what ran before. */
  static async shell(options: TerminalOptions): Promise<Terminal> {
    const terminal = await Terminal.start(['bash', '--norc', '--noprofile', '--noediting', '-i'], {
      ...options,
      env: { ...options.env, PS1: '<$?>$ ', HISTFILE: '' },
    });
    await terminal.prompt();
    return terminal;
  }

  /** Of the program on it. */
  get pid(): number {
    return this.#pid;
  }

  /** All that was written to it so far. */
  get output(): string {
    return this.#output;
  }

  /** Where its output is now: for what comes after. */
  mark(): number {
    return this.#output.length;
  }

  type(text: string): void {
    this.#order({ write: text });
  }

  /** A line and Return. */
  enter(line: string): void {
    this.type(`${line}\n`);
  }

  resize(rows: number, columns: number): void {
    this.#order({ resize: [rows, columns] });
  }

  /** The window is closed. */
  hangUp(): void {
    this.#order({ hangup: true });
  }

  async modes(): Promise<Modes> {
    this.#modes = null;
    this.#order({ modes: true });
    return until(() => this.#modes, 'the modes of the terminal');
  }

  /** Waits for a text since a mark (default: ever). */
  async shows(text: string | RegExp, after = 0, timeoutMs = 30_000): Promise<void> {
    const shown = (): boolean => {
      const since = this.#output.slice(after);
      return typeof text === 'string' ? since.includes(text) : text.test(since);
    };
    await until(shown, `${String(text)} on the terminal`, timeoutMs).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.#output.slice(after)}`, { cause: error });
    });
  }

  /** Waits for the shell's next prompt since a mark. @returns the status that it tells */
  async prompt(after = 0, timeoutMs = 30_000): Promise<number> {
    await this.shows(/<\d+>\$ $/, after, timeoutMs);
    return Number(/<(\d+)>\$ $/.exec(this.#output)?.[1]);
  }

  /** Types a line and waits for its end. @returns its status */
  async run(line: string): Promise<number> {
    const after = this.mark();
    this.enter(line);
    return this.prompt(after + line.length);
  }

  #order(order: object): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.hangUp();
    await ended;
  }
}
