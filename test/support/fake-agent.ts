/**
 * Agents that speak the protocol and enter nothing: what runs in the container of a FakeTarget (`body`). What they see and
 * how they answer `enter` is up to the test.
 */
import { PassThrough } from 'node:stream';
import { encodeMessage, FrameDecoder } from '../../src/agent/framing.ts';
import { MAGIC, type AgentError, type EnterResult } from '../../src/agent/protocol.ts';
import type { ProcessInfo, Replica } from '../../src/core/types.ts';
import type { ExecOptions, ExecStream } from '../../src/targets/target.ts';

interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Null: no answer. */
type Answer = { readonly result: object } | { readonly error: AgentError } | null;

function isRequest(value: unknown): value is Request {
  return typeof value === 'object' && value !== null && 'id' in value && 'method' in value && 'params' in value;
}

export class FakeAgent {
  readonly requests: Request[] = [];
  readonly stream: ExecStream;
  readonly user: string | null;
  open = true;
  readonly #stdout = new PassThrough();
  readonly #end: (code: number | null) => void;

  constructor(user: string | null, answer: (agent: FakeAgent, request: Request) => Answer) {
    this.user = user;
    const stdin = new PassThrough();
    const exit = Promise.withResolvers<{ code: number | null }>();
    this.#end = (code) => {
      this.open = false;
      this.#stdout.end();
      exit.resolve({ code });
    };
    const decoder = new FrameDecoder();
    let head: Buffer | null = Buffer.alloc(0);
    stdin.on('data', (chunk: Buffer) => {
      let rest = chunk;
      if (head !== null) {
        // The bundle: four bytes of length and as many of the rest.
        head = Buffer.concat([head, chunk]);
        if (head.length < 4 || head.length < 4 + head.readUInt32BE()) return;
        rest = head.subarray(4 + head.readUInt32BE());
        head = null;
        this.#stdout.write(MAGIC);
        this.say({ event: 'hello', python: '3.14.8', pid: 90, uid: 0, gid: 0, capabilities: '0' });
      }
      for (const frame of decoder.push(rest)) {
        if (frame.kind !== 'message' || !isRequest(frame.value)) continue;
        this.requests.push(frame.value);
        const said = answer(this, frame.value);
        if (said !== null) this.say({ id: frame.value.id, ...said });
      }
    });
    stdin.on('end', () => {
      this.#end(0);
    });
    const close = (): void => {
      this.#end(null);
    };
    this.stream = { stdin, stdout: this.#stdout, stderr: new PassThrough(), exit: exit.promise, close };
  }

  say(message: object): void {
    if (this.open) this.#stdout.write(encodeMessage(message));
  }

  of(method: string): Request[] {
    return this.requests.filter((request) => request.method === method);
  }
}

/** All agents of a target. */
export class FakeAgents {
  readonly all: FakeAgent[] = [];
  /** Asked for each `enter`; null: it goes on and on. */
  onEnter: (pid: number, agent: FakeAgent) => EnterResult | AgentError | null;
  /** False: a `release` gets no answer. */
  answersRelease = true;
  #processes: readonly ProcessInfo[];

  constructor(processes: readonly ProcessInfo[], onEnter: FakeAgents['onEnter']) {
    this.#processes = processes;
    this.onEnter = onEnter;
  }

  /** For FakeTarget. */
  readonly body = (_replica: Replica, _argv: readonly string[], options: ExecOptions): Promise<ExecStream> => {
    const agent = new FakeAgent(options.user ?? null, (from, request) => this.#answer(from, request));
    this.all.push(agent);
    return Promise.resolve(agent.stream);
  };

  /** Those that watch, now. */
  get watching(): FakeAgent[] {
    return this.all.filter((agent) => agent.open && agent.of('watch').length > 0);
  }

  /** `enter` and `release` with their pids, in the order they came. */
  get calls(): string[] {
    return this.all.flatMap(({ requests }) =>
      requests
        .filter(({ method }) => method === 'enter' || method === 'release')
        .map(({ method, params }) => `${method} ${String(params['pid'])}`),
    );
  }

  /** The target's processes are these from now on. */
  show(processes: readonly ProcessInfo[]): void {
    const gone = this.#processes.filter((old) => !processes.some((now) => now.pid === old.pid));
    this.#processes = processes;
    for (const agent of this.watching) {
      for (const { pid, startTime } of gone) agent.say({ event: 'exited', pid, startTime });
      agent.say({ event: 'processes', changed: true, processes });
    }
  }

  #answer(agent: FakeAgent, { id, method, params }: Request): Answer {
    switch (method) {
      case 'watch':
        agent.say({ id, result: {} });
        agent.say({ event: 'processes', changed: true, processes: this.#processes });
        return null;
      case 'upload':
        return { result: { path: '/tmp/debugpy' } };
      case 'enter': {
        const outcome = this.onEnter(Number(params['pid']), agent);
        if (outcome === null) return null;
        return 'code' in outcome ? { error: outcome } : { result: outcome };
      }
      case 'release':
        return this.answersRelease ? { result: {} } : null;
      default:
        return { result: {} };
    }
  }
}
