/**
 * A line to an editor that runs without a screen: it dials in, gets pieces of its own language (Lua, Emacs Lisp) to run,
 * and says what came of each, all as lines of JSON. Its user's fingers, for tests.
 */
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { until } from '../until.ts';

interface Waiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** How long an editor may think about a piece of code, in milliseconds. */
const ANSWER_MS = 60_000;

export class Remote {
  readonly port: number;
  readonly #server: Server;
  readonly #waiting = new Map<number, Waiter>();
  #socket: Socket | null = null;
  #id = 0;

  private constructor(server: Server) {
    this.#server = server;
    const address = server.address();
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
    server.on('connection', (socket) => {
      this.#socket = socket;
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#fail(new Error('the editor hung up')));
      createInterface(socket).on('line', (line) => this.#answered(line));
    });
  }

  static async listen(): Promise<Remote> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Remote(server);
  }

  /** Waits for the editor to dial in. */
  async connected(editor: ChildProcessWithoutNullStreams): Promise<void> {
    let said = '';
    for (const stream of [editor.stdout, editor.stderr]) {
      stream.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)));
    }
    await until(
      () => {
        if (editor.exitCode !== null) throw new Error(`the editor ended:\n${said}`);
        return this.#socket;
      },
      'an editor that dials in',
      60_000,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${said}`, { cause: error });
    });
  }

  /** Has the editor run a piece of code; gives its value. @throws Error with what the editor said */
  run(code: string): Promise<unknown> {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`the editor did not answer within ${String(ANSWER_MS)} ms: ${code}`));
      }, ANSWER_MS);
      const done = (): void => clearTimeout(timer);
      this.#waiting.set(id, {
        resolve: (value) => {
          done();
          resolve(value);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
      if (this.#socket === null) this.#fail(new Error('no editor has dialled in'));
      else this.#socket.write(`${JSON.stringify({ id, code })}\n`);
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#server.close();
  }

  #answered(line: string): void {
    const { id, value, error } = JSON.parse(line) as { id: number; value?: unknown; error?: string };
    const waiter = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiter?.resolve(value);
    else waiter?.reject(new Error(error));
  }

  #fail(error: Error): void {
    for (const waiter of this.#waiting.values()) waiter.reject(error);
    this.#waiting.clear();
  }
}
