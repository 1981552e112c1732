// Owns a target in memory, for tables about whole stories: the core and what the daemon would do for it.
import { replicaKey } from '../../../src/core/identity.ts';
import { plan, type Action, type Plan } from '../../../src/core/plan.ts';
import type { Observation } from '../../../src/core/observation.ts';
import { targetReport } from '../../../src/core/report.ts';
import type { WorkerSlotReport } from '../../../src/core/status.ts';
import { INITIAL_STATE, observe, type TargetState } from '../../../src/core/state.ts';
import type { ProcessInfo, Replica, TargetConfig } from '../../../src/core/types.ts';
import { CONFIG, ENTERED, HELLO, pythonProcess, REPLICA } from './facts.ts';

export const NOW = 1_000_000;

export const ARBITER = pythonProcess(10, {
  cmdline: ['python', '/venv/bin/gunicorn', '-w', '4', 'app:app'],
  ageMs: 90_000,
});

export function worker(pid: number, ageMs = 60_000): ProcessInfo {
  return pythonProcess(pid, { ppid: 10, cmdline: ARBITER.cmdline, forked: true, ageMs });
}

/** A target in memory: does what the plan says as the daemon would, and notes it. */
export class World {
  state: TargetState = INITIAL_STATE;
  now = NOW;
  readonly did: string[] = [];
  /** Workers that are entered when asked; others stay as they are. */
  enters = true;
  config: TargetConfig;

  constructor(config: Partial<TargetConfig> = {}, replicas: readonly Replica[] = [REPLICA]) {
    this.config = { ...CONFIG, ...config };
    this.replicas(...replicas);
  }

  /** The platform has these now. */
  replicas(...replicas: readonly Replica[]): this {
    return this.see({ type: 'snapshot', snapshot: { replicas, waitingFor: null, error: null } });
  }

  /** All processes of a replica. */
  in(replica: Replica, ...processes: readonly ProcessInfo[]): this {
    return this.see({ type: 'processes', processes, changed: true, replica: replicaKey(replica) });
  }

  see(seen: Observation): this {
    this.#observe(seen);
    this.#settle();
    return this;
  }

  workers(...processes: readonly ProcessInfo[]): this {
    return this.see({ type: 'processes', processes: [ARBITER, ...processes], changed: true });
  }

  editor(): this {
    return this.see({ type: 'editor', connected: true, client: 'a test' }).see({ type: 'children' });
  }

  /** The config was changed on disk. */
  changes(config: Partial<TargetConfig>): this {
    this.config = { ...this.config, ...config };
    return this.see({ type: 'config' });
  }

  /** The editor opens the sessions that it was asked for. */
  opens(...slots: readonly number[]): this {
    for (const slot of slots) this.see({ type: 'editor', connected: true, client: 'a test', slot });
    return this;
  }

  pass(ms: number): this {
    this.now += ms;
    this.#settle();
    return this;
  }

  plan(): Plan {
    return plan(this.config, this.state, { helperAvailable: false }, this.now);
  }

  /** What was done since the last look. */
  news(): string[] {
    return this.did.splice(0);
  }

  /** "0:a 1:b 2:-" by slot: the replicas; sessions that are open are marked. */
  places(): string {
    const { workers } = targetReport(this.config, this.state, this.plan(), [], 0);
    return workers
      .map(({ slot, pid, replica, session }) => {
        return `${slot === null ? '?' : String(slot)}:${pid === null ? '-' : replica}${session ? '*' : ''}`;
      })
      .join(' ');
  }

  /** "0:11 1:12 2:-" by slot; sessions that are open are marked. */
  seats(): string {
    const { workers } = targetReport(this.config, this.state, this.plan(), [], 0);
    return workers
      .map(
        ({ slot, pid, session }) =>
          `${slot === null ? '?' : String(slot)}:${pid === null ? '-' : String(pid)}${session ? '*' : ''}`,
      )
      .join(' ');
  }

  /** "1 reload 60030 ms, 0, –" by slot: how often its session got another worker, and the last time. */
  reattaches(): string {
    const { workers } = targetReport(this.config, this.state, this.plan(), [], 0);
    const last = ({ count, last: one }: WorkerSlotReport['reattach']): string =>
      one === null ? String(count) : `${String(count)} ${one.reason} ${String(one.ms)} ms`;
    return workers.map(({ slot, reattach }) => (slot === null ? '–' : last(reattach))).join(', ');
  }

  /** The breakpoints of the session of that slot are set in its worker. */
  verifies(slot: number): this {
    const { worker } = slot === 0 ? this.state : (this.state.slots.find(({ id }) => id === slot) ?? this.state);
    return this.see({ type: 'verified', generation: worker?.generation ?? 0, at: this.now });
  }

  #observe(seen: Observation): void {
    this.state = observe(this.state, seen, this.config, this.now);
  }

  #settle(): void {
    for (let rounds = 0; rounds < 50; rounds += 1) {
      const { actions } = this.plan();
      if (actions.length === 0) return;
      for (const action of actions) this.#act(action);
    }
    throw new Error('the plan does not settle');
  }

  #act(action: Action): void {
    switch (action.type) {
      case 'follow':
        return this.#observe({ type: 'following', replicas: action.replicas });
      case 'start-agent': {
        const replica = replicaKey(action.replica);
        this.#observe({ type: 'agent-starting', replica });
        return this.#observe({ type: 'agent-ready', hello: HELLO, replica });
      }
      case 'enter': {
        const { generation, process } = action.worker;
        this.did.push(`enter ${String(process.pid)}`);
        this.#observe({ type: 'entering', generation, rung: action.rung });
        if (this.enters) this.#observe({ type: 'entered', generation, rung: action.rung, result: ENTERED });
        return;
      }
      case 'session-up':
        this.did.push(`up ${String(action.slot ?? 0)}:${String(action.worker.process.pid)}`);
        return this.#observe({ type: 'session-up', generation: action.worker.generation });
      case 'session-down':
        this.did.push(`down ${String(action.slot ?? 0)}`);
        return this.#observe({ type: 'session-down', slot: action.slot ?? 0 });
      case 'open-child':
        this.did.push(`ask ${String(action.slot)}`);
        return this.#observe({ type: 'child-asked', slot: action.slot });
      case 'give-up-child':
        return this.#observe({ type: 'child-refused', slot: action.slot, why: action.why });
      case 'end-slot':
        this.did.push(`end ${String(action.slot)}`);
        return this.#observe({ type: 'slot-ended', slot: action.slot });
      case 'seats':
        return this.#observe({ type: 'seats' });
      case 'tell':
        this.did.push(...action.texts.map((text) => `tell ${text}`));
        return this.#observe({ type: 'told', count: action.texts.length });
      default:
        return action satisfies never;
    }
  }
}
