// Owns one target at run time: the reconciler. Observations go in by `post`, the plan comes out of core/plan.ts, and
// the actions are done here. Nothing else may change the target's state, and nothing here decides.
import { asDebugwandError, messageOf, type DebugwandError } from '../lib/errors.ts';
import { pause } from '../lib/time.ts';
import type { Log } from '../lib/log.ts';
import type { AgentEvent } from '../agent/protocol.ts';
import type { PathMapping, ProcessInfo, Replica, Rung, TargetConfig } from '../core/types.ts';
import type { TargetReport } from '../core/status.ts';
import { inferPathMappings } from '../core/path-mappings.ts';
import { plan, type Action, type Plan } from '../core/plan.ts';
import { targetReport } from '../core/report.ts';
import type { WorkerState } from '../core/entry-state.ts';
import { workerUser } from '../core/ladder.ts';
import { sessionEnd } from '../core/session-end.ts';
import type { Observation } from '../core/observation.ts';
import { INITIAL_STATE, observe, type TargetState } from '../core/state.ts';
import { EditorPort, type EditorPortEvent } from '../dap/editor-port.ts';
import type { Target } from '../targets/target.ts';
import { Entries } from './entries.ts';
import { ReplicaAgents } from './replica-agents.ts';

export interface RunnerContext {
  readonly log: Log;
  /** Absolute: the developer's project folder, for path mappings. */
  readonly projectRoot: string;
  readonly onChange: () => void;
}

/** A plan that asks for more than this many rounds at once is a bug, not work. */
const MAX_ROUNDS = 50;
/** After a fault of our own the plan is made again so much later. */
const FAULT_RETRY_MS = 1_000;

export class TargetRunner {
  readonly #context: RunnerContext;
  readonly #target: Target;
  readonly #port: EditorPort;
  readonly #abort = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  #config: TargetConfig;
  #state: TargetState = INITIAL_STATE;
  #plan: Plan;
  #agents: {
    readonly pool: ReplicaAgents;
    readonly entries: Entries;
    readonly replica: Replica;
    readonly abort: AbortController;
  } | null = null;
  /** Whom the keeper was told of. */
  #session: { readonly generation: number; readonly process: ProcessInfo; readonly replica: Replica } | null = null;
  #timer: NodeJS.Timeout | null = null;
  #running = false;
  #closing = false;
  #dirty = false;
  #lastFault = '';

  constructor(config: TargetConfig, target: Target, context: RunnerContext) {
    this.#config = config;
    this.#target = target;
    this.#context = context;
    this.#plan = plan(config, this.#state, this.#means(), Date.now());
    this.#port = new EditorPort(
      { name: config.name, port: config.port, terminateOnDisconnect: config.terminateOnDisconnect },
      (event) => {
        this.#onPort(event);
      },
    );
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
    this.#task('watch the target', async () => {
      for await (const snapshot of this.#target.watch(this.#abort.signal)) this.post({ type: 'snapshot', snapshot });
    });
  }

  report(): TargetReport {
    return targetReport(this.#config, this.#state, this.#plan);
  }

  /** Applies settings that need no new target: process choice, holdAtStart, …; new path mappings enter the worker anew. */
  update(config: TargetConfig): void {
    const remapped = JSON.stringify(config.pathMappings) !== JSON.stringify(this.#config.pathMappings);
    this.#config = config;
    this.#port.update({ terminateOnDisconnect: config.terminateOnDisconnect });
    this.post({ type: 'config' });
    if (remapped && this.#session !== null) this.reenter();
  }

  /** Takes the debugger out of the worker and puts it in again; the editor's session goes on. */
  reenter(): void {
    this.post({ type: 'reenter' });
  }

  /** Asks the agent for the processes anew, and ends the waiting for a next try. */
  refresh(): void {
    this.post({ type: 'retry' });
    const pool = this.#agents?.pool;
    if (pool !== undefined) this.#task('look again', () => pool.refresh());
  }

  async close(): Promise<void> {
    this.#closing = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    // Order matters: the keeper says goodbye to debugpy while the agents still carry its bytes.
    await this.#port.close();
    await this.#unfollow();
    this.#abort.abort();
    await this.#target.close();
    await Promise.allSettled(this.#tasks);
  }

  post(seen: Observation): void {
    if (this.#closing) return;
    if (this.#running) this.#observe(seen);
    else this.#reconcile(seen);
  }

  #observe(seen: Observation): void {
    this.#state = observe(this.#state, seen, this.#config, Date.now(), Math.random());
    this.#dirty = true;
  }

  /** Never throws: a fault of ours is told, and tried again, and never ends the target or the daemon. */
  #reconcile(seen: Observation | null): void {
    this.#running = true;
    let wakeAt: number | null;
    try {
      if (seen !== null) this.#observe(seen);
      wakeAt = this.#settle() ? this.#plan.wakeAt : Date.now() + FAULT_RETRY_MS;
      this.#port.update({
        waitingFor: this.#plan.phase === 'attached' || this.#plan.phase === 'stopped' ? null : this.#plan.message,
      });
      this.#lastFault = '';
    } catch (thrown) {
      const error = asDebugwandError(thrown);
      const trace = thrown instanceof Error ? (thrown.stack ?? '') : '';
      if (error.message !== this.#lastFault) this.#log('error', `${error.message} ${trace}`);
      this.#lastFault = error.message;
      wakeAt = Date.now() + FAULT_RETRY_MS;
      this.#plan = { actions: [], wakeAt, phase: 'blocked', message: error.message, error };
    } finally {
      this.#running = false;
    }
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = wakeAt === null ? null : setTimeout(() => this.#wake(), Math.max(1, wakeAt - Date.now()));
    this.#context.onChange();
  }

  /** Plans and acts until nothing is left to do; false: it does not come to that. */
  #settle(): boolean {
    for (let round = 0; this.#dirty && round < MAX_ROUNDS; round += 1) {
      this.#dirty = false;
      this.#agents?.entries.keep(this.#state.worker?.generation ?? null, this.#state.sessionGeneration);
      this.#plan = plan(this.#config, this.#state, this.#means(), Date.now());
      for (const action of this.#plan.actions) this.#act(action);
    }
    if (this.#dirty) this.#log('error', `the plan does not settle`);
    return !this.#dirty;
  }

  #wake(): void {
    if (this.#closing) return;
    this.#dirty = true;
    this.#reconcile(null);
  }

  #act(action: Action): void {
    switch (action.type) {
      case 'follow':
        return this.#follow(action.replica);
      case 'start-agent':
        return this.#startAgent();
      case 'enter':
        return this.#enter(action.worker, action.rung);
      case 'session-up':
        return this.#sessionUp(action.worker);
      case 'session-down':
        return this.#sessionDown(action.generation);
      default:
        return action satisfies never;
    }
  }

  #follow(replica: Replica | null): void {
    this.#task('leave the replica', () => this.#unfollow());
    if (replica !== null) {
      const abort = new AbortController();
      const pool = new ReplicaAgents(
        this.#target,
        replica,
        {
          onEvent: (event) => {
            if (!abort.signal.aborted) this.#onAgent(event);
          },
          onLost: (error) => {
            if (abort.signal.aborted) return;
            this.#log('debug', error.message);
            this.post({ type: 'agent-lost', error });
          },
          onProgress: (text) => {
            this.#log('info', text);
          },
        },
        abort.signal,
      );
      const entries = new Entries(pool, (error) => this.#target.explain(error), abort.signal);
      this.#agents = { pool, entries, replica, abort };
    }
    this.post({ type: 'following', replica });
  }

  async #unfollow(): Promise<void> {
    const agents = this.#agents;
    this.#agents = null;
    if (agents === null) return;
    // First: what the old agents still say is no news of the new replica.
    agents.abort.abort();
    await Promise.all([agents.pool.close(), agents.entries.settled()]);
  }

  #startAgent(): void {
    const agents = this.#agents;
    if (agents === null) return;
    this.post({ type: 'agent-starting' });
    this.#task('start the agent', async () => {
      try {
        const base = await agents.pool.watch();
        if (this.#agents !== agents) return;
        this.post({ type: 'agent-ready', hello: base.hello });
      } catch (error) {
        if (this.#agents === agents) this.post({ type: 'agent-lost', error: this.#target.explain(error) });
      }
    });
  }

  #onAgent(event: AgentEvent): void {
    switch (event.event) {
      case 'processes':
        return this.post({ type: 'processes', processes: event.processes, changed: event.changed });
      case 'exited':
        return this.post({ type: 'exited', exit: event });
      case 'left':
        // An end is told by `exited`, with what the kernel says of it.
        if (event.ended === true) return;
        return this.post({ type: 'left', pid: event.pid, startTime: event.startTime, why: event.why });
      case 'hello':
      case 'output':
      case 'channel-closed':
        return;
      default:
        return event satisfies never;
    }
  }

  #enter(worker: WorkerState, rung: Rung): void {
    const agents = this.#agents;
    const { generation, process, failedRungs } = worker;
    const options = {
      rung,
      user: workerUser(process, [...this.#state.provenSkips, ...failedRungs]),
      holdAtStart: this.#config.holdAtStart && this.#state.editor.connected,
    };
    this.post({ type: 'entering', generation, rung });
    if (agents === null) return;
    this.#task('enter the worker', async () => {
      const outcome = await agents.entries.enter(worker, options);
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

  #sessionUp({ entry, generation, process, seenAt, startedAt }: WorkerState): void {
    const agents = this.#agents;
    if (entry.state !== 'entered' || agents === null) return;
    const { port, origin, debugpy } = entry.result;
    const open = agents.entries.dial(generation, port);
    if (open === null) return;
    const { replica } = agents;
    this.#session = { generation, process, replica };
    const name = `worker ${String(process.pid)}`;
    const pathMappings = this.#pathMappings(replica);
    this.#port.workerUp({
      name,
      pid: process.pid,
      generation,
      pathMappings,
      seenAt,
      startedAt,
      origin,
      debugpy,
      open,
    });
    this.post({ type: 'session-up', generation });
  }

  #sessionDown(generation: number): void {
    const session = this.#session;
    this.#session = null;
    const { text, ended } =
      session === null
        ? { text: 'left the worker', ended: false }
        : sessionEnd(this.#state, session.process, session.replica);
    this.#port.workerDown(generation, { text });
    this.#agents?.entries.leave(generation, ended);
    this.post({ type: 'session-down' });
  }

  #pathMappings(replica: Replica): PathMapping[] {
    return this.#config.pathMappings.length > 0
      ? [...this.#config.pathMappings]
      : inferPathMappings(this.#context.projectRoot, replica, this.#config.source.kind);
  }

  #onPort(event: EditorPortEvent): void {
    switch (event.type) {
      case 'listening':
        return;
      case 'editor':
        return this.post({ type: 'editor', connected: event.connected, client: event.client });
      case 'stopped':
        return this.post({ type: 'stopped', where: event.where });
      case 'verified':
        this.#unhold(event.generation);
        return this.post({ type: 'verified', generation: event.generation, at: event.at });
      case 'upstream-lost':
        return this.post({ type: 'session-lost', generation: event.generation, why: event.why });
      case 'restart-requested':
        return this.reenter();
      case 'terminate-requested':
        return;
      case 'log':
        return this.#log(event.level, event.text);
      default:
        return event satisfies never;
    }
  }

  #unhold(generation: number): void {
    const worker = this.#state.worker;
    const agents = this.#agents;
    if (worker === null || worker.generation !== generation || !worker.holding || agents === null) return;
    this.#task('let the worker go on', () => agents.entries.unhold(generation));
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

  #means(): { helperAvailable: boolean } {
    return { helperAvailable: this.#target.execHelper !== null };
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
