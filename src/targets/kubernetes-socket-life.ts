// Owns whether the other side of a WebSocket is still there, and the one end of it. Must not know what is sent.
import type { WebSocket } from 'ws';

/** Tests have less patience. */
export interface SocketTimes {
  /** From the first byte to the server's answer, ms. */
  readonly handshake: number;
  readonly ping: number;
  /** How long after a ping anything must have come, ms. */
  readonly pong: number;
  /**
   * The same when much was sent that may not have been taken yet: the server reads frames one after the other, and a
   * program that does not read its input holds up the pings behind it.
   */
  readonly busyPong: number;
}

export const TIMES: SocketTimes = { handshake: 10_000, ping: 20_000, pong: 10_000, busyPong: 60_000 };
const MUCH = 32 * 1024;
/** How long the other side may take to answer a close, ms. */
const CLOSE_MS = 2_000;

export interface SocketEnd {
  /** RFC 6455, section 7.4; 1006: cut. */
  readonly code: number;
  readonly error?: Error;
}

/** Asks now and then whether the other side is still there, and sees to one end. */
export class SocketLife {
  readonly closed: Promise<SocketEnd>;
  readonly #ws: WebSocket;
  readonly #times: SocketTimes;
  #error: Error | undefined;
  #paused = false;
  /** Bytes since the last pong. */
  #sent = 0;
  #ping: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;

  constructor(ws: WebSocket, times: SocketTimes) {
    this.#ws = ws;
    this.#times = times;
    const { promise, resolve } = Promise.withResolvers<SocketEnd>();
    this.closed = promise;
    ws.on('error', (error) => {
      this.#error ??= error;
    });
    ws.on('pong', () => {
      this.#sent = 0;
      this.seen();
    });
    // The library answers pings itself.
    ws.on('ping', () => {
      this.seen();
    });
    ws.once('close', (code) => {
      clearTimeout(this.#ping);
      clearTimeout(this.#deadline);
      resolve(this.#error === undefined ? { code } : { code, error: this.#error });
    });
  }

  start(): void {
    this.#ping = setTimeout(() => {
      this.#ask();
    }, this.#times.ping);
  }

  /** Anything came: it lives. */
  seen(): void {
    if (this.#deadline === undefined) return;
    this.#listen();
    this.start();
  }

  sent(bytes: number): void {
    this.#sent += bytes;
  }

  pause(): void {
    this.#paused = true;
    this.#ws.pause();
    // Who does not listen hears no answer.
    this.seen();
  }

  resume(): void {
    this.#paused = false;
    this.#ws.resume();
  }

  close(): void {
    this.resume();
    this.#ws.close(1000);
    this.#expect(CLOSE_MS);
  }

  #ask(): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    if (this.#paused) {
      this.start();
      return;
    }
    this.#ws.ping();
    this.#expect(this.#sent < MUCH ? this.#times.pong : this.#times.busyPong);
  }

  #expect(withinMs: number): void {
    this.#listen();
    clearTimeout(this.#ping);
    this.#deadline = setTimeout(() => {
      this.#error ??= new Error('the API server does not answer any more');
      this.#ws.terminate();
    }, withinMs);
  }

  #listen(): void {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
  }
}
