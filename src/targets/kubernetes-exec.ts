// Owns one program run by `exec` in a pod's container: its three streams and its exit status. Must not choose what is run.
import { Readable, Writable } from 'node:stream';
import { DebugwandError } from '../lib/errors.ts';
import { KubernetesFailure, type ClusterApi } from './kubernetes-api.ts';
import {
  CLOSE,
  EXEC_PROTOCOLS,
  parseStatusText,
  podPath,
  STATUS,
  STDERR,
  STDIN,
  STDOUT,
  type StatusFacts,
} from './kubernetes-channels.ts';
import { execFailure } from './kubernetes-errors.ts';
import { openSocket, type ApiSocket } from './kubernetes-socket.ts';
import type { ExecStream } from './target.ts';

export interface PodExec {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly argv: readonly string[];
}

/**
 * A server takes the WebSocket before it starts the program, and says nothing when it has: the program's first byte does
 * (agents give one at once), or the Status of its end. One that is silent for this long runs: the Status of a program
 * that cannot be started was seen 35 to 60 ms after the handshake. Should it come later all the same, `exit` has it.
 */
const SILENT_MS = 1_000;
/**
 * v4 cannot end stdin alone: the whole is ended once the program, after the end of its input, said nothing for so long.
 * What it has to say only then is lost, and its exit code is.
 */
const HALF_CLOSE_MS = 1_000;
const MAX_STATUS = 256 * 1024;

/**
 * Runs a program in a container. Resolves once it runs (or ran and ended).
 * @param protocols for tests of old servers
 * @param signal covers the start only
 * @throws DebugwandError `exec-not-found`, `exec-denied`, `exec-failed`; KubernetesFailure; the wire's error
 */
export async function execInPod(
  api: ClusterApi,
  spec: PodExec,
  signal: AbortSignal,
  protocols: readonly string[] = EXEC_PROTOCOLS,
): Promise<ExecStream> {
  signal.throwIfAborted();
  const running = new PodProgram();
  const path = podPath(spec, 'exec', [
    ['container', spec.container],
    ['stdin', 'true'],
    ['stdout', 'true'],
    ['stderr', 'true'],
    ...spec.argv.map((word): [string, string] => ['command', word]),
  ]);
  const socket = await openSocket(api, { path, protocols, onMessage: running.receive }, signal);
  running.attach(socket);
  try {
    await waitForStart(running, signal);
  } catch (error) {
    running.close();
    throw error;
  }
  const status = running.status;
  const failure = status === null ? null : startFailure(status, spec);
  if (failure !== null) {
    running.close();
    throw failure;
  }
  const { stdin, stdout, stderr } = running;
  const exit = running.ended.then(({ status: said, error }) => {
    if (error !== undefined) return { code: null, error };
    // What could not be started after all: an engine that took its time.
    const late = said === null ? null : startFailure(said, spec);
    return late === null ? { code: said?.exitCode ?? null } : { code: null, error: late };
  });
  return {
    stdin,
    stdout,
    stderr,
    exit,
    close: () => {
      running.close();
    },
  };
}

/** Null: the program ran. Else a DebugwandError, or the server's words as they came. */
function startFailure({ exitCode, message, reason, status }: StatusFacts, { argv }: PodExec): Error | null {
  if (exitCode !== null) return null;
  return execFailure(message, argv[0] ?? '') ?? new KubernetesFailure(status, reason, message);
}

async function waitForStart(running: PodProgram, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, SILENT_MS);
  const abort = (): void => {
    reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
  };
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  void running.sign.then(resolve);
  void running.ended.then(({ status, error }) => {
    if (status !== null) resolve();
    else reject(error ?? cutError());
  });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

function cutError(): DebugwandError {
  return new DebugwandError({
    code: 'exec-failed',
    message: 'the API server closed the connection before the program was started',
    fix: 'it is tried again; see the log of the API server and of the kubelet',
  });
}

interface ProgramEnd {
  readonly status: StatusFacts | null;
  readonly error?: unknown;
}

class PodProgram {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves once; never rejects. */
  readonly ended: Promise<ProgramEnd>;
  /** The first byte of output. */
  readonly sign: Promise<void>;
  status: StatusFacts | null = null;
  #socket: ApiSocket | null = null;
  #closed = false;
  #over = false;
  #statusText = '';
  #quiet: NodeJS.Timeout | undefined;
  readonly #full = new Set<Readable>();
  readonly #finish: (end: ProgramEnd) => void;
  readonly #speak: () => void;

  constructor() {
    const ended = Promise.withResolvers<ProgramEnd>();
    const sign = Promise.withResolvers<void>();
    this.ended = ended.promise;
    this.sign = sign.promise;
    this.#finish = ended.resolve;
    this.#speak = sign.resolve;
    this.stdout = this.#output();
    this.stderr = this.#output();
    this.stdin = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.#send(STDIN, chunk, done);
      },
      final: (done) => {
        if (this.#socket?.protocol === EXEC_PROTOCOLS[0]) this.#send(CLOSE, Buffer.of(STDIN), done);
        else {
          done();
          this.#halfClose();
        }
      },
    });
  }

  attach(socket: ApiSocket): void {
    this.#socket = socket;
    if (this.#full.size > 0) socket.pause();
    // It may have said all, and how it ended, with the handshake.
    if (this.#over) socket.close();
    void socket.closed.then(({ code, error }) => {
      if (this.#closed) this.#end({ status: null });
      else if (this.status !== null) this.#end({ status: this.status });
      else this.#end({ status: null, error: error ?? new Error(`the connection was cut (${String(code)})`) });
    });
  }

  readonly receive = (channel: number, bytes: Buffer): void => {
    // A first, empty message says that the WebSocket is there, not that the program is.
    if (this.#over || bytes.length === 0) return;
    this.#quiet?.refresh();
    if (channel === STDOUT) this.#push(this.stdout, bytes);
    else if (channel === STDERR) this.#push(this.stderr, bytes);
    else if (channel === STATUS) this.#told(bytes);
  };

  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
  }

  #push(output: Readable, bytes: Buffer): void {
    this.#speak();
    if (output.destroyed || output.push(bytes)) return;
    this.#full.add(output);
    this.#socket?.pause();
  }

  /** Old servers send the Status in pieces as they like: it is whole when it can be read. */
  #told(bytes: Buffer): void {
    this.#statusText = (this.#statusText + bytes.toString('utf8')).slice(0, MAX_STATUS);
    this.status = parseStatusText(this.#statusText);
    if (this.status === null) return;
    this.#end({ status: this.status });
    this.#socket?.close();
  }

  #send(channel: number, bytes: Uint8Array, done: () => void): void {
    if (this.#over || this.#socket === null) {
      // As a pipe whose reader left: its end says so.
      done();
      return;
    }
    this.#socket.send(channel, bytes, () => {
      done();
    });
  }

  #halfClose(): void {
    if (this.#over) return;
    this.#quiet = setTimeout(() => {
      if (this.#full.size > 0) {
        // It speaks, but is not listened to.
        this.#halfClose();
        return;
      }
      this.#closed = true;
      this.#socket?.close();
    }, HALF_CLOSE_MS);
  }

  #end(end: ProgramEnd): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#quiet);
    for (const output of [this.stdout, this.stderr]) if (!output.destroyed) output.push(null);
    this.#full.clear();
    this.#finish(end);
    this.stdin.destroy();
  }

  #output(): Readable {
    const readable: Readable = new Readable({
      read: () => {
        this.#room(readable);
      },
      destroy: (error, done) => {
        // Nobody reads it any more: it must not hold up the other one.
        this.#room(readable);
        done(error);
      },
    });
    return readable;
  }

  #room(output: Readable): void {
    if (this.#full.delete(output) && this.#full.size === 0) this.#socket?.resume();
  }
}
