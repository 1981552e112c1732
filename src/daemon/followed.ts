// Owns all that runs inside one followed replica: its agents and the entries into its workers. What they see is posted;
// once it is closed nothing more is.
import type { AgentEvent } from '../agent/protocol.ts';
import { messageOf } from '../lib/errors.ts';
import { replicaKey } from '../core/identity.ts';
import type { Observation, ReplicaObservation } from '../core/observation.ts';
import type { Replica } from '../core/types.ts';
import type { Target } from '../targets/target.ts';
import { Entries } from './entries.ts';
import { ReplicaAgents } from './replica-agents.ts';

export interface FollowedHooks {
  readonly post: (seen: Observation) => void;
  readonly log: (level: 'debug' | 'info', text: string) => void;
}

export class Followed {
  readonly replica: Replica;
  readonly entries: Entries;
  readonly #target: Target;
  readonly #hooks: FollowedHooks;
  readonly #pool: ReplicaAgents;
  readonly #abort = new AbortController();

  constructor(target: Target, replica: Replica, leaseSeconds: number, hooks: FollowedHooks) {
    this.replica = replica;
    this.#target = target;
    this.#hooks = hooks;
    const { signal } = this.#abort;
    this.#pool = new ReplicaAgents(
      target,
      replica,
      leaseSeconds,
      {
        onEvent: (event) => {
          this.#onAgent(event);
        },
        onLost: (error) => {
          hooks.log('debug', error.message);
          this.#post({ type: 'agent-lost', error });
        },
        onProgress: (text) => {
          hooks.log('info', text);
        },
        onCut: (cut) => {
          this.#post({ type: 'wire', cutUntil: cut?.until ?? null });
        },
      },
      signal,
    );
    this.entries = new Entries(this.#pool, (error) => target.explain(error), signal);
  }

  /** Starts the agent that watches. Never rejects: it is ready or lost. */
  async watch(): Promise<void> {
    try {
      const agent = await this.#pool.watch();
      this.#post({ type: 'agent-ready', hello: agent.hello });
    } catch (error) {
      this.#post({ type: 'agent-lost', error: this.#target.explain(error) });
    }
  }

  /** Has the processes listed again. Never rejects. */
  async refresh(): Promise<void> {
    try {
      await this.#pool.refresh();
    } catch (error) {
      // An agent that does not start, or ends meanwhile, says so where it is watched.
      this.#hooks.log('debug', `could not look again: ${messageOf(error)}`);
    }
  }

  /** Leaves every worker and ends the agents. */
  async close(): Promise<void> {
    // First: what they still say is no news any more.
    this.#abort.abort();
    await Promise.all([this.#pool.close(), this.entries.settled()]);
  }

  #post(seen: ReplicaObservation): void {
    if (!this.#abort.signal.aborted) this.#hooks.post({ ...seen, replica: replicaKey(this.replica) });
  }

  #onAgent(event: AgentEvent): void {
    switch (event.event) {
      case 'processes':
        return this.#post({ type: 'processes', processes: event.processes, changed: event.changed });
      case 'exited':
        return this.#post({ type: 'exited', exit: event });
      case 'raised':
        return this.#post({ type: 'raised', pid: event.pid, startTime: event.startTime, text: event.text });
      case 'left':
        // An end is told by `exited`, with what the kernel says of it.
        if (event.ended === true) return;
        return this.#post({ type: 'left', pid: event.pid, startTime: event.startTime, why: event.why });
      case 'hello':
      case 'output':
      case 'channel-closed':
        return;
      default:
        return event satisfies never;
    }
  }
}
