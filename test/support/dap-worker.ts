/** Workers with a real debugpy in them (test/fixtures/dap/worker.py), for tests of the keeper without agent or target. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { WorkerLink } from '../../src/dap/editor-port.ts';
import { venv } from './python.ts';
import { until } from './until.ts';

export const WORKER_FILE = join(import.meta.dirname, '../fixtures/dap/worker.py');
/** The line in `handle` that every call passes. */
export const WORKER_LINE =
  readFileSync(WORKER_FILE, 'utf8')
    .split('\n')
    .findIndex((line) => line.includes("# the breakpoint's line")) + 1;

/** A virtual environment of Python 3.14 with the debugpy that debugwand brings. */
export function debugpyVenv(): Promise<string> {
  return venv('3.14', ['debugpy==1.8.22']);
}

export class DapWorker {
  readonly pid: number;
  readonly port: number;
  readonly debugpy: string;
  readonly startedAt: number;
  /** Calls of `handle` as last reported (every 50). */
  count = 0;
  flooded = 0;
  readonly #process: ChildProcessWithoutNullStreams;

  private constructor(child: ChildProcessWithoutNullStreams, port: number, debugpy: string, startedAt: number) {
    this.#process = child;
    this.pid = child.pid ?? 0;
    this.port = port;
    this.debugpy = debugpy;
    this.startedAt = startedAt;
  }

  /** `adapter`: the app's own `debugpy.listen()`, with an adapter process. */
  static async start(venvDir: string, kind: 'in-process' | 'adapter' = 'in-process'): Promise<DapWorker> {
    const startedAt = Date.now();
    const child = spawn(join(venvDir, 'bin/python'), [WORKER_FILE, kind]);
    let buffered = '';
    let errors = '';
    let worker: DapWorker | null = null;
    child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4000)));
    child.stdout.on('data', (chunk: Buffer) => {
      buffered += chunk.toString();
      const lines = buffered.split('\n');
      buffered = lines.pop() ?? '';
      for (const line of lines) {
        const said = JSON.parse(line) as { port?: number; debugpy?: string; count?: number; flooded?: number };
        if (said.port !== undefined) worker = new DapWorker(child, said.port, said.debugpy ?? '', startedAt);
        if (worker !== null && said.count !== undefined) worker.count = said.count;
        if (worker !== null && said.flooded !== undefined) worker.flooded = said.flooded;
      }
    });
    return until(
      () => {
        if (child.exitCode !== null) throw new Error(`the worker ended: ${errors}`);
        return worker;
      },
      'a worker that listens',
      20_000,
    );
  }

  get alive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** The way to its debugpy, as the supervisor would hand it to the keeper. */
  link(generation: number, more: Partial<WorkerLink> = {}): WorkerLink {
    return {
      name: `worker ${String(this.pid)}`,
      pid: this.pid,
      generation,
      pathMappings: [],
      seenAt: Date.now(),
      startedAt: this.startedAt,
      debugpy: this.debugpy,
      open: (signal) => dial(this.port, signal),
      ...more,
    };
  }

  say(line: string): void {
    this.#process.stdin.write(`${line}\n`);
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await until(() => !this.alive, 'the end of the worker');
  }

  /** Its app goes on: `handle` is being called. */
  async runs(): Promise<void> {
    const before = this.count;
    await until(() => this.count > before, 'the app of the worker to run on', 5_000);
  }
}

/** A TCP connection to this machine. */
export function dial(port: number, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1', signal });
    socket.setNoDelay(true);
    socket.once('error', reject);
    socket.once('connect', () => resolve(socket));
  });
}
