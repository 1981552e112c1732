// Owns how each action of a plan is done: it is begun at once, what comes of it is posted. Nothing here decides.
import type { WorkerState } from '../core/entry-state.ts';
import { replicaOf, shortName } from '../core/followed-replica.ts';
import { replicaKey, type ProcessKey } from '../core/identity.ts';
import { workerUser } from '../core/ladder.ts';
import type { Observation } from '../core/observation.ts';
import { whilePausedParams } from '../core/pause-budget.ts';
import type { Action } from '../core/plan.ts';
import { proofOf, slotOf, workerOf, type TargetState } from '../core/state.ts';
import type { Replica, Rung, TargetConfig } from '../core/types.ts';
import type { EditorPort } from '../dap/editor-port.ts';
import type { Followed } from './followed.ts';
import type { FollowedReplicas } from './followed-replicas.ts';
import type { Forwards } from './forwards.ts';
import type { Sessions } from './sessions.ts';
import type { Tasks } from './tasks.ts';

/** What of a target is acted on. */
export interface ActionParts {
  readonly config: () => TargetConfig;
  readonly state: () => TargetState;
  readonly post: (seen: Observation) => void;
  readonly log: (level: 'debug' | 'warn', text: string) => void;
  readonly tasks: Tasks;
  readonly port: EditorPort;
  readonly sessions: Sessions;
  readonly replicas: FollowedReplicas;
  readonly forwards: Forwards;
}

export class Actions {
  readonly #parts: ActionParts;

  constructor(parts: ActionParts) {
    this.#parts = parts;
  }

  do(action: Action): void {
    const { post, port, log } = this.#parts;
    switch (action.type) {
      case 'follow':
        return this.#follow(action.replicas);
      case 'start-agent':
        return this.#startAgent(action.replica);
      case 'enter':
        return this.#enter(action.worker, action.rung);
      case 'session-up':
        return this.#sessionUp(action.worker, action.slot ?? 0);
      case 'session-down':
        return this.#sessionDown(action.generation, action.slot ?? 0);
      case 'open-child':
        return this.#openChild(action.slot);
      case 'give-up-child':
        return post({ type: 'child-refused', slot: action.slot, why: action.why });
      case 'end-slot': {
        const { slot, generation } = action;
        if (generation !== null) this.#sessionDown(generation, slot);
        port.endChild(slot);
        return post({ type: 'slot-ended', slot });
      }
      case 'seats':
        return post({ type: 'seats' });
      case 'tell':
        for (const text of action.texts) {
          port.say(text);
          log('warn', text);
        }
        return post({ type: 'told', count: action.texts.length });
      default:
        return action satisfies never;
    }
  }

  /** A worker that was held at its start may go on. */
  unhold(generation: number): void {
    const { post, state, tasks } = this.#parts;
    const worker = workerOf(state(), generation);
    const followed = worker === null ? null : this.#placeOf(worker.process);
    if (worker?.holding !== true || followed === null) return;
    tasks.run('let the worker go on', () => followed.entries.unhold(generation));
    post({ type: 'unheld', generation });
  }

  #follow(replicas: readonly Replica[]): void {
    const { config, forwards, post, replicas: followed } = this.#parts;
    followed.follow(replicas, config().leaseSeconds);
    forwards.follow(replicas[0] ?? null);
    post({ type: 'following', replicas });
  }

  #startAgent(replica: Replica): void {
    const { post, replicas, tasks } = this.#parts;
    const key = replicaKey(replica);
    const followed = replicas.of(key);
    if (followed === null) return;
    post({ type: 'agent-starting', replica: key });
    tasks.run('start the agent', () => followed.watch());
  }

  /** What runs where that process runs; null: it was left. */
  #placeOf(process: ProcessKey): Followed | null {
    const { replicas, state } = this.#parts;
    return replicas.of(replicaOf(state(), process)?.key ?? null);
  }

  #enter(worker: WorkerState, rung: Rung): void {
    const { log, post, state, tasks } = this.#parts;
    const { holdAtStart, whilePaused } = this.#parts.config();
    const { generation, process, failedRungs } = worker;
    const followed = this.#placeOf(process);
    const known = followed === null ? [] : proofOf(state(), followed.replica).skips;
    const options = {
      rung,
      user: workerUser(process, [...known, ...failedRungs]),
      holdAtStart: holdAtStart && this.#hasEditor(generation),
      whilePaused: whilePausedParams(followed?.replica.probes, whilePaused),
    };
    post({ type: 'entering', generation, rung });
    if (followed === null) return;
    tasks.run('enter the worker', async () => {
      const outcome = await followed.entries.enter(worker, options);
      if (outcome.type === 'unwanted') return;
      if (outcome.type === 'entered') {
        const { result } = outcome;
        log('debug', `entered ${String(process.pid)} ${JSON.stringify(result)}`);
        post({ type: 'entered', generation, rung, result });
      } else {
        const { error } = outcome;
        log('debug', `entering failed: ${error.message} ${String(error.facts?.['traceback'] ?? '')}`);
        post({ type: 'enter-failed', generation, rung, error });
      }
    });
  }

  /** An editor waits for that worker. */
  #hasEditor(generation: number): boolean {
    const state = this.#parts.state();
    const slot = slotOf(state, generation);
    return slot === null ? state.editor.connected : slot.session.state === 'open';
  }

  #sessionUp(worker: WorkerState, slot: number): void {
    const { config, post, sessions, state } = this.#parts;
    const followed = this.#placeOf(worker.process);
    if (followed === null || !sessions.up(slot, worker, followed, state(), config())) return;
    post({ type: 'session-up', generation: worker.generation });
  }

  #sessionDown(generation: number, slot: number): void {
    const { post, replicas, sessions } = this.#parts;
    const state = this.#parts.state();
    const now = slot === 0 ? state.worker : (state.slots.find(({ id }) => id === slot)?.worker ?? null);
    sessions.down(slot, generation, state, now, replicas.of(sessions.replicaOf(slot)));
    post({ type: 'session-down', slot });
  }

  /** An editor keeps the name that it is given: the slot's own, since its workers come and go. The first session is 1. */
  #openChild(slot: number): void {
    const { config, port, post } = this.#parts;
    const state = this.#parts.state();
    const worker = state.slots.find(({ id }) => id === slot)?.worker ?? null;
    const place = worker === null ? null : replicaOf(state, worker.process);
    const several = (state.snapshot?.replicas ?? []).filter((one) => one.state === 'running').length > 1;
    const name = `worker ${String(slot + 1)}`;
    post({ type: 'child-asked', slot });
    port.openChild(
      slot,
      several && place !== null ? `${shortName(place.replica)}: ${name}` : `${name} of ${config().name}`,
    );
  }
}
