// Owns what may be observed about a target: the only way to change its state. Types only.
import type { DebugwandError } from '../lib/errors.ts';
import type { EnterResult, Hello } from '../agent/protocol.ts';
import type { EntryFailure } from './entry-state.ts';
import type { Exit } from './exit-reason.ts';
import type { ProcessInfo, Replica, Rung, Snapshot } from './types.ts';

export type Observation =
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly type: 'following'; readonly replica: Replica | null }
  | { readonly type: 'agent-starting' }
  | { readonly type: 'agent-ready'; readonly hello: Hello }
  /** The wire to the agent is cut, and the agent kept until then; null: it is whole again. */
  | { readonly type: 'wire'; readonly cutUntil: number | null }
  | { readonly type: 'agent-lost'; readonly error: DebugwandError }
  | { readonly type: 'processes'; readonly processes: readonly ProcessInfo[]; readonly changed: boolean }
  | { readonly type: 'exited'; readonly exit: Exit }
  /** An exception that nobody catches is about to end it. */
  | { readonly type: 'raised'; readonly pid: number; readonly startTime: number; readonly text: string }
  | { readonly type: 'entering'; readonly generation: number; readonly rung: Rung }
  | { readonly type: 'entered'; readonly generation: number; readonly rung: Rung; readonly result: EnterResult }
  | { readonly type: 'enter-failed'; readonly generation: number; readonly rung: Rung; readonly error: EntryFailure }
  | { readonly type: 'session-up'; readonly generation: number }
  | { readonly type: 'session-down' }
  | { readonly type: 'session-lost'; readonly generation: number; readonly why: string }
  | { readonly type: 'unheld'; readonly generation: number }
  | { readonly type: 'left'; readonly pid: number; readonly startTime: number; readonly why: string }
  | { readonly type: 'verified'; readonly generation: number; readonly at: number }
  | { readonly type: 'editor'; readonly connected: boolean; readonly client: string | null }
  | { readonly type: 'stopped'; readonly where: string | null }
  | { readonly type: 'port'; readonly bound: boolean; readonly fault: DebugwandError | null }
  /** The waiting for a next try ends now. */
  | { readonly type: 'retry' }
  | { readonly type: 'reenter' }
  | { readonly type: 'config' };
