/** Stands between wand and a server's socket, and goes and comes on command: what a cut connection is to both. */
import { connect, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net';

export class Proxy {
  readonly #to: NetConnectOpts;
  readonly #at: string | number;
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;

  private constructor(to: NetConnectOpts, at: string | number) {
    this.#to = to;
    this.#at = at;
  }

  /** Listens at a path, or at a port of the loopback. */
  static async start(to: NetConnectOpts, at: string | number): Promise<Proxy> {
    const proxy = new Proxy(to, at);
    await proxy.up();
    return proxy;
  }

  /** Takes connections, from now on. */
  async up(): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ ...this.#to, allowHalfOpen: true });
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => undefined);
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    this.#server = server;
    await new Promise<void>((resolve) => {
      if (typeof this.#at === 'number') server.listen(this.#at, '127.0.0.1', resolve);
      else server.listen(this.#at, resolve);
    });
  }

  /** Cuts all connections, and takes no others. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    const closed = new Promise<void>((resolve) => {
      if (server === null) resolve();
      else server.close(() => resolve());
    });
    this.cut();
    await closed;
  }

  /** Cuts all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Nothing passes any more on the connections that are open, and nobody is told. New ones are not affected. */
  freeze(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
  }
}
