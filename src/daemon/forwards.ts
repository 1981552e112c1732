// Owns the forwarded ports of one target: which of them there are, and where they lead now. Must not know sockets.
import type { Duplex } from 'node:stream';
import type { ForwardReport } from '../core/status.ts';
import { replicaKey } from '../core/identity.ts';
import type { ForwardConfig, Replica } from '../core/types.ts';
import type { Route } from '../forward/client.ts';
import { Forwarder } from '../forward/forwarder.ts';
import { remotePort } from '../forward/remote-port.ts';
import { Refused } from '../forward/relay.ts';
import type { Target } from '../targets/target.ts';
import { ForwardRelay } from './forward-relay.ts';

export interface ForwardsHooks {
  readonly onChange: () => void;
  readonly log: (level: 'debug' | 'info', text: string) => void;
}

/** Changes within this are told once, ms: of what works, and of mere numbers. */
const TELL_MS = 100;
const TELL_COUNT_MS = 1_000;

interface Forward {
  config: ForwardConfig;
  readonly forwarder: Forwarder;
  /** Why the last attempt brought no connection; null: it did, or none was made at this replica. */
  refused: string | null;
}

export class Forwards {
  readonly #target: Target;
  readonly #hooks: ForwardsHooks;
  /** By local port. */
  readonly #forwards = new Map<number, Forward>();
  readonly #sleepers = new Set<() => void>();
  readonly #relays = new Set<ForwardRelay>();
  readonly #closing = new Set<Promise<void>>();
  #configs: readonly ForwardConfig[] = [];
  #replica: Replica | null = null;
  #current: ForwardRelay | null = null;
  #waitingFor: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #tellAt = 0;
  #closed = false;

  constructor(target: Target, hooks: ForwardsHooks) {
    this.#target = target;
    this.#hooks = hooks;
  }

  /** These ports, from now on. Those that stay are not touched. */
  configure(configs: readonly ForwardConfig[]): void {
    this.#configs = configs;
    if (this.#target.kind === 'local') return;
    const wanted = new Set(configs.map(({ localPort }) => localPort));
    for (const [port, { forwarder }] of this.#forwards) {
      if (wanted.has(port)) continue;
      this.#forwards.delete(port);
      const closed = forwarder.close().finally(() => this.#closing.delete(closed));
      this.#closing.add(closed);
    }
    for (const config of configs) this.#add(config);
    this.#connect();
    this.#changed();
  }

  /** New connections go there from now on; null: nowhere. */
  follow(replica: Replica | null): void {
    const same = replica !== null && this.#replica !== null && replicaKey(replica) === replicaKey(this.#replica);
    this.#replica = replica;
    if (same) return;
    this.#current?.retire();
    this.#current = null;
    for (const forward of this.#forwards.values()) forward.refused = null;
    this.#connect();
    this.#changed();
  }

  /** What the target waits for, in words; null: nothing. */
  waitingFor(text: string | null): void {
    this.#waitingFor = text;
  }

  reports(): ForwardReport[] {
    return this.#configs.map((config) => {
      const { localPort, remotePort: remote } = config;
      const forward = this.#forwards.get(localPort);
      const connections = forward?.forwarder.clients ?? 0;
      return { localPort, remotePort: remote, ...this.#state(config, forward), connections };
    });
  }

  /** Every port is free and every connection gone when it resolves. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const forwarders = [...this.#forwards.values()].map(({ forwarder }) => forwarder.close());
    this.#forwards.clear();
    for (const relay of this.#relays) relay.close();
    await Promise.all([...forwarders, ...this.#closing, ...[...this.#relays].map(({ over }) => over)]);
  }

  #add(config: ForwardConfig): void {
    const known = this.#forwards.get(config.localPort);
    if (known !== undefined) {
      if (known.config.remotePort !== config.remotePort) known.refused = null;
      known.config = config;
      return;
    }
    const route: Route = {
      dial: (signal) => this.#dial(forward, signal),
      sleep: (ms, signal) => this.#sleep(ms, signal),
      why: () => {
        const why = this.#missing() ?? forward.refused ?? 'the app does not take connections';
        return `port ${String(config.localPort)} leads nowhere yet: ${why}`;
      },
    };
    const forwarder = new Forwarder(config.localPort, route, (what) => {
      this.#changed(what === 'clients' ? TELL_COUNT_MS : TELL_MS);
    });
    const forward: Forward = { config, forwarder, refused: null };
    this.#forwards.set(config.localPort, forward);
    forwarder.start();
  }

  #state(config: ForwardConfig, forward: Forward | undefined): Pick<ForwardReport, 'state' | 'message'> {
    if (forward === undefined) return { state: 'ready', message: 'not needed: the app runs on this machine' };
    const { fault } = forward.forwarder;
    if (fault !== null) return { state: 'blocked', message: `${fault.message}: ${fault.fix}` };
    if (this.#replica !== null) {
      const found = remotePort(config.remotePort, this.#replica);
      if (typeof found === 'string') return { state: 'blocked', message: found };
    }
    const waiting = this.#missing() ?? forward.refused;
    if (waiting !== null) return { state: 'waiting', message: waiting };
    return { state: 'ready', message: `to ${this.#replica?.name ?? ''}` };
  }

  /** What is waited for before anything can be dialled. */
  #missing(): string | null {
    if (this.#current === null) return this.#waitingFor ?? 'nothing runs yet';
    return this.#current.waitingFor;
  }

  /** Sees to it that the replica can be dialled when there is something to forward. */
  #connect(): void {
    if (this.#forwards.size === 0) {
      this.#current?.retire();
      this.#current = null;
      return;
    }
    if (this.#replica === null || this.#current !== null) return;
    const relay = new ForwardRelay(this.#target, this.#replica, {
      log: this.#hooks.log,
      onChange: () => {
        this.#wake();
        this.#changed();
      },
    });
    this.#current = relay;
    this.#relays.add(relay);
    void relay.over.finally(() => this.#relays.delete(relay));
  }

  async #dial(forward: Forward, signal: AbortSignal): Promise<Duplex> {
    const [replica, relay] = [this.#replica, this.#current];
    if (replica === null || relay === null) throw new Refused('nothing runs yet');
    const port = remotePort(forward.config.remotePort, replica);
    if (typeof port === 'string') throw new Refused(port);
    try {
      const app = await relay.dial(port, signal);
      this.#refused(forward, null);
      return app;
    } catch (error) {
      if (relay === this.#current && relay.waitingFor === null && !signal.aborted)
        this.#refused(forward, `nothing answers on port ${String(port)} of ${replica.name}`);
      throw error;
    }
  }

  #refused(forward: Forward, why: string | null): void {
    if (forward.refused === why) return;
    forward.refused = why;
    this.#changed();
  }

  /** Until there is a replica, or another one, or a way into it. */
  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#sleepers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      this.#sleepers.add(done);
      if (signal.aborted) done();
    });
  }

  #wake(): void {
    for (const done of this.#sleepers) done();
  }

  #changed(withinMs = TELL_MS): void {
    const at = performance.now() + withinMs;
    if (this.#closed || (this.#timer !== null && this.#tellAt <= at)) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#tellAt = at;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#hooks.onChange();
    }, withinMs);
  }
}
