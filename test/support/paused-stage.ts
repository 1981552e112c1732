/**
 * A real server with an app that can be stopped, entered by a real agent and debugged: for tests of what happens to its
 * clients and probes meanwhile. No daemon.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import type { WhilePausedParams } from '../../src/agent/protocol.ts';
import { identityOf, startAgent, type AgentSetup, type RunningAgent } from './agent.ts';
import { DapClient } from './dap-client.ts';
import { ALL_PACKAGES } from './packages.ts';
import { venv } from './python.ts';
import { start, type Running, type Setup } from './servers.ts';
import { until } from './until.ts';
import { unpackDebugpy } from './worker-stage.ts';

const MARK = '# stops here';
const HANDLE = `import os, threading, time
def handle(path, size):
    text = "%d %s %d" % (os.getpid(), path, size)
    if path == "/stop":
        text += " stopped"  ${MARK}
        text += " and went on"
    if path == "/thread":
        thread = threading.Thread(target=stop_aside)
        thread.start()
    return text.encode()
def stop_aside():
    size = 1  # stops aside
    return size
`;

const ASGI = `${HANDLE}
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    text = handle(scope["path"], size)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})
`;
const WSGI = `${HANDLE}
def app(environ, start_response):
    size = len(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    text = handle(environ["PATH_INFO"], size)
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]
`;
const FLASK = `${HANDLE}
from flask import Flask, request
app = Flask(__name__)
@app.route("/", defaults={"path": ""}, methods=["GET", "POST"])
@app.route("/<path:path>", methods=["GET", "POST"])
def index(path):
    return handle("/" + path, len(request.get_data()))
`;

type Kind = 'asgi' | 'wsgi' | 'flask';
const SOURCES: Readonly<Record<Kind, string>> = { asgi: ASGI, wsgi: WSGI, flask: FLASK };

/** A server by its arguments; `$PORT` is replaced. */
export function server(name: string, kind: Kind, workers: number, ...argv: readonly string[]): Setup {
  return {
    name,
    files: { 'app.py': SOURCES[kind] },
    command: ({ bin, port }) =>
      argv.map((word, i) => (i === 0 ? `${bin}/${word}` : word.replace('$PORT', String(port)))),
    workers,
    http: true,
  };
}

/** One request on a connection of its own; what comes back, as it is. */
export class RawClient {
  readonly socket: Socket;
  text = '';
  ended = false;
  failed: string | null = null;

  constructor(port: number, request: string | Buffer, options: { readonly halfClose?: boolean } = {}) {
    this.socket = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('data', (chunk: Buffer) => (this.text += chunk.toString('latin1')));
    this.socket.on('end', () => {
      this.ended = true;
      this.socket.end();
    });
    this.socket.on('error', (error) => (this.failed = error.message));
    if (options.halfClose === true) this.socket.end(request);
    else this.socket.write(request);
  }

  /** The status line and the body, once all of it is there. */
  async answer(): Promise<string> {
    return until(() => {
      const end = this.text.indexOf('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(this.text)?.[1] ?? NaN);
      if (end >= 0 && this.text.length >= end + 4 + length)
        return `${this.text.slice(9, 12)} ${this.text.slice(end + 4)}`;
      if (this.failed !== null || this.ended) throw new Error(`no answer but ${this.failed ?? 'an end'}: ${this.text}`);
      return null;
    }, 'an answer');
  }

  destroy(): void {
    this.socket.destroy();
  }
}

export function get(path: string, headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries({ Host: 'pod', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** As the kubelet sends it. */
export const PROBE_HEADERS = { 'User-Agent': 'kube-probe/1.35', Accept: '*/*', Connection: 'close' };

type Debugpy = Awaited<ReturnType<typeof unpackDebugpy>>;

interface Options {
  readonly agent?: AgentSetup;
  readonly attach?: object;
  /** Text of the line to stop at. */
  readonly breakAt?: string;
  /** Where the probes are said to go; default: to the app. */
  readonly probedPort?: number;
}

export class PausedStage implements AsyncDisposable {
  readonly running: Running;
  readonly agent: RunningAgent;
  readonly worker: number;
  readonly file: string;
  readonly #debugpy: Debugpy;
  readonly #answers: Readonly<Record<string, number>>;
  readonly #options: Options;
  #editor: DapClient | null = null;

  private constructor(
    running: Running,
    agent: RunningAgent,
    worker: number,
    debugpy: Debugpy,
    answers: Readonly<Record<string, number>>,
    options: Options,
  ) {
    this.running = running;
    this.agent = agent;
    this.worker = worker;
    this.file = join(running.place.dir, 'app.py');
    this.#debugpy = debugpy;
    this.#answers = answers;
    this.#options = options;
  }

  /** `answers`: path → status of the probes. */
  static async start(
    setup: Setup,
    answers: Readonly<Record<string, number>>,
    options: Options = {},
  ): Promise<PausedStage> {
    const environment = await venv('3.14', ALL_PACKAGES);
    const interpreter = join(environment, 'bin/python');
    const debugpy = await unpackDebugpy(interpreter);
    const running = await start(setup, join(environment, 'bin'));
    const agent = await startAgent(interpreter, options.agent);
    let stage: PausedStage | null = null;
    try {
      const said = await until(() => ask(running.place.port, '/pid').catch(() => null), 'the server', 20_000);
      stage = new PausedStage(running, agent, Number(said.split(' ')[0]), debugpy, answers, options);
      await stage.enter();
      return stage;
    } catch (error) {
      await agent.client.close();
      await debugpy.remove();
      await running.stop();
      throw new Error(`${String(error)}\n${running.output()}`, { cause: error });
    }
  }

  /** Enters the worker and attaches an editor with a breakpoint. */
  async enter(): Promise<void> {
    this.#editor = await this.attachTo(this.worker);
  }

  /** The same with a sibling. */
  async attachTo(pid: number): Promise<DapClient> {
    const port = this.#options.probedPort ?? this.port;
    const probes = Object.entries(this.#answers).map(([path, status]) => ({ port, path, status }));
    const whilePaused: WhilePausedParams = { probes };
    const how = { debugpy: this.#debugpy.path, holdAtStart: false, timeoutMs: 5_000, whilePaused };
    const params = { ...identityOf(pid), ...how };
    const entered = await this.agent.client.request('enter', params, AbortSignal.timeout(20_000));
    const editor = await DapClient.connect(entered.port);
    const { breakAt = MARK, attach = {} } = this.#options;
    const source = this.running.setup.files['app.py'] ?? '';
    const line = 1 + source.split('\n').findIndex((one) => one.includes(breakAt));
    await editor.attach({ [this.file]: [{ line }] }, { attach });
    return editor;
  }

  async release(): Promise<void> {
    const { pid, startTime } = identityOf(this.worker);
    await this.agent.client.request('release', { pid, startTime }, AbortSignal.timeout(10_000));
  }

  get editor(): DapClient {
    if (this.#editor === null) throw new Error('no editor');
    return this.#editor;
  }

  /** Names of the worker's threads, as the kernel has them. */
  get threads(): string[] {
    const folder = `/proc/${String(this.worker)}/task`;
    return readdirSync(folder).map((task) => {
      try {
        return readFileSync(join(folder, task, 'comm'), 'utf8').trim();
      } catch {
        return ''; // it ended meanwhile
      }
    });
  }

  /** Other workers of the same supervisor. */
  get siblings(): number[] {
    const { pid } = this.running;
    const children = readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8')
      .trim()
      .split(' ')
      .map(Number);
    return children.filter((child) => {
      const cmdline = readFileSync(`/proc/${String(child)}/cmdline`, 'latin1');
      return child !== this.worker && !cmdline.includes('resource_tracker');
    });
  }

  get port(): number {
    return this.running.place.port;
  }

  client(request: string | Buffer, options: { readonly halfClose?: boolean } = {}): RawClient {
    return new RawClient(this.port, request, options);
  }

  /** Has the worker stop: gives the client that waits for its answer, and the thread. */
  async stop(path = '/stop'): Promise<{ readonly client: RawClient; readonly threadId: number }> {
    const after = this.editor.mark();
    let client = this.client(get(path));
    // With several workers another one may take it.
    const again = setInterval(() => {
      if (client.text === '') return;
      client.destroy();
      client = this.client(get(path));
    }, 100);
    try {
      const { body } = await this.editor.waitFor('stopped', undefined, { after });
      return { client, threadId: (body as { threadId: number }).threadId };
    } finally {
      clearInterval(again);
    }
  }

  /** What the kubelet would see: the status, "?" when it is not ours, or why none came. */
  async probe(path: string, timeoutMs = 1_000): Promise<string> {
    try {
      const { headers, status } = await fetch(`http://127.0.0.1:${String(this.port)}${path}`, {
        headers: PROBE_HEADERS,
        signal: AbortSignal.timeout(timeoutMs),
      });
      return `${String(status)} ${headers.get('x-debugwand') ?? 'app'}`;
    } catch (error) {
      return error instanceof Error ? error.name : String(error);
    }
  }

  async goOn(threadId: number): Promise<void> {
    await this.editor.request('continue', { threadId });
  }

  /** Sockets that the worker has open. */
  get sockets(): number {
    const folder = `/proc/${String(this.worker)}/fd`;
    return readdirSync(folder).filter((fd) => {
      try {
        return readlinkSync(join(folder, fd)).startsWith('socket:');
      } catch {
        return false;
      }
    }).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#editor?.destroy();
    await this.agent.client.close();
    await this.#debugpy.remove();
    await this.running.stop();
  }
}

async function ask(port: number, path: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${String(port)}${path}`, {
    headers: { Connection: 'close' },
    signal: AbortSignal.timeout(2000),
  });
  return answer.text();
}
