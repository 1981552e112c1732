/** Runs the real `wand` of this clone as a child process: `watch` in the background, other commands to their end. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { StatusReport, TargetReport } from '../../src/core/status.ts';
import { askDaemon } from '../../src/daemon/control-client.ts';
import { DebugwandError } from '../../src/lib/errors.ts';
import { socketPath } from '../../src/lib/paths.ts';
import { until } from './until.ts';

const SOURCES = fileURLToPath(new URL('../../src/bin.ts', import.meta.url));

/** The sources as they are; the bench runs the build, as users do. */
export function bin(): string {
  return process.env['WAND_BIN'] ?? SOURCES;
}

export interface WandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface WandOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

function start(args: readonly string[], options: WandOptions): ChildProcess {
  return spawn(process.execPath, [bin(), ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** One command, to its end. */
export function wand(args: readonly string[], options: WandOptions): Promise<WandResult> {
  const child = start(args, options);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin?.end(options.input ?? '');
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, stdout, stderr });
    });
  });
}

/** A daemon in the background (`wand watch`, `wand debug`). */
export class WandDaemon {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly #options: WandOptions;
  #output = '';
  #stdout = '';

  constructor(args: readonly string[], options: WandOptions) {
    this.#options = options;
    this.child = start(args, options);
    const keep = (text: string): void => {
      this.#output = (this.#output + text).slice(-200_000);
    };
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout = (this.#stdout + text).slice(-200_000);
      keep(text);
    });
    this.child.stderr?.setEncoding('utf8').on('data', keep);
    this.exited = new Promise((resolve) => {
      this.child.on('close', (code) => {
        resolve(code);
      });
    });
  }

  /** What it printed so far (the last 200 kB). */
  get output(): string {
    return this.#output;
  }

  /** The same without what went to standard error. */
  get stdout(): string {
    return this.#stdout;
  }

  /** Its report, straight from the control socket: as `wand status --json` prints it. Null while nobody answers. */
  async status(): Promise<StatusReport | null> {
    try {
      return (await askDaemon(socketPath(this.#options.cwd), { command: 'status' })) as StatusReport;
    } catch (error) {
      if (error instanceof DebugwandError && /^(not-running|daemon-unreachable)$/.test(error.code)) return null;
      throw error;
    }
  }

  /** The report of a target (the first without a name) as soon as it satisfies the predicate. */
  async target(
    what: string,
    predicate: (target: TargetReport) => boolean,
    { name, timeoutMs = 30_000 }: { name?: string; timeoutMs?: number } = {},
  ): Promise<TargetReport> {
    let last: TargetReport | undefined;
    try {
      return await until(
        async () => {
          const { exitCode, signalCode } = this.child;
          if (exitCode !== null || signalCode !== null)
            throw new Error(`wand ended with ${String(signalCode ?? exitCode)}`);
          const report = await this.status();
          last = report?.targets.find((target) => name === undefined || target.name === name);
          return last !== undefined && predicate(last) ? last : undefined;
        },
        what,
        timeoutMs,
      );
    } catch (error) {
      throw new Error(
        `${String(error)}\nlast report: ${JSON.stringify(last)}\noutput of wand:\n${this.#output.slice(-4000)}`,
        { cause: error },
      );
    }
  }

  /** Another command of wand, in the same folder. */
  run(...args: readonly string[]): Promise<WandResult> {
    return wand(args, this.#options);
  }

  /** Sends it a signal (SIGTERM: a clean stop) unless it has ended, and waits. Resolves with its exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return this.exited;
  }
}
