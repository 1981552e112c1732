// Owns the sockets that listen on a port of ours: binding both loopback addresses, naming who has a port that is taken.
import { createServer, type Server, type Socket } from 'node:net';
import { DebugwandError } from '../lib/errors.ts';
import { describePortOwner, NOBODY, portFix, portOwner } from './port-owner.ts';

const CLOSE_MS = 1000;

export class PortListener {
  readonly #onSocket: (socket: Socket) => void;
  readonly #options: { readonly allowHalfOpen?: boolean };
  readonly #servers: Server[] = [];

  constructor(onSocket: (socket: Socket) => void, options: { readonly allowHalfOpen?: boolean } = {}) {
    this.#onSocket = onSocket;
    this.#options = options;
  }

  /**
   * Binds a port (0: any) on 127.0.0.1, and on ::1 where there is such a thing. Returns the port. After a failure nothing
   * is bound, and it may be tried again. `otherwise`: what else a user can do about a port that is taken.
   * @throws DebugwandError `port-taken` naming who has it, `port-denied`
   */
  async bind(port: number, otherwise: string): Promise<number> {
    try {
      const bound = await this.#bind('127.0.0.1', port);
      await this.#bind('::1', bound).catch((error: unknown) => {
        // A machine without IPv6 is fine; one where somebody else has ::1 is not: some editors try it first.
        if (codeOf(error) === 'EADDRINUSE') throw error;
      });
      return bound;
    } catch (error) {
      await this.close();
      throw explain(error, port, otherwise);
    }
  }

  /** Takes no more connections; those that are open have to be ended by whoever has them. */
  async close(): Promise<void> {
    await Promise.all(
      this.#servers.splice(0).map(
        (server) =>
          new Promise<void>((resolve) => {
            server.close(() => {
              resolve();
            });
            setTimeout(resolve, CLOSE_MS).unref();
          }),
      ),
    );
  }

  #bind(host: string, port: number): Promise<number> {
    const server = createServer(this.#options, this.#onSocket);
    return new Promise((resolve, reject) => {
      // Later ones are about single connections (no descriptor left): the listener itself goes on.
      server.on('error', reject);
      server.listen({ host, port, exclusive: true, ipv6Only: true }, () => {
        this.#servers.push(server);
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }
}

function explain(error: unknown, port: number, otherwise: string): unknown {
  if (codeOf(error) === 'EACCES') {
    return new DebugwandError({
      code: 'port-denied',
      message: `port ${String(port)} may not be opened by this user`,
      fix: `choose a port above 1023: ${otherwise}`,
      cause: error,
    });
  }
  if (codeOf(error) !== 'EADDRINUSE') return error;
  return new DebugwandError({
    code: 'port-taken',
    message: `port ${String(port)} is taken by ${describePortOwner(port) ?? 'another process'}`,
    fix: `${portFix(portOwner(port) ?? NOBODY, port)}, or ${otherwise}`,
    cause: error,
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
