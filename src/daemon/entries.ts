// Owns the ways into the workers of one followed replica, and out of them again: an attempt ends when nobody wants its
// generation any more. Decides neither who is entered nor by which rung.
import type { DebugwandError } from '../lib/errors.ts';
import { AgentFailure, type AgentClient } from '../agent/client.ts';
import type { EnterResult, WhilePausedParams } from '../agent/protocol.ts';
import { isAsleep, type EntryFailure, type WorkerState } from '../core/entry-state.ts';
import { startFailure } from '../core/ladder.ts';
import type { ProcessInfo, Rung } from '../core/types.ts';
import type { ReplicaAgents } from './replica-agents.ts';

/** How long the agent goes on knocking at a worker before it reports `asleep`, ms; and once it has, how long it stays
 * armed before the next report. */
const ENTER_TIMEOUT_MS = 3_000;
const ASLEEP_TIMEOUT_MS = 600_000;

export interface EnterOptions {
  readonly rung: Rung;
  /** Numeric "uid:gid", for the rung that needs it. */
  readonly user: string;
  readonly holdAtStart: boolean;
  /** Undefined: nothing is done for probes while it is paused. */
  readonly whilePaused: WhilePausedParams | undefined;
}

export type EnterOutcome =
  | { readonly type: 'entered'; readonly result: EnterResult }
  | { readonly type: 'failed'; readonly error: EntryFailure }
  /** Nobody wants it any more: whatever was reached is taken back. */
  | { readonly type: 'unwanted' };

interface Entered {
  readonly agent: AgentClient;
  readonly process: ProcessInfo;
}

export class Entries {
  readonly #pool: ReplicaAgents;
  readonly #explain: (error: unknown) => DebugwandError;
  readonly #signal: AbortSignal;
  readonly #attempts = new Map<number, AbortController>();
  readonly #entered = new Map<number, Entered>();
  /** Releases under way, by process: whoever enters it again waits for them. */
  readonly #leaving = new Map<string, Promise<void>>();

  /** `signal` ends all of it: the replica is left. */
  constructor(pool: ReplicaAgents, explain: (error: unknown) => DebugwandError, signal: AbortSignal) {
    this.#pool = pool;
    this.#explain = explain;
    this.#signal = signal;
  }

  /** One attempt. Never rejects. */
  async enter(worker: WorkerState, options: EnterOptions): Promise<EnterOutcome> {
    const { generation } = worker;
    const attempt = new AbortController();
    this.#attempts.get(generation)?.abort();
    this.#attempts.set(generation, attempt);
    const signal = AbortSignal.any([this.#signal, attempt.signal]);
    try {
      await this.#leaving.get(keyOf(worker.process));
      signal.throwIfAborted();
      const { agent, result } = await this.#enter(worker, options, signal);
      this.#entered.set(generation, { agent, process: worker.process });
      if (!signal.aborted) return { type: 'entered', result };
      this.leave(generation);
      return { type: 'unwanted' };
    } catch (error) {
      return signal.aborted ? { type: 'unwanted' } : { type: 'failed', error: this.#failure(error) };
    } finally {
      if (this.#attempts.get(generation) === attempt) this.#attempts.delete(generation);
    }
  }

  /** Only these generations are wanted: workers that are followed, and those that a session still has. */
  keep(followed: readonly (number | null)[], sessions: readonly (number | null)[]): void {
    for (const [generation, attempt] of this.#attempts) if (!followed.includes(generation)) attempt.abort();
    for (const generation of this.#entered.keys())
      if (!followed.includes(generation) && !sessions.includes(generation)) this.leave(generation);
  }

  /** A byte stream to the debugpy of a worker that was entered; null: it was not. */
  dial(generation: number, port: number): ((signal: AbortSignal) => ReturnType<AgentClient['dial']>) | null {
    const entry = this.#entered.get(generation);
    return entry === undefined ? null : (signal) => entry.agent.dial(port, signal);
  }

  /** Lets a worker go that is held at its start. Never rejects. */
  async unhold(generation: number): Promise<void> {
    const entry = this.#entered.get(generation);
    if (entry === undefined) return;
    const { pid, startTime } = entry.process;
    await entry.agent.request('unhold', { pid, startTime }, this.#signal).catch(() => undefined);
  }

  /** Takes the debugger out of a worker: it runs on. One that ended needs no more than to be forgotten. */
  leave(generation: number, ended = false): void {
    const entry = this.#entered.get(generation);
    this.#entered.delete(generation);
    if (entry === undefined || ended) return;
    const { pid, startTime } = entry.process;
    const key = keyOf(entry.process);
    const leaving: Promise<void> = Promise.allSettled([
      this.#leaving.get(key),
      // Refused: it is out of there already.
      entry.agent.request('release', { pid, startTime }, this.#signal),
    ]).then(() => {
      if (this.#leaving.get(key) === leaving) this.#leaving.delete(key);
    });
    this.#leaving.set(key, leaving);
  }

  /** Resolves when no release is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#leaving.values());
  }

  async #enter(
    worker: WorkerState,
    { rung, user, holdAtStart, whilePaused }: EnterOptions,
    signal: AbortSignal,
  ): Promise<{ agent: AgentClient; result: EnterResult }> {
    const { pid, startTime, execId, python } = worker.process;
    if (python === null) throw new AgentFailure({ code: 'not-python', message: 'it is no Python process' });
    const agent = await this.#pool.forRung(rung, user).catch((error: unknown) => {
      throw new AgentFailure(startFailure(rung, this.#explain(error)));
    });
    const debugpy = await this.#pool.provideDebugpy(agent, python);
    const timeoutMs = isAsleep(worker) ? ASLEEP_TIMEOUT_MS : ENTER_TIMEOUT_MS;
    const paused = whilePaused === undefined ? {} : { whilePaused };
    const ring = rung === 'environment' && this.#pool.ring !== undefined ? { ring: this.#pool.ring } : {};
    const params = { pid, startTime, execId, debugpy, holdAtStart, timeoutMs, ...paused, ...ring };
    return { agent, result: await agent.request('enter', params, signal) };
  }

  #failure(error: unknown): EntryFailure {
    if (error instanceof AgentFailure) return error.failure;
    const named = this.#explain(error);
    return { code: 'internal', message: named.message, named };
  }
}

function keyOf({ pid, startTime }: ProcessInfo): string {
  return `${String(pid)}@${String(startTime)}`;
}
