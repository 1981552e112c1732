// Owns looking into a target once, without a daemon: `wand ps`, `wand inject`. Leaves nothing behind.
import { DebugwandError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { AgentFailure, type AgentClient } from '../agent/client.ts';
import type { Hello, ProcessesEvent, RunResult } from '../agent/protocol.ts';
import { classify } from '../core/classify.ts';
import { explainEntry, rungAfter } from '../core/ladder.ts';
import type { FailedRung } from '../core/entry-state.ts';
import type { Classification, ClassifiedProcess, Replica, Rung, TargetConfig } from '../core/types.ts';
import { createTarget, missingContainer } from '../targets/index.ts';
import type { Target } from '../targets/target.ts';
import { ReplicaAgents } from './replica-agents.ts';

/** An open look at the first running replica of a target. Close it. */
export interface Look {
  readonly replica: Replica;
  readonly classification: Classification;
  /** Runs a Python script inside a process. @throws DebugwandError when it cannot be entered. */
  run(process: ClassifiedProcess, script: Script, signal: AbortSignal): Promise<RunResult>;
  close(): Promise<void>;
}

export interface Script {
  readonly source: string;
  readonly filename: string;
  readonly args: readonly string[];
  readonly timeoutMs: number;
  readonly onOutput: (stream: 'stdout' | 'stderr', text: string) => void;
}

/** Starts nothing: a command of the config is run by `wand watch` only.
 * @throws DebugwandError `target-not-running` with the platform's reason, or what the platform's access says. */
export async function look(config: TargetConfig, log: Log, root: string, signal: AbortSignal): Promise<Look> {
  if ('command' in config.source) {
    throw new DebugwandError({
      code: 'target-not-running',
      message: `${config.name} does not run: its command is started by wand`,
      fix: 'start it with `wand watch`',
    });
  }
  const target = await createTarget(config, { log, projectRoot: root, inheritStdio: false });
  try {
    const replica = await firstRunning(config, target, signal);
    const abort = new AbortController();
    const pool = new ReplicaAgents(
      target,
      replica,
      {
        onEvent: () => undefined,
        onLost: () => undefined,
        onProgress: (text) => {
          log.info(text);
        },
      },
      AbortSignal.any([signal, abort.signal]),
    );
    const { base, processes } = await watchOnce(pool, target);
    const classification = classify(processes.processes, config.process, null);
    return {
      replica,
      classification,
      run: (process, script, runSignal) => run({ config, target, pool, hello: base.hello }, process, script, runSignal),
      close: async () => {
        await pool.close();
        abort.abort();
        await target.close();
      },
    };
  } catch (error) {
    await target.close();
    throw target.explain(error);
  }
}

async function firstRunning(config: TargetConfig, target: Target, signal: AbortSignal): Promise<Replica> {
  const stop = new AbortController();
  try {
    for await (const { replicas, waitingFor, error } of target.watch(AbortSignal.any([signal, stop.signal]))) {
      const running = replicas.find((replica) => replica.state === 'running');
      if (running !== undefined) return running;
      if (error !== null) throw error;
      const missing = await missingContainer(config, signal);
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
  target: Target,
): Promise<{ base: AgentClient; processes: ProcessesEvent }> {
  try {
    const base = await pool.watch();
    const processes = await new Promise<ProcessesEvent>((resolve, reject) => {
      base.onEvent((event) => {
        if (event.event === 'processes') resolve(event);
      });
      void base.closed.then(({ why }) => {
        reject(new Error(why));
      });
    });
    return { base, processes };
  } catch (error) {
    await pool.close();
    throw target.explain(error);
  }
}

interface RunContext {
  readonly config: TargetConfig;
  readonly target: Target;
  readonly pool: ReplicaAgents;
  readonly hello: Hello;
}

async function run(
  { config, target, pool, hello }: RunContext,
  process: ClassifiedProcess,
  script: Script,
  signal: AbortSignal,
): Promise<RunResult> {
  const failed: FailedRung[] = [];
  const helperAvailable = target.execHelper !== null;
  let rung: Rung | null = 'exec';
  let id = 0;
  while (rung !== null) {
    const gid = failed.at(-1)?.error.facts?.['gid'] ?? process.uid;
    const agent = await pool.forRung(rung, `${String(process.uid)}:${String(gid)}`);
    id += 1;
    const mine = id;
    const off = agent.onEvent((event) => {
      if (event.event === 'output' && event.run === mine) script.onOutput(event.stream, event.text);
    });
    const { source, filename, args, timeoutMs } = script;
    const { pid, startTime, execId } = process;
    try {
      return await agent.request(
        'run',
        { run: mine, pid, startTime, execId, source, filename, args, timeoutMs },
        signal,
      );
    } catch (error) {
      // Who aborts knows why.
      signal.throwIfAborted();
      if (!(error instanceof AgentFailure)) throw target.explain(error);
      failed.push({ rung, why: error.message, error: error.failure });
      rung = rungAfter({ process, agentUid: hello.uid, helperAvailable }, failed);
      if (rung === null) throw explainEntry(error.failure, process, { source: config.source, helperAvailable });
    } finally {
      off();
    }
  }
  throw new Error('unreachable: the ladder starts with a rung');
}
