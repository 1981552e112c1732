// Owns the decision: from the config and the state of one target to what must be done now, when to look again, and what
// to tell people. Pure; the reconciler calls it after every observation, so it must be idempotent: an action that is
// under way shows in the state and is not asked for again.
import type { DebugwandError } from '../lib/errors.ts';
import type { Phase } from './status.ts';
import type { Classification, Replica, Rung, TargetConfig } from './types.ts';
import { isAsleep, type WorkerState } from './entry-state.ts';
import { followsAll, homeOf, nowOf, workerName, type FollowedReplica } from './followed-replica.ts';
import { replicaKey } from './identity.ts';
import { planChildren, planEnds, stepFor } from './plan-children.ts';
import { chooseReplicas } from './replica-choice.ts';
import type { TargetState } from './state.ts';
import { stopsOf } from './stops.ts';
import { endOf, verdictAt } from './worker-end.ts';

export type Action =
  /** Follow these replicas, the one for the first session first; end the agents of others. */
  | { readonly type: 'follow'; readonly replicas: readonly Replica[] }
  | { readonly type: 'start-agent'; readonly replica: Replica }
  | { readonly type: 'enter'; readonly worker: WorkerState; readonly rung: Rung }
  /** `slot`: of a further worker; absent: of the first session. */
  | { readonly type: 'session-up'; readonly worker: WorkerState; readonly slot?: number }
  | { readonly type: 'session-down'; readonly generation: number; readonly slot?: number }
  /** Ask the editor for the session of a slot. */
  | { readonly type: 'open-child'; readonly slot: number; readonly worker: WorkerState }
  /** It will not open it. */
  | { readonly type: 'give-up-child'; readonly slot: number; readonly why: string }
  /** End a slot and its session; the keeper was told of a worker of that generation. */
  | { readonly type: 'end-slot'; readonly slot: number; readonly generation: number | null }
  /** Look who sits where. */
  | { readonly type: 'seats' }
  /** To the editor's user. */
  | { readonly type: 'tell'; readonly texts: readonly string[] };

export interface Plan {
  readonly actions: readonly Action[];
  /** When to plan again even if nothing is observed; ms since the epoch, null: not needed. */
  readonly wakeAt: number | null;
  readonly phase: Phase;
  readonly message: string;
  readonly error: DebugwandError | null;
}

/** How the target can be entered, besides its own exec. */
export interface Means {
  readonly helperAvailable: boolean;
}

/** The whole decision for one target. */
export function plan(config: TargetConfig, state: TargetState, means: Means, now: number): Plan {
  const actions: Action[] = [];
  const { sessionGeneration: session, worker } = state;
  if (session !== null && (worker === null || !worker.up || worker.generation !== session)) {
    actions.push({ type: 'session-down', generation: session });
  }
  actions.push(...planEnds(state));
  const decided = whileCut(decide(config, state, means, now), state, now);
  const fault = state.fault;
  return {
    actions: [...actions, ...decided.actions],
    wakeAt: soonest([decided.wakeAt, verdictAt(state, now)]),
    phase: fault === null ? decided.phase : 'blocked',
    message: fault === null ? decided.message : fault.message,
    error: fault ?? decided.error,
  };
}

/** A worker behind a wire that is cut is what it was: only the words change, and what is wrong with the platform shows. */
function whileCut(decided: Plan, state: TargetState, now: number): Plan {
  const home = homeOf(state);
  const until = home?.agent.state === 'ready' ? (home.agent.cutUntil ?? null) : null;
  if (until === null || home === null) return decided;
  const { replica } = home;
  const { snapshot } = state;
  if (nowOf(snapshot, home).state === 'paused') return decided;
  const seconds = Math.max(0, Math.ceil((until - now) / 1000));
  return {
    ...decided,
    message: `the connection into ${replica.name} is cut; the worker is kept for ${String(seconds)} s`,
    error: decided.error ?? snapshot?.error ?? null,
    wakeAt: Math.min(decided.wakeAt ?? Infinity, now + 1000),
  };
}

function outcome(phase: Phase, message: string, rest: Partial<Plan> = {}): Plan {
  return { actions: [], wakeAt: null, error: null, phase, message, ...rest };
}

function blocked(error: DebugwandError, rest: Partial<Plan> = {}): Plan {
  return outcome('blocked', error.message, { error, ...rest });
}

function decide(config: TargetConfig, state: TargetState, means: Means, now: number): Plan {
  const { snapshot, followed } = state;
  if (snapshot === null) return outcome('waiting', 'looking for the target');
  const isStopped = stopsOf(state).length > 0;
  const before = followed.map(({ replica }) => replica);
  const replicas = chooseReplicas(snapshot.replicas, before, followsAll(config.source), isStopped);
  if (replicas.map(replicaKey).join() !== followed.map(({ key }) => key).join()) {
    // A platform that cannot be asked proves nothing about a worker that still answers.
    const keep = replicas.length === 0 && snapshot.error !== null && followed.some(isReady);
    if (!keep) return outcome('waiting', 'found the target', { actions: [{ type: 'follow', replicas }] });
  }
  const home = homeOf(state);
  if (home === null) {
    if (snapshot.error !== null) return blocked(snapshot.error);
    return outcome('waiting', snapshot.waitingFor ?? 'waiting for the target to run');
  }
  const { replica } = home;
  if (followed.length === 1 && nowOf(snapshot, home).state === 'paused') {
    return outcome('waiting', `${replica.name} is paused`);
  }
  const first = isReady(home) ? decideWorker(config, state, means, now) : decideAgent(home, now);
  const others = followed.filter((one) => one !== home && !isReady(one)).map((one) => decideAgent(one, now));
  const children = followed.some(isReady) ? [planChildren(config, state, means, now)] : [];
  return withOthers(first, [...others, ...children], state);
}

function isReady({ agent }: FollowedReplica): boolean {
  return agent.state === 'ready';
}

/** What is done about a replica whose agent does not answer. */
function decideAgent({ replica, agent }: FollowedReplica, now: number): Plan {
  switch (agent.state) {
    case 'none':
      return outcome('entering', `entering ${replica.name}`, { actions: [{ type: 'start-agent', replica }] });
    case 'starting':
      return agent.error === null || isNoNews(agent.attempts, agent.error)
        ? outcome('entering', `entering ${replica.name}`)
        : blocked(agent.error);
    case 'failed': {
      const rest = { wakeAt: agent.retryAt };
      if (now >= agent.retryAt) {
        const retry: Partial<Plan> = { actions: [{ type: 'start-agent', replica }] };
        return isNoNews(agent.attempts, agent.error)
          ? outcome('entering', `entering ${replica.name}`, retry)
          : blocked(agent.error, retry);
      }
      return isNoNews(agent.attempts, agent.error)
        ? outcome('waiting', agent.error.message, rest)
        : blocked(agent.error, rest);
    }
    case 'ready':
      return outcome('waiting', 'looking for Python processes');
    default:
      return agent satisfies never;
  }
}

/** The first session's worker speaks for the target, unless another one is stopped. */
function withOthers(decided: Plan, others: readonly Pick<Plan, 'actions' | 'wakeAt'>[], state: TargetState): Plan {
  const all = {
    ...decided,
    actions: [decided, ...others].flatMap(({ actions }) => actions),
    wakeAt: soonest([decided, ...others].map(({ wakeAt }) => wakeAt)),
  };
  const stop = stopsOf(state)[0];
  if (stop === undefined || stop.worker === null || stop.slot === 0 || all.error !== null) return all;
  return { ...all, phase: 'stopped', message: `${workerName(state, stop.worker.process)} stopped at ${stop.where}` };
}

function soonest(times: readonly (number | null)[]): number | null {
  const due = times.filter((at) => at !== null);
  return due.length === 0 ? null : Math.min(...due);
}

/** A container that is going down looks like a lost agent first; and one that is gone is news of the platform's watch. */
function isNoNews(attempts: number, error: DebugwandError): boolean {
  return attempts < 2 || error.code === 'replica-gone';
}

function decideWorker(config: TargetConfig, state: TargetState, means: Means, now: number): Plan {
  const { worker } = state;
  const classification = homeOf(state)?.classification ?? null;
  if (worker === null) return outcome('waiting', waitingMessage(state, whyNone(classification), now));
  const entry = worker.entry;
  const name = workerName(state, worker.process);
  if (entry.state === 'entering') {
    return isAsleep(worker)
      ? outcome('waiting', `${name} runs no Python code just now: it is entered with the first request or task`)
      : outcome('entering', `entering ${name}`);
  }
  if (entry.state === 'entered') {
    const actions: Action[] = worker.up ? [] : [{ type: 'session-up', worker }];
    return state.editor.stoppedAt === null
      ? outcome(
          'attached',
          `${name}: ${worker.process.pid === classification?.chosen?.pid ? classification.chosen.reason : ''}`,
          { actions },
        )
      : outcome('stopped', `${state.slots.length > 0 ? `${name} ` : ''}stopped at ${state.editor.stoppedAt}`, {
          actions,
        });
  }
  const step = stepFor(worker, config, state, means, now);
  if (step === null) return outcome('waiting', `${name} is not to be reached just now`);
  switch (step.type) {
    case 'enter':
      return outcome('entering', `entering ${name}`, { actions: [{ type: 'enter', worker, rung: step.rung }] });
    case 'wait':
      return step.error === null
        ? outcome('waiting', step.message, { wakeAt: step.until })
        : blocked(step.error, { wakeAt: step.until });
    case 'blocked':
      return blocked(step.error);
    default:
      return step satisfies never;
  }
}

function whyNone(classification: Classification | null): string {
  if (classification === null) return 'looking for Python processes';
  return classification.chosen === null ? classification.why : 'the others have debug sessions of their own';
}

function waitingMessage(state: TargetState, why: string, now: number): string {
  if (state.previous === null) return why;
  const name = workerName(state, state.previous.worker);
  const end = endOf(state, state.previous.worker, now);
  const crash = end?.crashed === true && end.reason !== null ? `: ${end.reason}` : '';
  return `${name} ended${crash}, waiting for the next one (${why})`;
}
