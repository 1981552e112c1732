// Owns one target at run time: what is seen goes to the reconciler, the plan comes out of core/plan.ts, and the actions
// are done here. Nothing here decides.
import { asDebugwandError, messageOf, type DebugwandError } from '../lib/errors.ts';
import { pause } from '../lib/time.ts';
import type { Log } from '../lib/log.ts';
import type { Replica, Rung, TargetConfig } from '../core/types.ts';
import type { TargetReport } from '../core/status.ts';
import { whilePausedParams } from '../core/pause-budget.ts';
import { plan, type Action } from '../core/plan.ts';
import { targetReport } from '../core/report.ts';
import type { WorkerState } from '../core/entry-state.ts';
import { workerUser } from '../core/ladder.ts';
import type { Observation } from '../core/observation.ts';
import { replicaOf, shortName, workerName } from '../core/followed-replica.ts';
import { replicaKey, type ProcessKey } from '../core/identity.ts';
import { observe, proofOf, slotOf, workerOf } from '../core/state.ts';
import { switchTo, type WantedWorker } from '../core/switch.ts';
import { EditorPort, type EditorPortEvent } from '../dap/editor-port.ts';
import type { Target } from '../targets/target.ts';
import { Followed, type FollowedHooks } from './followed.ts';
import { Forwards } from './forwards.ts';
import { Reconciler } from './reconciler.ts';
import { Sessions } from './sessions.ts';

export interface RunnerContext {
  readonly log: Log;
  /** Absolute: the developer's project folder, for path mappings. */
  readonly projectRoot: string;
  readonly onChange: () => void;
}

export class TargetRunner {
  readonly #context: RunnerContext;
  readonly #target: Target;
  readonly #port: EditorPort;
  readonly #forwards: Forwards;
  readonly #abort = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  #config: TargetConfig;
  readonly #reconciler: Reconciler;
  /** By `replicaKey`. */
  readonly #followed = new Map<string, Followed>();
  readonly #sessions: Sessions;
  readonly #looking = new Set<Followed>();
  #closing = false;

  constructor(config: TargetConfig, target: Target, context: RunnerContext) {
    this.#config = config;
    this.#target = target;
    this.#context = context;
    this.#reconciler = new Reconciler({
      observe: (state, seen) => {
        const next = observe(state, seen, this.#config, Date.now(), Math.random());
        const followed = [next, ...next.slots].map(({ worker }) => worker?.generation ?? null);
        const sessions = [next, ...next.slots].map(({ sessionGeneration }) => sessionGeneration);
        for (const { entries } of this.#followed.values()) entries.keep(followed, sessions);
        return next;
      },
      plan: (state) => plan(this.#config, state, { helperAvailable: target.execHelper !== null }, Date.now()),
      act: (action) => {
        this.#act(action);
      },
      onSettled: ({ phase, message }) => {
        this.#port.update({ waitingFor: phase === 'attached' || phase === 'stopped' ? null : message });
        this.#forwards.waitingFor(message);
        context.onChange();
      },
      onFault: (text) => {
        this.#log('error', text);
      },
    });
    this.#port = new EditorPort(
      {
        name: config.name,
        port: config.port,
        terminateOnDisconnect: config.terminateOnDisconnect,
        stopAll: config.stopAll,
      },
      (event, slot) => {
        this.#onPort(event, slot);
      },
    );
    this.#sessions = new Sessions(this.#port, context.projectRoot);
    this.#forwards = new Forwards(target, {
      onChange: context.onChange,
      log: (level, text) => {
        this.#log(level, text);
      },
    });
  }

  get config(): TargetConfig {
    return this.#config;
  }

  get target(): Target {
    return this.#target;
  }

  /** Binds the port and starts watching. A port that is taken is a fault of this target, tried again until it is free. */
  start(): void {
    this.#task('bind the port', () => this.#bind());
    this.#forwards.configure(this.#config.forward);
    this.#task('watch the target', async () => {
      for await (const snapshot of this.#target.watch(this.#abort.signal)) this.post({ type: 'snapshot', snapshot });
    });
  }

  report(): TargetReport {
    const { state, plan: decided } = this.#reconciler;
    return targetReport(this.#config, state, decided, this.#forwards.reports());
  }

  /** Applies settings that need no new target: process choice, holdAtStart, …; path mappings and what is done
   * while paused enter the worker anew. */
  update(config: TargetConfig): void {
    const { pathMappings, whilePaused } = this.#config;
    const remapped =
      JSON.stringify([config.pathMappings, config.whilePaused]) !== JSON.stringify([pathMappings, whilePaused]);
    this.#config = config;
    this.#port.update({ terminateOnDisconnect: config.terminateOnDisconnect, stopAll: config.stopAll });
    this.#forwards.configure(config.forward);
    this.post({ type: 'config' });
    if (remapped) for (const slot of this.#sessions.slots) this.post({ type: 'reenter', slot });
  }

  /** Takes the debugger out of the worker and puts it in again; the editor's session goes on. */
  reenter(): void {
    this.post({ type: 'reenter' });
  }

  /**
   * Moves the first session to another worker, as a reload would. `wanted`: null for the next one. Returns its name.
   * @throws DebugwandError `no-such-worker`, `worker-has-session`, `worker-ambiguous`
   */
  switchTo(wanted: WantedWorker | null): string {
    const { state } = this.#reconciler;
    const { pid, startTime, replica } = switchTo(state, this.#config.name, wanted);
    const worker = { pid, startTime, ...(replica === undefined ? {} : { replica }) };
    this.post({ type: 'switch', worker });
    return workerName(state, worker);
  }

  /** Asks the agent for the processes anew, and ends the waiting for a next try. */
  refresh(): void {
    this.post({ type: 'retry' });
    this.look();
  }

  /** Asks the agents for the processes anew; while one is at it, not again. */
  look(): void {
    for (const followed of this.#followed.values()) {
      if (this.#looking.has(followed)) continue;
      this.#looking.add(followed);
      this.#task('look again', async () => {
        try {
          await followed.refresh();
        } finally {
          this.#looking.delete(followed);
        }
      });
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#reconciler.close();
    const forwards = this.#forwards.close();
    // Order matters: the keeper says goodbye to debugpy while the agents still carry its bytes.
    await this.#port.close();
    await Promise.all([...this.#followed.values()].map((followed) => followed.close()));
    this.#abort.abort();
    await forwards;
    await this.#target.close();
    await Promise.allSettled(this.#tasks);
  }

  post(seen: Observation): void {
    this.#reconciler.post(seen);
  }

  #act(action: Action): void {
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
        return this.post({ type: 'child-refused', slot: action.slot, why: action.why });
      case 'end-slot': {
        const { slot, generation } = action;
        if (generation !== null) this.#sessionDown(generation, slot);
        this.#port.endChild(slot);
        return this.post({ type: 'slot-ended', slot });
      }
      case 'seats':
        return this.post({ type: 'seats' });
      case 'tell':
        for (const text of action.texts) {
          this.#port.say(text);
          this.#log('warn', text);
        }
        return this.post({ type: 'told', count: action.texts.length });
      default:
        return action satisfies never;
    }
  }

  #follow(replicas: readonly Replica[]): void {
    const wanted = new Set(replicas.map(replicaKey));
    for (const [key, former] of this.#followed) {
      if (wanted.has(key)) continue;
      this.#followed.delete(key);
      this.#task('leave the replica', () => former.close());
    }
    for (const replica of replicas) {
      const key = replicaKey(replica);
      if (this.#followed.has(key)) continue;
      const hooks: FollowedHooks = {
        post: (seen) => {
          this.post(seen);
        },
        log: (level, text) => {
          this.#log(level, text);
        },
      };
      this.#followed.set(key, new Followed(this.#target, replica, this.#config.leaseSeconds, hooks));
    }
    this.#forwards.follow(replicas[0] ?? null);
    this.post({ type: 'following', replicas });
  }

  #startAgent(replica: Replica): void {
    const key = replicaKey(replica);
    const followed = this.#followed.get(key);
    if (followed === undefined) return;
    this.post({ type: 'agent-starting', replica: key });
    this.#task('start the agent', () => followed.watch());
  }

  /** What runs where that process runs; null: it was left. */
  #placeOf(process: ProcessKey): Followed | null {
    const place = replicaOf(this.#reconciler.state, process);
    return place === null ? null : (this.#followed.get(place.key) ?? null);
  }

  #enter(worker: WorkerState, rung: Rung): void {
    const { generation, process, failedRungs } = worker;
    const { state } = this.#reconciler;
    const followed = this.#placeOf(process);
    const known = followed === null ? [] : proofOf(state, followed.replica).skips;
    const options = {
      rung,
      user: workerUser(process, [...known, ...failedRungs]),
      holdAtStart: this.#config.holdAtStart && this.#hasEditor(generation),
      whilePaused: whilePausedParams(followed?.replica.probes, this.#config.whilePaused),
    };
    this.post({ type: 'entering', generation, rung });
    if (followed === null) return;
    this.#task('enter the worker', async () => {
      const outcome = await followed.entries.enter(worker, options);
      if (outcome.type === 'unwanted') return;
      if (outcome.type === 'entered') {
        const { result } = outcome;
        this.#log('debug', `entered ${String(process.pid)} ${JSON.stringify(result)}`);
        this.post({ type: 'entered', generation, rung, result });
      } else {
        const { error } = outcome;
        this.#log('debug', `entering failed: ${error.message} ${String(error.facts?.['traceback'] ?? '')}`);
        this.post({ type: 'enter-failed', generation, rung, error });
      }
    });
  }

  /** An editor waits for that worker. */
  #hasEditor(generation: number): boolean {
    const { state } = this.#reconciler;
    const slot = slotOf(state, generation);
    return slot === null ? state.editor.connected : slot.session.state === 'open';
  }

  #sessionUp(worker: WorkerState, slot: number): void {
    const followed = this.#placeOf(worker.process);
    const { state } = this.#reconciler;
    if (followed === null || !this.#sessions.up(slot, worker, followed, state, this.#config)) return;
    this.post({ type: 'session-up', generation: worker.generation });
  }

  #sessionDown(generation: number, slot: number): void {
    const { state } = this.#reconciler;
    const now = slot === 0 ? state.worker : (state.slots.find(({ id }) => id === slot)?.worker ?? null);
    const followed = this.#followed.get(this.#sessions.replicaOf(slot) ?? '') ?? null;
    this.#sessions.down(slot, generation, state, now, followed);
    this.post({ type: 'session-down', slot });
  }

  /** An editor keeps the name that it is given: the slot's own, since its workers come and go. The first session is 1. */
  #openChild(slot: number): void {
    const { state } = this.#reconciler;
    const worker = state.slots.find(({ id }) => id === slot)?.worker ?? null;
    const place = worker === null ? null : replicaOf(state, worker.process);
    const several = (state.snapshot?.replicas ?? []).filter((one) => one.state === 'running').length > 1;
    const name = `worker ${String(slot + 1)}`;
    this.post({ type: 'child-asked', slot });
    this.#port.openChild(
      slot,
      several && place !== null ? `${shortName(place.replica)}: ${name}` : `${name} of ${this.#config.name}`,
    );
  }

  #onPort(event: EditorPortEvent, slot: number): void {
    switch (event.type) {
      case 'listening':
        return;
      case 'editor':
        return this.post({ type: 'editor', connected: event.connected, client: event.client, slot });
      case 'children':
        return this.post({ type: 'children' });
      case 'child-refused':
        return this.post({ type: 'child-refused', slot, why: event.why });
      case 'stopped':
        return this.post({ type: 'stopped', where: event.where, slot });
      case 'verified':
        this.#unhold(event.generation);
        return this.post({ type: 'verified', generation: event.generation, at: event.at });
      case 'upstream-lost':
        return this.post({ type: 'session-lost', generation: event.generation, why: event.why });
      case 'restart-requested':
        return this.post({ type: 'reenter', slot });
      case 'terminate-requested':
        return;
      case 'log':
        return this.#log(event.level, event.text);
      default:
        return event satisfies never;
    }
  }

  #unhold(generation: number): void {
    const worker = workerOf(this.#reconciler.state, generation);
    const followed = worker === null ? null : this.#placeOf(worker.process);
    if (worker?.holding !== true || followed === null) return;
    this.#task('let the worker go on', () => followed.entries.unhold(generation));
    this.post({ type: 'unheld', generation });
  }

  async #bind(): Promise<void> {
    let told = '';
    while (!this.#closing) {
      try {
        await this.#port.listen(this.#abort.signal);
        this.post({ type: 'port', bound: true, fault: null });
        return;
      } catch (error) {
        if (this.#closing) return;
        const fault: DebugwandError = asDebugwandError(error);
        if (told !== fault.message) this.post({ type: 'port', bound: false, fault });
        told = fault.message;
        await pause(1_000, this.#abort.signal);
      }
    }
  }

  #log(level: 'debug' | 'info' | 'warn' | 'error', text: string): void {
    this.#context.log[level](`${this.#config.name}: ${text}`);
  }

  /** Runs a task to its end; what it throws is logged, `close` awaits it. */
  #task(what: string, run: () => Promise<void>): void {
    const task = run()
      .catch((error: unknown) => {
        if (!this.#abort.signal.aborted) this.#log('error', `could not ${what}: ${messageOf(error)}`);
      })
      .finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }
}
