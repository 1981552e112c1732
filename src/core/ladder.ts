// Owns the ladder: which way into a worker is tried next, and the error when none is left. Pure.
import { DebugwandError } from '../lib/errors.ts';
import { isRungFault, type EntryFailure, type FailedRung, type WorkerState } from './entry-state.ts';
import type { ProcessInfo, Rung, TargetSource } from './types.ts';

export interface LadderFacts {
  readonly worker: WorkerState;
  /** Uid of the agent exec'd as the replica's own user. */
  readonly agentUid: number;
  readonly helperAvailable: boolean;
  /** The rung that worked for the previous worker. */
  readonly provenRung: Rung | null;
  readonly source: TargetSource;
}

export type LadderStep =
  | { readonly type: 'enter'; readonly rung: Rung }
  | { readonly type: 'wait'; readonly until: number; readonly error: DebugwandError | null; readonly message: string }
  | { readonly type: 'blocked'; readonly error: DebugwandError };

const ORDER: readonly Rung[] = ['exec', 'exec-as-worker', 'helper-container'];

/** Failures to start an agent that say nothing about the rung: the replica or the engine is not there just now. */
const PASSING: ReadonlySet<string> = new Set([
  'replica-gone',
  'replica-paused',
  'agent-lost',
  'docker-unreachable',
  'kubernetes-unreachable',
  'kubernetes-unauthorized',
  'kubernetes-credentials',
  'kubernetes-certificate',
  'exec-failed',
]);

/** What to do about a worker that is not entered yet. */
export function nextStep(facts: LadderFacts, now: number): LadderStep {
  const { worker } = facts;
  const last = worker.entry;
  if (last.state !== 'failed') return { type: 'enter', rung: firstRung(facts) };
  // A version that could not be told from outside.
  const isUnknown = !/^\d+\.\d+/.test(worker.process.python?.version ?? '');
  if (last.error.code === 'too-old' && last.rung !== 'environment' && isUnknown && isOurCommand(facts.source)) {
    return { type: 'enter', rung: 'environment' };
  }
  if (isRungFault(last.error)) {
    const rung = rungAfter({ ...facts, process: worker.process }, worker.failedRungs);
    return rung === null
      ? { type: 'blocked', error: explainEntry(last.error, worker.process, facts) }
      : { type: 'enter', rung };
  }
  if (last.retryAt === null) return { type: 'blocked', error: explainEntry(last.error, worker.process, facts) };
  if (now >= last.retryAt) return { type: 'enter', rung: last.rung };
  const error = explainEntry(last.error, worker.process, facts);
  // What a moment's patience cures is a message; what failed more than twice is an error, and retried all the same.
  const patient = last.error.code === 'asleep' || last.error.code === 'frozen' || last.error.code === 'changed';
  return {
    type: 'wait',
    until: last.retryAt,
    error: patient || last.error.code === 'gone' || last.attempts < 3 ? null : error,
    message: `${error.message}; ${error.fix}`,
  };
}

/** Where to begin: what worked before, unless it is for other versions of Python than the worker's. */
function firstRung({ worker, provenRung, source }: LadderFacts): Rung {
  const version = worker.process.python?.version ?? '';
  if (isOurCommand(source) && isBeforeRemoteDebugging(version)) return 'environment';
  return provenRung === null || provenRung === 'environment' ? 'exec' : provenRung;
}

/** Our own child: its environment was ours to make. */
function isOurCommand(source: TargetSource): boolean {
  return source.kind === 'local' && 'command' in source;
}

/** Of the versions that debugpy is for. */
function isBeforeRemoteDebugging(version: string): boolean {
  return /^3\.1[0-3](?!\d)/.test(version);
}

/** The next rung after these failures; null: none is left, or the last fault is one that no rung cures. */
export function rungAfter(
  facts: {
    readonly process: ProcessInfo;
    readonly agentUid: number;
    readonly helperAvailable: boolean;
    readonly source: TargetSource;
  },
  failed: readonly FailedRung[],
): Rung | null {
  const last = failed.at(-1);
  if (last !== undefined && !isRungFault(last.error)) return null;
  const tried = new Set(failed.filter((f) => isRungFault(f.error)).map((f) => f.rung));
  const usable = (rung: Rung): boolean => {
    if (tried.has(rung)) return false;
    // Kubernetes runs nothing in a container as another user than the container's own.
    if (rung === 'exec-as-worker') return facts.source.kind !== 'kubernetes' && facts.process.uid !== facts.agentUid;
    return rung === 'exec' || (rung === 'helper-container' && facts.helperAvailable);
  };
  return ORDER.find(usable) ?? null;
}

/** No agent could be started on a rung: a reason to climb, unless it passes. It keeps its own words. */
export function startFailure(rung: Rung, named: DebugwandError): EntryFailure {
  const code = rung === 'exec' || PASSING.has(named.code) ? 'internal' : 'denied';
  return { code, message: named.message, named };
}

/** As whom to run an agent that may enter the process, "uid:gid": its group is known from a former refusal. */
export function workerUser(process: ProcessInfo, failed: readonly FailedRung[]): string {
  const groups = failed.flatMap(({ error: { facts } }) => {
    const gid = facts?.['gid'];
    return typeof gid === 'number' && gid >= 0 && facts?.['uid'] === process.uid ? [gid] : [];
  });
  return `${String(process.uid)}:${String(groups.at(-1) ?? process.uid)}`;
}

/** Gives a failure to enter its name and its fix, for the kind of target that it happened in. */
export function explainEntry(
  error: EntryFailure,
  process: ProcessInfo,
  facts: Pick<LadderFacts, 'source' | 'helperAvailable'>,
): DebugwandError {
  if (error.named !== undefined) return isRungFault(error) ? forGood(error.named) : error.named;
  const worker = `worker ${String(process.pid)}`;
  const { kind } = facts.source;
  const uid = String(process.uid);
  const build = (code: string, message: string, fix: string, permanent = false): DebugwandError =>
    new DebugwandError({ code, message, fix, permanent, cause: error });
  switch (error.code) {
    case 'too-old':
      if (error.facts?.['hook'] === false) {
        return build(
          'hook-missing',
          `${worker} runs Python ${process.python?.version ?? 'before 3.14'}, and it did not take the hook that debugwand put into its environment`,
          'start it without the options -I, -E and -S, from a user’s rights (no setuid), and with PYTHONPATH and DEBUGWAND_RING of its parent; or with Python 3.14 or later',
          true,
        );
      }
      return build(
        'python-too-old',
        `${worker} runs Python ${process.python?.version ?? 'of an unknown version'}, which has no remote debugging: that came with 3.14`,
        kind !== 'local'
          ? 'use an image with Python 3.14 or later, e.g. `FROM python:3.14-slim`'
          : 'let wand start it: `wand watch -- COMMAND` debugs Python 3.10 and later; or run the app with Python 3.14 or later',
        true,
      );
    case 'disabled':
      return build(
        'remote-debug-disabled',
        `${worker} was started with remote debugging switched off (PYTHON_DISABLE_REMOTE_DEBUG or -X disable-remote-debug)`,
        'start it without that variable or option; debugwand never overrides it',
        true,
      );
    case 'not-python':
      return build(
        'not-python',
        `${worker} is no CPython that debugwand knows: ${error.message}`,
        'choose another process with `process: { match: "…" }` in the config; see `wand ps`',
        true,
      );
    case 'denied':
      return build(
        'entry-denied',
        `no right to the memory of ${worker} (uid ${uid}): ${error.message}`,
        {
          docker:
            'add the capability: `docker run --cap-add SYS_PTRACE`, or in Compose `cap_add: [SYS_PTRACE]`, or let the app run as the user of the container',
          kubernetes: `let the container start as the app's user (\`securityContext.runAsUser: ${uid}\` of the container), or give it the capability: \`securityContext.capabilities.add: [SYS_PTRACE]\` with \`runAsUser: 0\`, or set \`kubernetes: { ephemeralContainers: 'allow' }\``,
          local: `run wand as the same user as the app (uid ${uid}), or as root; where kernel.yama.ptrace_scope is 1 or more: \`sudo sysctl kernel.yama.ptrace_scope=0\``,
        }[kind],
        true,
      );
    case 'no-space':
      return build(
        'no-writable-directory',
        `${worker} has no writable directory that debugpy could be unpacked to: ${error.message}`,
        {
          docker:
            'give the container a writable /tmp: `docker run --tmpfs /tmp:exec`, or in Compose `tmpfs: [/tmp:exec]`',
          kubernetes:
            'give the container a writable /tmp: `volumes: [{ name: tmp, emptyDir: {} }]` of the pod and `volumeMounts: [{ name: tmp, mountPath: /tmp }]` of the container',
          local: 'make /tmp writable for the user of the app, or set TMPDIR',
        }[kind],
        true,
      );
    case 'asleep':
      return build(
        'worker-asleep',
        `${worker} runs no Python code just now (${error.message})`,
        'send it a request or a task: it is entered with the first one',
      );
    case 'frozen':
      return build(
        'worker-frozen',
        `${worker} is frozen (${error.message})`,
        kind === 'docker' ? 'let it go on: `kill -CONT` or `docker unpause`' : 'let it go on: `kill -CONT`',
      );
    case 'gone':
    case 'changed':
      return build(
        'worker-gone',
        `${worker} is gone`,
        'nothing to do: its successor is entered as soon as it is there',
      );
    case 'failed':
    case 'bad-request':
    case 'internal':
      return build(
        'entry-failed',
        `debugpy could not be started in ${worker}: ${error.message}`,
        'it is tried again; `wand logs` has the traceback',
      );
    default:
      return error.code satisfies never;
  }
}

function forGood({ code, message, fix, cause }: DebugwandError): DebugwandError {
  return new DebugwandError({ code, message, fix, permanent: true, cause });
}
