// Owns the life of one target: what is seen goes to the reconciler, the plan comes out of core/plan.ts, and its actions go to
// actions.ts. Nothing here decides.
import { asDebugwandError, type DebugwandError } from '../lib/errors.ts';
import { pause } from '../lib/time.ts';
import type { Log } from '../lib/log.ts';
import type { TargetConfig } from '../core/types.ts';
import type { TargetReport } from '../core/status.ts';
import { plan } from '../core/plan.ts';
import { targetReport } from '../core/report.ts';
import type { Observation } from '../core/observation.ts';
import { workerName } from '../core/followed-replica.ts';
import { observe } from '../core/state.ts';
import { switchTo, type WantedWorker } from '../core/switch.ts';
import { EditorPort, type EditorPortEvent } from '../dap/editor-port.ts';
import type { Target } from '../targets/target.ts';
import { Actions } from './actions.ts';
import { FollowedReplicas } from './followed-replicas.ts';
import { Forwards } from './forwards.ts';
import { Reconciler } from './reconciler.ts';
import { Sessions } from './sessions.ts';
import { Tasks } from './tasks.ts';

type Level = keyof Log;

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
  readonly #tasks: Tasks;
  #config: TargetConfig;
  readonly #reconciler: Reconciler;
  readonly #replicas: FollowedReplicas;
  readonly #sessions: Sessions;
  readonly #actions: Actions;
  #closing = false;

  constructor(config: TargetConfig, target: Target, context: RunnerContext) {
    this.#config = config;
    this.#target = target;
    this.#context = context;
    const log = (level: Level, text: string): void => {
      this.#log(level, text);
    };
    const post = (seen: Observation): void => {
      this.post(seen);
    };
    const onFault = (text: string): void => {
      log('error', text);
    };
    this.#tasks = new Tasks(onFault, this.#abort.signal);
    this.#replicas = new FollowedReplicas(target, { post, log }, this.#tasks);
    this.#reconciler = new Reconciler({
      observe: (state, seen) => {
        const next = observe(state, seen, this.#config, Date.now(), Math.random());
        const followed = [next, ...next.slots].map(({ worker }) => worker?.generation ?? null);
        const sessions = [next, ...next.slots].map(({ sessionGeneration }) => sessionGeneration);
        this.#replicas.keep(followed, sessions);
        return next;
      },
      plan: (state) => plan(this.#config, state, { helperAvailable: target.execHelper !== null }, Date.now()),
      act: (action) => {
        this.#actions.do(action);
      },
      onSettled: ({ phase, message }) => {
        this.#port.update({ waitingFor: phase === 'attached' || phase === 'stopped' ? null : message });
        this.#forwards.waitingFor(message);
        context.onChange();
      },
      onFault,
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
    this.#forwards = new Forwards(target, { onChange: context.onChange, log });
    this.#actions = new Actions({
      config: () => this.#config,
      state: () => this.#reconciler.state,
      post,
      log,
      tasks: this.#tasks,
      port: this.#port,
      sessions: this.#sessions,
      replicas: this.#replicas,
      forwards: this.#forwards,
    });
  }

  get config(): TargetConfig {
    return this.#config;
  }

  get target(): Target {
    return this.#target;
  }

  /** Somebody else has the editors' port. */
  get portTaken(): boolean {
    return this.#reconciler.state.fault?.code === 'port-taken';
  }

  /** Binds the port and starts watching. A port that is taken is a fault of this target, tried again until it is free. */
  start(): void {
    this.#tasks.run('bind the port', () => this.#bind());
    this.#forwards.configure(this.#config.forward);
    this.#tasks.run('watch the target', async () => {
      for await (const snapshot of this.#target.watch(this.#abort.signal)) this.post({ type: 'snapshot', snapshot });
    });
  }

  report(): TargetReport {
    const { state, plan: decided } = this.#reconciler;
    return targetReport(this.#config, state, decided, this.#forwards.reports(), Date.now());
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
    if (!remapped) return;
    const { worker, slots } = this.#reconciler.state;
    for (const { id, worker: one } of [{ id: 0, worker }, ...slots]) {
      // One that is being entered is so by the former settings.
      const isTouched = one?.entry.state === 'entering' || one?.entry.state === 'entered';
      if (isTouched) this.post({ type: 'reenter', slot: id });
    }
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
    this.#replicas.look();
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#reconciler.close();
    const forwards = this.#forwards.close();
    // Order matters: the keeper says goodbye to debugpy while the agents still carry its bytes.
    await this.#port.close();
    await this.#replicas.close();
    this.#abort.abort();
    await forwards;
    await this.#target.close();
    await this.#tasks.settled();
  }

  post(seen: Observation): void {
    this.#reconciler.post(seen);
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
        return this.post({ type: 'stopped', where: event.where, slot, along: event.along });
      case 'verified':
        this.#actions.unhold(event.generation);
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

  #log(level: Level, text: string): void {
    this.#context.log[level](`${this.#config.name}: ${text}`);
  }
}
