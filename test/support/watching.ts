/** Follows a target's watch for tests: the last snapshot, and waiting for one of a kind. */
import type { Replica, Snapshot } from '../../src/core/types.ts';
import type { ExecStream, Target } from '../../src/targets/target.ts';
import { until } from './until.ts';

export class Watching {
  readonly seen: Snapshot[] = [];
  readonly #abort = new AbortController();
  readonly #done: Promise<void>;

  constructor(target: Target) {
    this.#done = (async () => {
      for await (const snapshot of target.watch(this.#abort.signal)) this.seen.push(snapshot);
    })();
  }

  get last(): Snapshot | undefined {
    return this.seen.at(-1);
  }

  /** The first running replica, once there is one. */
  async running(what = 'it runs', timeoutMs = 20_000): Promise<Replica> {
    return this.#told(() => this.last?.replicas.find((replica) => replica.state === 'running'), what, timeoutMs);
  }

  /** A snapshot that waits, in words that match. */
  async waiting(what: string, words = /./): Promise<Snapshot> {
    return this.#told(
      () => (this.last?.error === null && words.test(this.last.waitingFor ?? '') ? this.last : null),
      what,
    );
  }

  /** A snapshot with an error of that code. */
  async failing(code: string, timeoutMs = 20_000): Promise<Snapshot> {
    return this.#told(() => (this.last?.error?.code === code ? this.last : null), `an error ${code}`, timeoutMs);
  }

  /** Any snapshot, once one is right. */
  async until(right: (snapshot: Snapshot) => boolean, what: string): Promise<Snapshot> {
    return this.#told(() => (this.last !== undefined && right(this.last) ? this.last : null), what);
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#done;
  }

  async #told<T>(predicate: () => T, what: string, timeoutMs = 20_000): Promise<Exclude<T, undefined | null | false>> {
    try {
      return await until(predicate, what, timeoutMs);
    } catch (error) {
      throw new Error(`${what}; last seen: ${JSON.stringify(this.last)}`, { cause: error });
    }
  }
}

/** All bytes of a stream as text. */
export async function textOf(stream: ExecStream['stdout']): Promise<string> {
  return (await bytesOf(stream)).toString('utf8');
}

export async function bytesOf(stream: ExecStream['stdout']): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Ends stdin, and gives stdout of a program that must succeed. */
export async function outputOf(stream: ExecStream): Promise<string> {
  stream.stdin.end();
  const [stdout, stderr, { code }] = await Promise.all([textOf(stream.stdout), textOf(stream.stderr), stream.exit]);
  if (code !== 0) throw new Error(`exit ${String(code)}: ${stderr}`);
  return stdout.trim();
}
