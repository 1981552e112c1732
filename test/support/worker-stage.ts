/**
 * A Python process to enter (test/fixtures/worker/stage.py), and the agent's end of the conversation with what the doorbell
 * brings into it. For tests of the in-worker payload alone, without an agent.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { prepareDebugpy } from '../../src/agent/debugpy.ts';
import { run } from './run.ts';
import { until } from './until.ts';

const PAYLOAD = join(import.meta.dirname, '../../payload');
const STAGE = join(import.meta.dirname, '../fixtures/worker/stage.py');
const MODULES =
  'adapter footprints breakpoint foreign tracing connections exits last_words load paused stepping stops words debugger worker'.split(
    ' ',
  );

export type Json = Record<string, unknown>;

/** The line of `work` where breakpoints go. */
export const BREAKPOINT_LINE =
  1 +
  readFileSync(STAGE, 'utf8')
    .split('\n')
    .findIndex((line) => line.endsWith('# breakpoints go here'));

/** Unpacks, as the agent does, the debugpy that fits the interpreter. Gives the folder, and what removes it. */
export async function unpackDebugpy(
  interpreter: string,
  wheel: 'fitting' | 'pure' = 'fitting',
): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const version = await run(interpreter, ['-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])']);
  const [major, minor] = version.trim().split('.');
  const { zip, key } = await prepareDebugpy(
    {
      version: version.trim(),
      abi: `cp${major ?? ''}${minor ?? ''}`,
      arch: wheel === 'pure' ? 'none' : process.arch === 'x64' ? 'x86_64' : 'aarch64',
      libc: 'glibc',
      remoteDebug: 'on',
      freeThreaded: false,
    },
    AbortSignal.timeout(120_000),
    () => undefined,
  );
  const archive = join(await mkdtemp(join(tmpdir(), 'debugwand-test-')), 'debugpy.zip');
  await writeFile(archive, zip);
  const script =
    'import sys, time, _debugwand_bundle as b; print(b.unpack(*sys.argv[1:]), flush=True); time.sleep(1e6)';
  const child = spawn(interpreter, ['-c', script, archive, key], {
    env: { ...process.env, PYTHONPATH: PAYLOAD, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [path] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    path,
    remove: async () => {
      child.kill('SIGKILL');
      await rm(path, { recursive: true, force: true });
      await rm(dirname(archive), { recursive: true, force: true });
    },
  };
}

/** The agent's end of one ring. */
export class Visit {
  readonly hello: Json;
  readonly lines: Json[] = [];
  readonly #socket: Socket;
  #ended = false;

  constructor(socket: Socket, hello: Json, lines: AsyncIterator<string>) {
    this.#socket = socket;
    this.hello = hello;
    void this.#collect(lines);
  }

  async #collect(lines: AsyncIterator<string>): Promise<void> {
    for (let next = await lines.next(); next.done !== true; next = await lines.next()) {
      this.lines.push(JSON.parse(next.value) as Json);
    }
    this.#ended = true;
  }

  /** The worker hung up. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The line with that event. @throws Error with what came instead */
  async event(name: string): Promise<Json> {
    await until(
      () => this.lines.some(({ event }) => event === name || event === 'failed') || this.#ended,
      `the worker's line "${name}"`,
      20_000,
    );
    const line = this.lines.find(({ event }) => event === name);
    if (line === undefined) throw new Error(`no "${name}", but ${JSON.stringify(this.lines)}`);
    return line;
  }

  command(name: string): void {
    this.#socket.write(`${JSON.stringify({ command: name })}\n`);
  }

  /** As if the agent had been killed. */
  drop(): void {
    this.#socket.destroy();
  }
}

let rings = 0;

/** The process. Commands are answered in order; what `work` returned comes by `result`. */
export class WorkerStage {
  readonly pid: number;
  readonly file = STAGE;
  readonly results: number[] = [];
  stderr = '';
  readonly #child: ChildProcess;
  readonly #answers: Json[] = [];
  readonly #servers: Server[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    child.stdin?.on('error', () => undefined);
    child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    if (child.stdout === null) throw new Error('no stdout');
    createInterface(child.stdout).on('line', (line) => {
      const answer = JSON.parse(line) as Json;
      if (typeof answer['result'] === 'number') this.results.push(answer['result']);
      else this.#answers.push(answer);
    });
  }

  static async start(interpreter: string, env: NodeJS.ProcessEnv = {}): Promise<WorkerStage> {
    const child = spawn(interpreter, ['-W', 'ignore', STAGE, PAYLOAD], { env: { ...process.env, ...env } });
    const stage = new WorkerStage(child);
    await stage.#answer();
    return stage;
  }

  /** Sends a command that has an answer. */
  async ask(command: Json): Promise<Json> {
    this.tell(command);
    return this.#answer();
  }

  tell(command: Json): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  async #answer(): Promise<Json> {
    await until(() => this.#answers.length > 0 || this.#child.exitCode !== null, `an answer of ${String(this.pid)}`);
    const answer = this.#answers.shift();
    if (answer === undefined) throw new Error(`process ${String(this.pid)} ended: ${this.stderr}`);
    return answer;
  }

  /** Everything in the interpreter that a debugger would change. */
  async look(): Promise<Json> {
    return this.ask({ do: 'look' });
  }

  /** Runs Python in the process. */
  async exec(source: string): Promise<void> {
    await this.ask({ do: 'exec', source });
  }

  /** Calls `work(number)` in the main thread. */
  work(number: number): void {
    this.tell({ do: 'work', number });
  }

  /** Runs Python in the main thread: what it raises there ends the process. */
  main(source: string): void {
    this.tell({ do: 'main', source });
  }

  /** Waits for what the n-th call gave, counted from 1. */
  async result(n: number): Promise<number> {
    await until(() => this.results.length >= n, `result ${String(n)} (so far ${JSON.stringify(this.results)})`);
    return this.results[n - 1] ?? NaN;
  }

  /** Rings the real doorbell; `main`: in the main thread, else in another. */
  async ring(options: Json, settings: { readonly main?: boolean; readonly hold?: number } = {}): Promise<Visit> {
    rings += 1;
    const address = `debugwand-test-${String(process.pid)}-${String(rings)}`;
    const server = createServer();
    this.#servers.push(server);
    server.listen(`\0${address}`);
    await once(server, 'listening');
    const hold = settings.hold ?? 0;
    const values = { address, token: `token${String(rings)}`, hold, young: hold > 0 };
    const rung = once(server, 'connection', { signal: AbortSignal.timeout(10_000) });
    await this.ask({ do: 'ring', main: settings.main ?? false, settings: values });
    const [socket] = (await rung) as [Socket];
    socket.on('error', () => undefined);
    const lines = createInterface(socket)[Symbol.asyncIterator]();
    const first = await lines.next();
    const sources = Object.fromEntries(
      MODULES.map((name) => [`_debugwand_${name}`, readFileSync(join(PAYLOAD, `_debugwand_${name}.py`), 'utf8')]),
    );
    socket.write(`${JSON.stringify({ op: 'debug', sources, options })}\n`);
    return new Visit(socket, JSON.parse(String(first.value)) as Json, lines);
  }

  /** Lets the main thread end; gives the exit status. */
  async end(): Promise<number | null> {
    this.tell({ do: 'end' });
    return this.exit();
  }

  /** Waits for the exit status. */
  async exit(): Promise<number | null> {
    await until(() => this.#child.exitCode !== null || this.#child.signalCode !== null, 'the end of the process');
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.close();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}
