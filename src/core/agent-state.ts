// Owns the state of the agent that watches the followed replica, with its back-off. Pure.
import type { DebugwandError } from '../lib/errors.ts';
import type { Hello } from '../agent/protocol.ts';
import { delayMs, RETRY } from './backoff.ts';

export type AgentState =
  | { readonly state: 'none' }
  | { readonly state: 'starting'; readonly attempts: number; readonly error: DebugwandError | null }
  | {
      readonly state: 'ready';
      readonly hello: Hello;
      readonly since: number;
      /** Its wire is cut, and it is kept until then. */
      readonly cutUntil?: number | null;
    }
  | { readonly state: 'failed'; readonly error: DebugwandError; readonly attempts: number; readonly retryAt: number };

export function startingAgent(was: AgentState): AgentState {
  return was.state === 'failed'
    ? { state: 'starting', attempts: was.attempts, error: was.error }
    : { state: 'starting', attempts: 0, error: null };
}

/** One that had worked for long is started again at once. */
export function lostAgent(was: AgentState, error: DebugwandError, now: number, random: number): AgentState {
  const healthy = was.state === 'ready' && now - was.since > RETRY.healthyMs;
  const before = was.state === 'starting' || was.state === 'failed' ? was.attempts : 0;
  const attempts = healthy ? 0 : before + 1;
  const retryAt = attempts === 0 ? now : now + delayMs(RETRY, attempts, random);
  return { state: 'failed', error, attempts, retryAt };
}

/** Its wire was cut, or mended (null). */
export function cutAgent(agent: AgentState, cutUntil: number | null): AgentState {
  return agent.state === 'ready' ? { ...agent, cutUntil } : agent;
}

/** The next try comes now. */
export function retryAgent(agent: AgentState, now: number): AgentState {
  return agent.state === 'failed' ? { ...agent, retryAt: now } : agent;
}
