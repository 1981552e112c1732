// Owns one TCP connection into a pod: a WebSocket of the API server with one data and one error channel.
// Must not decide what is forwarded, nor try again.
import { Duplex } from 'node:stream';
import { DebugwandError } from '../lib/errors.ts';
import type { ClusterApi } from './kubernetes-api.ts';
import { podPath, PORT_FORWARD_PROTOCOL } from './kubernetes-channels.ts';
import { portFailure } from './kubernetes-port-errors.ts';
import { openSocket, type ApiSocket } from './kubernetes-socket.ts';

const DATA = 0;
const ERROR = 1;
/** Each channel begins with the port's number. */
const PREFIX_BYTES = 2;
const MAX_ERROR = 64 * 1024;
/** The protocol ends no single direction. After our half is done, the other one ends when nothing comes for so long. */
const HALF_CLOSE_MS = 60_000;

/**
 * Opens a connection to a port of a pod, as the pod's own loopback has it. It resolves when the API server agreed, which
 * does not mean that anything listens: then the stream is destroyed with a DebugwandError `port-refused`, before any byte
 * came (what was written until then went nowhere).
 * @param signal covers the start only
 * @throws KubernetesFailure, or the wire's error
 */
export async function portForward(
  api: ClusterApi,
  place: { readonly namespace: string; readonly pod: string },
  port: number,
  signal: AbortSignal,
): Promise<Duplex> {
  signal.throwIfAborted();
  const connection = new Forwarded(`port ${String(port)} of pod \`${place.pod}\``);
  const path = podPath(place, 'portforward', [['ports', String(port)]]);
  const request = { path, protocols: [PORT_FORWARD_PROTOCOL], onMessage: connection.receive };
  connection.attach(await openSocket(api, request, signal));
  return connection;
}

class Forwarded extends Duplex {
  readonly #what: string;
  readonly #prefix = [PREFIX_BYTES, PREFIX_BYTES];
  #socket: ApiSocket | null = null;
  #said = '';
  #full = false;
  #over = false;
  #quiet: NodeJS.Timeout | undefined;

  constructor(what: string) {
    // As a socket of `net`: the end of one direction is not the end of the other.
    super({ allowHalfOpen: true });
    this.#what = what;
  }

  attach(socket: ApiSocket): void {
    this.#socket = socket;
    if (this.#full) socket.pause();
    void socket.closed.then(({ code, error }) => {
      this.#over = true;
      clearTimeout(this.#quiet);
      if (this.destroyed) return;
      const failure = portFailure(this.#said, this.#what);
      if (failure !== null) this.destroy(failure);
      else if (error !== undefined || code === 1006) this.destroy(error ?? cut(this.#what));
      else {
        this.push(null);
        // There is nobody left to write to.
        if (!this.writableEnded) this.end();
      }
    });
  }

  readonly receive = (channel: number, bytes: Buffer): void => {
    if (this.destroyed || (channel !== DATA && channel !== ERROR)) return;
    const skip = Math.min(this.#prefix[channel] ?? 0, bytes.length);
    this.#prefix[channel] = (this.#prefix[channel] ?? 0) - skip;
    if (skip === bytes.length) return;
    const body = bytes.subarray(skip);
    this.#quiet?.refresh();
    if (channel === ERROR) this.#said = (this.#said + body.toString('utf8')).slice(0, MAX_ERROR);
    else if (!this.push(body)) {
      this.#full = true;
      this.#socket?.pause();
    }
  };

  override _read(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#socket?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // An error here would hide the one that the server gives as its reason.
    this.#socket?.send(DATA, chunk, () => {
      done();
    });
  }

  override _final(done: () => void): void {
    done();
    if (this.#over) return;
    if (this.readableEnded) this.#socket?.close();
    else {
      this.#quiet = setTimeout(() => {
        this.#socket?.close();
      }, HALF_CLOSE_MS);
    }
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#quiet);
    this.#socket?.destroy();
    done(error);
  }
}

function cut(what: string): DebugwandError {
  return new DebugwandError({
    code: 'port-cut',
    message: `the connection to ${what} was cut`,
    fix: 'nothing to do: the next one goes to the pod that runs then',
  });
}
