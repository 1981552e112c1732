// Owns looking into a target once, without a daemon: `wand ps`, `wand inject`. Leaves nothing behind.
import { DebugwandError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { AgentClient } from '../agent/client.ts';
import { reasonOf } from '../agent/failure.ts';
import type { Hello, ProcessesEvent, RunResult } from '../agent/protocol.ts';
import { classify } from '../core/classify.ts';
import type { Classification, ClassifiedProcess, Replica, TargetConfig } from '../core/types.ts';
import { createTarget, missingSource } from '../targets/index.ts';
import type { Confirm, Target } from '../targets/target.ts';
import { ReplicaAgents } from './replica-agents.ts';
import { runScript, type Script } from './run-script.ts';

/** Replicas that are looked into at the same time. */
const LOOKS_AT_ONCE = 8;

/** An open look at the first running replica of a target. Close it. */
export interface Look {
  readonly replica: Replica;
  readonly classification: Classification;
  /** Runs a Python script inside a process. @throws DebugwandError when it cannot be entered. */
  run(process: ClassifiedProcess, script: Script, signal: AbortSignal): Promise<RunResult>;
  close(): Promise<void>;
}

/** Starts nothing: a command of the config is run by `wand watch` only.
 * @throws DebugwandError `target-not-running` with the platform's reason, or what the platform's access says. */
export async function look(
  config: TargetConfig,
  log: Log,
  root: string,
  confirm: Confirm | null,
  signal: AbortSignal,
): Promise<Look> {
  const target = await targetOf(config, log, root, confirm);
  try {
    const replica = await firstRunning(config, target, signal);
    const view = await open(config, target, replica, log, signal);
    const { pool, classification, hello } = view;
    return {
      replica,
      classification,
      run: (process, script, runSignal) => runScript({ config, target, pool, hello }, process, script, runSignal),
      close: async () => {
        await view.close();
        await target.close();
      },
    };
  } catch (error) {
    await target.close();
    // Who aborts knows why.
    signal.throwIfAborted();
    throw target.explain(error);
  }
}

/** Never one with a command: making it would start that. */
async function targetOf(config: TargetConfig, log: Log, root: string, confirm: Confirm | null): Promise<Target> {
  if (!('command' in config.source)) {
    return createTarget(config, { log, projectRoot: root, inheritStdio: false, confirm });
  }
  throw new DebugwandError({
    code: 'target-not-running',
    message: `${config.name} does not run: its command is started by wand`,
    fix: 'start it with `wand watch`',
  });
}

/** What one replica holds. */
export interface Listed {
  readonly replica: Replica;
  /** Null: it does not run, or could not be looked into; then `why` says so. */
  readonly classification: Classification | null;
  readonly why: string;
}

/**
 * Looks into all replicas of a target. One that cannot be looked into is told as such, unless there is no other.
 * @throws DebugwandError as `look`
 */
export async function lookAll(
  config: TargetConfig,
  log: Log,
  root: string,
  signal: AbortSignal,
): Promise<readonly Listed[]> {
  const target = await targetOf(config, log, root, null);
  try {
    const replicas = await replicasOf(config, target, signal);
    const listed: Listed[] = [];
    const failures: unknown[] = [];
    const waiting = replicas.entries();
    const worker = async (): Promise<void> => {
      for (const [index, replica] of waiting) {
        try {
          listed[index] = await listOne(config, target, replica, log, signal);
        } catch (error) {
          signal.throwIfAborted();
          failures.push(error);
          listed[index] = { replica, classification: null, why: target.explain(error).message };
        }
      }
    };
    await Promise.all(Array.from({ length: LOOKS_AT_ONCE }, worker));
    if (failures.length > 0 && listed.every(({ classification }) => classification === null)) throw failures[0];
    return listed;
  } catch (error) {
    signal.throwIfAborted();
    throw target.explain(error);
  } finally {
    await target.close();
  }
}

async function listOne(
  config: TargetConfig,
  target: Target,
  replica: Replica,
  log: Log,
  signal: AbortSignal,
): Promise<Listed> {
  if (replica.state !== 'running') return { replica, classification: null, why: replica.note ?? replica.state };
  const view = await open(config, target, replica, log, signal);
  await view.close();
  return { replica, classification: view.classification, why: '' };
}

interface Opened {
  readonly pool: ReplicaAgents;
  readonly hello: Hello;
  readonly classification: Classification;
  close(): Promise<void>;
}

/** An agent in the replica, and its first list of processes. */
async function open(
  config: TargetConfig,
  target: Target,
  replica: Replica,
  log: Log,
  signal: AbortSignal,
): Promise<Opened> {
  const abort = new AbortController();
  const first = Promise.withResolvers<ProcessesEvent>();
  const pool = new ReplicaAgents(
    target,
    replica,
    0,
    {
      // From the start: the first list mostly comes with the answer to `watch`.
      onEvent: (event) => {
        if (event.event === 'processes') first.resolve(event);
      },
      onLost: first.reject,
      onProgress: (text) => {
        log.info(text);
      },
    },
    AbortSignal.any([signal, abort.signal]),
  );
  const { base, processes } = await watchOnce(pool, first, signal);
  return {
    pool,
    hello: base.hello,
    classification: classify(processes.processes, config.process, null),
    close: async () => {
      await pool.close();
      abort.abort();
    },
  };
}

async function firstRunning(config: TargetConfig, target: Target, signal: AbortSignal): Promise<Replica> {
  const running = (await replicasOf(config, target, signal)).find((replica) => replica.state === 'running');
  if (running !== undefined) return running;
  throw new DebugwandError({ code: 'interrupted', message: 'interrupted', fix: 'start it again' });
}

/** All replicas, one of which runs. @throws DebugwandError `target-not-running`, … */
async function replicasOf(config: TargetConfig, target: Target, signal: AbortSignal): Promise<readonly Replica[]> {
  const stop = new AbortController();
  try {
    for await (const { replicas, waitingFor, error } of target.watch(AbortSignal.any([signal, stop.signal]))) {
      if (replicas.some((replica) => replica.state === 'running')) return replicas;
      if (error !== null) throw error;
      const missing = await missingSource(config, signal);
      if (missing !== null) throw missing;
      throw new DebugwandError({
        code: 'target-not-running',
        message: `${config.name} does not run: ${waitingFor ?? 'nothing was found'}`,
        fix: 'start it, or name another one; `wand watch` waits for it',
      });
    }
    throw new DebugwandError({ code: 'interrupted', message: 'interrupted', fix: 'start it again' });
  } finally {
    stop.abort();
  }
}

async function watchOnce(
  pool: ReplicaAgents,
  first: PromiseWithResolvers<ProcessesEvent>,
  signal: AbortSignal,
): Promise<{ base: AgentClient; processes: ProcessesEvent }> {
  const abort = (): void => {
    first.reject(reasonOf(signal));
  };
  first.promise.catch(() => undefined);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    return { base: await pool.watch(), processes: await first.promise };
  } catch (error) {
    await pool.close();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
