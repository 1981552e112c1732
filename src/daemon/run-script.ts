// Owns running a script inside a process, once: the rungs that are tried for it, and the wait for a process that runs no Python
// code.
import type { DebugwandError } from '../lib/errors.ts';
import { AgentFailure, type AgentClient } from '../agent/client.ts';
import type { Hello, RunResult } from '../agent/protocol.ts';
import { explainEntry, rungAfter, startFailure, workerUser } from '../core/ladder.ts';
import type { EntryFailure, FailedRung } from '../core/entry-state.ts';
import type { ClassifiedProcess, Rung, TargetConfig } from '../core/types.ts';
import type { Target } from '../targets/target.ts';
import type { ReplicaAgents } from './replica-agents.ts';

export interface Script {
  readonly source: string;
  readonly filename: string;
  readonly args: readonly string[];
  /** How long the process may take to run its first line, ms. */
  readonly timeoutMs: number;
  /** Told once, when that takes long: what is waited for, and what helps. */
  readonly onWait: (why: DebugwandError) => void;
  readonly onOutput: (stream: 'stdout' | 'stderr', text: string) => void;
}

export interface RunContext {
  readonly config: TargetConfig;
  readonly target: Target;
  readonly pool: ReplicaAgents;
  readonly hello: Hello;
}

/** What a moment's patience cures; nothing of the script has run. */
const PATIENT: ReadonlySet<EntryFailure['code']> = new Set(['asleep', 'frozen']);
/** A wait of that long is told of, ms. */
const SILENT_MS = 3_000;

/** Climbs the ladder until the script has run. */
export async function runScript(
  context: RunContext,
  process: ClassifiedProcess,
  script: Script,
  signal: AbortSignal,
): Promise<RunResult> {
  const { config, target, hello } = context;
  const facts = { process, agentUid: hello.uid, helperAvailable: target.execHelper !== null, source: config.source };
  const failed: FailedRung[] = [];
  const silentMs = Math.min(SILENT_MS, script.timeoutMs);
  for (let rung: Rung | null = 'exec'; ;) {
    const user = workerUser(process, failed);
    let outcome = await runBy(context, rung, user, process, { ...script, timeoutMs: silentMs }, signal);
    if (!('exit' in outcome) && PATIENT.has(outcome.code)) {
      script.onWait(explainEntry(outcome, process, facts));
      const timeoutMs = script.timeoutMs - silentMs;
      outcome = await runBy(context, rung, user, process, { ...script, timeoutMs }, signal);
    }
    if ('exit' in outcome) return outcome;
    failed.push({ rung, why: outcome.message, error: outcome });
    rung = rungAfter(facts, failed);
    if (rung === null) throw explainEntry(outcome, process, facts);
  }
}

async function runBy(
  { target, pool }: RunContext,
  rung: Rung,
  user: string,
  { pid, startTime, execId }: ClassifiedProcess,
  { source, filename, args, timeoutMs, onOutput }: Script,
  signal: AbortSignal,
): Promise<RunResult | EntryFailure> {
  let agent: AgentClient;
  try {
    agent = await pool.forRung(rung, user);
  } catch (error) {
    signal.throwIfAborted();
    return startFailure(rung, target.explain(error));
  }
  // One at a time in a look, and each rung has an agent of its own.
  const label = 1;
  const off = agent.onEvent((event) => {
    if (event.event === 'output' && event.run === label) onOutput(event.stream, event.text);
  });
  try {
    const params = { run: label, pid, startTime, execId, source, filename, args, timeoutMs };
    return await agent.request('run', params, signal);
  } catch (error) {
    // Who aborts knows why.
    signal.throwIfAborted();
    if (error instanceof AgentFailure) return error.failure;
    throw target.explain(error);
  } finally {
    off();
  }
}
