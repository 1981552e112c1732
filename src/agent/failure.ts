// Owns the errors of talking to an agent: what it refuses, and what it means when there is none. Pure.
import { DebugwandError } from '../lib/errors.ts';
import type { AgentError, AgentErrorCode } from './protocol.ts';

/** The agent refused or failed; its codes are those of AGENT_ERROR_CODES, for the daemon to turn into a fix. */
export class AgentFailure extends Error {
  readonly failure: AgentError;

  constructor(failure: AgentError) {
    super(failure.message);
    this.name = 'AgentFailure';
    this.failure = failure;
  }

  get code(): AgentErrorCode {
    return this.failure.code;
  }

  get facts(): NonNullable<AgentError['facts']> {
    return this.failure.facts ?? {};
  }
}

/** The agent was there and is not any more. */
export function agentLost(name: string, why: string): DebugwandError {
  return new DebugwandError({
    code: 'agent-lost',
    message: `the connection into ${name} ended: ${why}`,
    fix: 'it is opened again by itself as soon as the target runs',
  });
}

/** No agent ever answered. `tail`: the last of what whatever ran instead had to say. */
export function noAgent(name: string, why: string, tail: string): DebugwandError {
  const last = tail.trim().split('\n').at(-1) ?? '';
  return new DebugwandError({
    code: 'agent-handshake',
    message: `no agent could be started in ${name}: ${last === '' ? why : last}`,
    fix: 'debugwand runs a small program on a Python 3.8 or later of the target: see that one is there and may be run',
  });
}

/** Why a signal aborted, as an error to throw. */
export function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason;
  return reason instanceof Error ? reason : new Error(String(reason));
}
