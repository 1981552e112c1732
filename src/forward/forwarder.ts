// Owns one local port that leads to the app: it listens as long as it is configured, whatever becomes of the app.
// Must not know where the app is: that is the route's.
import type { Socket } from 'node:net';
import { PortListener } from '../dap/editor-listener.ts';
import { asDebugwandError, type DebugwandError } from '../lib/errors.ts';
import { pause } from '../lib/time.ts';
import { Client, type Route } from './client.ts';

/** A port that is taken is asked for again so often, ms. */
const REBIND_MS = 1_000;
/** More clients at once than this are a mistake of theirs. */
const MAX_CLIENTS = 2_000;

export class Forwarder {
  readonly port: number;
  readonly #route: Route;
  readonly #onChange: (what: 'fault' | 'clients') => void;
  readonly #clients = new Set<Client>();
  readonly #abort = new AbortController();
  readonly #listener: PortListener;
  #fault: DebugwandError | null = null;
  #bound: Promise<void> = Promise.resolve();

  /** `onChange`: the fault or the number of clients is another. */
  constructor(port: number, route: Route, onChange: (what: 'fault' | 'clients') => void) {
    this.port = port;
    this.#route = route;
    this.#onChange = onChange;
    this.#listener = new PortListener(
      (socket) => {
        this.#take(socket);
      },
      { allowHalfOpen: true },
    );
  }

  /** Why the port cannot be listened on, for now. */
  get fault(): DebugwandError | null {
    return this.#fault;
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** Listens as soon as the port is free. */
  start(): void {
    this.#bound = this.#bind();
  }

  /** The port is free and every client gone when it resolves. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#bound;
    const closed = this.#listener.close();
    for (const client of this.#clients) client.close();
    await closed;
  }

  async #bind(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        await this.#listener.bind(this.port, 'forward another local port (`forward` in the config)');
        this.#tell(null);
        return;
      } catch (error) {
        this.#tell(asDebugwandError(error));
        await pause(REBIND_MS, signal);
      }
    }
  }

  #tell(fault: DebugwandError | null): void {
    if (fault?.message === this.#fault?.message) return;
    this.#fault = fault;
    this.#onChange('fault');
  }

  #take(socket: Socket): void {
    if (this.#abort.signal.aborted || this.#clients.size >= MAX_CLIENTS) {
      socket.destroy();
      return;
    }
    const client = new Client(socket, this.#route);
    this.#clients.add(client);
    this.#onChange('clients');
    void client.run().finally(() => {
      this.#clients.delete(client);
      this.#onChange('clients');
    });
  }
}
