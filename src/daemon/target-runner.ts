// Owns one target at run time: the reconciler. Observations go in by `post`, the plan comes out of core/plan.ts, and
// the actions are done here. Nothing else may change the target's state, and nothing here decides.
import { asDebugwandError, messageOf, type DebugwandError } from '../lib/errors.ts';
import { pause } from '../lib/time.ts';
import type { Log } from '../lib/log.ts';
import { AgentFailure, type AgentClient } from '../agent/client.ts';
import type { AgentEvent } from '../agent/protocol.ts';
import type { PathMapping, ProcessInfo, Replica, Rung, TargetConfig } from '../core/types.ts';
import type { TargetReport } from '../core/status.ts';
import { inferPathMappings } from '../core/path-mappings.ts';
import { plan, type Action, type Plan } from '../core/plan.ts';
import { targetReport } from '../core/report.ts';
import { isAsleep, type EntryFailure, type WorkerState } from '../core/entry-state.ts';
import type { Observation } from '../core/observation.ts';
import { INITIAL_STATE, observe, sameProcess, type TargetState } from '../core/state.ts';
import { EditorPort, type EditorPortEvent } from '../dap/editor-port.ts';
import type { Target } from '../targets/target.ts';
import { ReplicaAgents } from './replica-agents.ts';

export interface RunnerContext {
  readonly log: Log;
  /** Absolute: the developer's project folder, for path mappings. */
  readonly projectRoot: string;
  readonly onChange: () => void;
}

/** How long the agent goes on knocking at a worker before it reports `asleep`, ms; and once it has, how long it stays
 * armed before the next report. */
const ENTER_TIMEOUT_MS = 3_000;
const ASLEEP_TIMEOUT_MS = 600_000;
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
  #agents: { readonly pool: ReplicaAgents; readonly abort: AbortController; base: AgentClient | null } | null = null;
  /** Which agent entered which generation: it owns the worker's release. */
  readonly #entered = new Map<number, { agent: AgentClient; process: ProcessInfo; replica: Replica }>();
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

  /** Applies settings that need no new target: process choice, path mappings, holdAtStart, … */
  update(config: TargetConfig): void {
    this.#config = config;
    this.#port.update({ terminateOnDisconnect: config.terminateOnDisconnect });
    this.post({ type: 'config' });
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
      if (error.message !== this.#lastFault) this.#context.log.error(`${this.#config.name}: ${error.message} ${trace}`);
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
      this.#plan = plan(this.#config, this.#state, this.#means(), Date.now());
      for (const action of this.#plan.actions) this.#act(action);
    }
    if (this.#dirty) this.#context.log.error(`${this.#config.name}: the plan does not settle`);
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
            this.#context.log.debug(`${this.#config.name}: ${error.message}`);
            this.post({ type: 'agent-lost', error });
          },
          onProgress: (text) => {
            this.#context.log.info(`${this.#config.name}: ${text}`);
          },
        },
        abort.signal,
      );
      this.#agents = { pool, abort, base: null };
    }
    this.post({ type: 'following', replica });
  }

  async #unfollow(): Promise<void> {
    const agents = this.#agents;
    this.#agents = null;
    this.#entered.clear();
    if (agents === null) return;
    // First: what the old agents still say is no news of the new replica.
    agents.abort.abort();
    await agents.pool.close();
  }

  #startAgent(): void {
    const agents = this.#agents;
    if (agents === null) return;
    this.post({ type: 'agent-starting' });
    this.#task('start the agent', async () => {
      try {
        const base = await agents.pool.watch();
        if (this.#agents !== agents) return;
        agents.base = base;
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
    const replica = this.#state.replica;
    const { generation, process } = worker;
    this.post({ type: 'entering', generation, rung });
    if (agents === null || replica === null) return;
    this.#task('enter the worker', async () => {
      try {
        const gid = worker.failedRungs.at(-1)?.error.facts?.['gid'];
        const agent = await agents.pool.forRung(rung, `${String(process.uid)}:${String(gid ?? process.uid)}`);
        if (process.python === null) throw new AgentFailure({ code: 'not-python', message: 'it is no Python process' });
        const debugpy = await agents.pool.provideDebugpy(agent, process.python);
        const result = await agent.request(
          'enter',
          {
            pid: process.pid,
            startTime: process.startTime,
            execId: process.execId,
            debugpy,
            holdAtStart: this.#config.holdAtStart && this.#state.editor.connected,
            timeoutMs: isAsleep(worker) ? ASLEEP_TIMEOUT_MS : ENTER_TIMEOUT_MS,
          },
          agents.abort.signal,
        );
        this.#entered.set(generation, { agent, process, replica });
        this.#context.log.debug(`${this.#config.name}: entered ${String(process.pid)} ${JSON.stringify(result)}`);
        this.post({ type: 'entered', generation, rung, result });
      } catch (error) {
        if (this.#agents !== agents) return;
        const failure = this.#entryFailure(error);
        this.#context.log.debug(
          `${this.#config.name}: entering failed: ${failure.message} ${String(failure.facts?.['traceback'] ?? '')}`,
        );
        this.post({ type: 'enter-failed', generation, rung, error: failure });
      }
    });
  }

  #entryFailure(error: unknown): EntryFailure {
    if (error instanceof AgentFailure) return error.failure;
    const named = this.#target.explain(error);
    return { code: 'internal', message: named.message, named };
  }

  #sessionUp(worker: WorkerState): void {
    const entry = this.#entered.get(worker.generation);
    if (worker.entry.state !== 'entered' || entry === undefined) return;
    const { port, origin, debugpy } = worker.entry.result;
    this.#port.workerUp({
      name: `worker ${String(worker.process.pid)}`,
      pid: worker.process.pid,
      generation: worker.generation,
      pathMappings: this.#pathMappings(entry.replica),
      seenAt: worker.seenAt,
      startedAt: worker.startedAt,
      origin,
      debugpy,
      open: (signal) => entry.agent.dial(port, signal),
    });
    this.post({ type: 'session-up', generation: worker.generation });
  }

  #sessionDown(generation: number): void {
    const entry = this.#entered.get(generation);
    this.#entered.delete(generation);
    const alive = entry !== undefined && this.#state.processes.some((p) => sameProcess(p, entry.process));
    const next = this.#state.worker;
    const moved = alive && next !== null && !sameProcess(next.process, entry.process);
    const name = entry === undefined ? 'the worker' : `worker ${String(entry.process.pid)}`;
    this.#port.workerDown(generation, {
      text: moved ? `left ${name} for worker ${String(next.process.pid)}` : `${name} exited`,
    });
    this.post({ type: 'session-down' });
    if (!alive || !(moved || next === null)) return;
    this.#task('release the worker', async () => {
      const { pid, startTime } = entry.process;
      await entry.agent.request('release', { pid, startTime }, this.#abort.signal).catch(() => undefined);
    });
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
        return this.#context.log[event.level](`${this.#config.name}: ${event.text}`);
      default:
        return event satisfies never;
    }
  }

  #unhold(generation: number): void {
    const worker = this.#state.worker;
    const entry = this.#entered.get(generation);
    if (worker === null || worker.generation !== generation || !worker.holding || entry === undefined) return;
    const { pid, startTime } = entry.process;
    this.#task('let the worker go on', async () => {
      await entry.agent.request('unhold', { pid, startTime }, this.#abort.signal).catch(() => undefined);
    });
    this.post({ type: 'unheld', generation });
  }

  async #bind(): Promise<void> {
    let told = '';
    while (!this.#abort.signal.aborted) {
      try {
        await this.#port.listen(this.#abort.signal);
        this.post({ type: 'port', bound: true, fault: null });
        return;
      } catch (error) {
        if (this.#abort.signal.aborted) return;
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

  /** Runs a task to its end; what it throws is logged, `close` awaits it. */
  #task(what: string, run: () => Promise<void>): void {
    const task = run()
      .catch((error: unknown) => {
        if (!this.#abort.signal.aborted)
          this.#context.log.error(`${this.#config.name}: could not ${what}: ${messageOf(error)}`);
      })
      .finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }
}
