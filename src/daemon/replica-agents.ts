// Owns the agents inside one start of one replica: the one that watches, and those of other rungs that enter.
// Must not decide which rung: it starts the one it is asked for, once.
import { DebugwandError, asDebugwandError } from '../lib/errors.ts';
import type { AgentEvent } from '../agent/protocol.ts';
import { AgentClient } from '../agent/client.ts';
import { agentCommand } from '../agent/bundle.ts';
import { prepareDebugpy } from '../agent/debugpy.ts';
import type { Cut, Lease } from '../agent/wire.ts';
import type { PythonInfo, Replica, Rung } from '../core/types.ts';
import type { ExecStream, Target } from '../targets/target.ts';
import { startOnFirst } from './interpreter.ts';

export interface AgentHooks {
  readonly onEvent: (event: AgentEvent) => void;
  /** The watching agent ended. */
  readonly onLost: (error: DebugwandError) => void;
  readonly onProgress: (text: string) => void;
  /** The wire of at least one of them is cut; null: all are whole again (or ended). */
  readonly onCut?: (cut: Cut | null) => void;
}

/** Figures (CPU, memory) of the processes are pushed this often, ms. */
const STATS_MS = 2_000;

export class ReplicaAgents {
  readonly #target: Target;
  readonly #replica: Replica;
  readonly #hooks: AgentHooks;
  readonly #signal: AbortSignal;
  readonly #agents = new Map<string, Promise<AgentClient>>();
  readonly #uploads = new WeakMap<AgentClient, Map<string, Promise<string>>>();
  readonly #leaseSeconds: number;
  /** Of agents whose wire is cut. */
  readonly #cuts = new Map<Lease, Cut>();
  #interpreter: string | null = null;

  /** `leaseSeconds`: so long agents whose wire was cut wait for another one; 0: not at all. */
  constructor(target: Target, replica: Replica, leaseSeconds: number, hooks: AgentHooks, signal: AbortSignal) {
    this.#target = target;
    this.#replica = replica;
    // A wire on this machine is cut when one of its ends is dead.
    this.#leaseSeconds = target.kind === 'local' ? 0 : leaseSeconds;
    this.#hooks = hooks;
    this.#signal = signal;
  }

  /** For the rung `environment`. */
  get ring(): string | undefined {
    return this.#target.ring;
  }

  /** Starts the watching agent. Its end is told once by `onLost`. @throws DebugwandError when it cannot start. */
  async watch(): Promise<AgentClient> {
    const former = this.#agents.get('exec');
    const starting = this.#start('exec', null);
    this.#agents.set('exec', starting);
    starting.catch(() => {
      this.#forget('exec', starting);
    });
    void former?.then((agent) => agent.close()).catch(() => undefined);
    const agent = await starting;
    agent.onEvent((event) => {
      this.#hooks.onEvent(event);
    });
    try {
      await this.#watch(agent);
    } catch (error) {
      this.#forget('exec', starting);
      await agent.close();
      throw error;
    }
    // From here on its end is news; until here it is the failure of this start.
    void agent.closed.then(({ why, stderrTail }) => {
      this.#forget('exec', starting);
      if (this.#signal.aborted) return;
      const tail = stderrTail.trim().split('\n').at(-1) ?? '';
      this.#hooks.onLost(
        new DebugwandError({
          code: 'agent-lost',
          message: `the connection into ${this.#replica.name} ended: ${tail === '' ? why : `${why}: ${tail}`}`,
          fix: 'it is opened again by itself as soon as the target runs',
        }),
      );
    });
    return agent;
  }

  /** Has the watching agent send the whole list again. */
  async refresh(): Promise<void> {
    const agent = await this.#agents.get('exec');
    if (agent !== undefined) await this.#watch(agent);
  }

  /** The agent of a rung, started on first use. `user` is the numeric "uid:gid" for `exec-as-worker`. */
  async forRung(wanted: Rung, user: string | null): Promise<AgentClient> {
    // Whoever may signal a process needs no other rights.
    const rung = wanted === 'environment' ? 'exec' : wanted;
    const key = rung === 'exec-as-worker' ? `${rung} ${user ?? ''}` : rung;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const starting = this.#start(rung, user).then((agent) => {
      agent.onEvent((event) => {
        if (event.event === 'left') this.#hooks.onEvent(event);
      });
      void agent.closed.then(() => {
        this.#forget(key, starting);
      });
      return agent;
    });
    this.#agents.set(key, starting);
    starting.catch(() => {
      this.#forget(key, starting);
    });
    return starting;
  }

  /** Sends the debugpy that fits the worker to the agent, once per agent. Resolves with its path on the target. */
  async provideDebugpy(agent: AgentClient, python: PythonInfo): Promise<string> {
    const { key, zip } = await prepareDebugpy(python, this.#signal, this.#hooks.onProgress);
    const uploads = this.#uploads.get(agent) ?? new Map<string, Promise<string>>();
    this.#uploads.set(agent, uploads);
    const known = uploads.get(key);
    if (known !== undefined) return known;
    const upload = agent.upload(key, zip, this.#signal);
    uploads.set(key, upload);
    upload.catch(() => uploads.delete(key));
    return upload;
  }

  /** Ends all agents: each releases what it entered. */
  async close(): Promise<void> {
    const agents = await Promise.allSettled(this.#agents.values());
    this.#agents.clear();
    await Promise.all(agents.flatMap((a) => (a.status === 'fulfilled' ? [a.value.close()] : [])));
  }

  #forget(key: string, agent: Promise<AgentClient>): void {
    if (this.#agents.get(key) === agent) this.#agents.delete(key);
  }

  async #watch(agent: AgentClient): Promise<void> {
    await agent.request('watch', { scope: this.#replica.scope, statsMs: STATS_MS }, this.#signal);
  }

  async #start(rung: Rung, user: string | null): Promise<AgentClient> {
    if (this.#interpreter !== null) return this.#startWith(this.#interpreter, rung, user);
    const start = (interpreter: string): Promise<AgentClient> => this.#startWith(interpreter, rung, user);
    const { interpreter, started } = await startOnFirst(this.#target, this.#replica, start, this.#signal);
    this.#interpreter = interpreter;
    return started;
  }

  async #startWith(interpreter: string, rung: Rung, user: string | null): Promise<AgentClient> {
    const { argv, bytes } = agentCommand(interpreter);
    const stream = await this.#open(rung, user, argv, this.#signal);
    const lease = this.#lease(interpreter, rung, user);
    const { name } = this.#replica;
    const agent = await AgentClient.start(stream, { bundle: bytes, name, lease }, this.#signal);
    void agent.closed.then(() => {
      this.#noteCut(lease, null);
    });
    return agent;
  }

  async #open(rung: Rung, user: string | null, argv: readonly string[], signal: AbortSignal): Promise<ExecStream> {
    if (rung === 'helper-container') {
      if (this.#target.execHelper === null) throw asDebugwandError('no helper container on this platform');
      return this.#target.execHelper(this.#replica, argv, signal);
    }
    const options = rung === 'exec-as-worker' && user !== null ? { user } : {};
    return this.#target.exec(this.#replica, argv, options, signal);
  }

  #lease(interpreter: string, rung: Rung, user: string | null): Lease {
    const lease: Lease = {
      seconds: this.#leaseSeconds,
      interpreter,
      reopen: async (argv, signal) => {
        try {
          return await this.#open(rung, user, argv, AbortSignal.any([signal, this.#signal]));
        } catch (error) {
          throw this.#target.explain(error);
        }
      },
      onCut: (cut) => {
        const wire = `the connection into ${this.#replica.name}`;
        this.#hooks.onProgress(cut === null ? `${wire} is back` : `${wire} is cut: ${cut.why}`);
        this.#noteCut(lease, cut);
      },
    };
    return lease;
  }

  #noteCut(lease: Lease, cut: Cut | null): void {
    if (cut !== null) this.#cuts.set(lease, cut);
    else if (!this.#cuts.delete(lease)) return;
    const [first] = [...this.#cuts.values()].toSorted((one, other) => one.until - other.until);
    this.#hooks.onCut?.(first ?? null);
  }
}
