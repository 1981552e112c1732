// Owns what may be observed about a target: the only way to change its state. Types only.
import type { DebugwandError } from '../lib/errors.ts';
import type { EnterResult, Hello } from '../agent/protocol.ts';
import type { EntryFailure } from './entry-state.ts';
import type { ProcessKey } from './identity.ts';
import type { Exit } from './exit-reason.ts';
import type { ProcessInfo, Replica, Rung, Snapshot } from './types.ts';

/** What a followed replica's agents see, or what happens to them. */
export type ReplicaObservation =
  | { readonly type: 'agent-starting' }
  | { readonly type: 'agent-ready'; readonly hello: Hello }
  /** The wire to the agent is cut, and the agent kept until then; null: it is whole again. */
  | { readonly type: 'wire'; readonly cutUntil: number | null }
  | { readonly type: 'agent-lost'; readonly error: DebugwandError }
  | { readonly type: 'processes'; readonly processes: readonly ProcessInfo[]; readonly changed: boolean }
  | { readonly type: 'exited'; readonly exit: Exit }
  /** An exception that nobody catches is about to end it. */
  | { readonly type: 'raised'; readonly pid: number; readonly startTime: number; readonly text: string }
  | { readonly type: 'left'; readonly pid: number; readonly startTime: number; readonly why: string };

export type Observation =
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot }
  /** The one for the first session first. */
  | { readonly type: 'following'; readonly replicas: readonly Replica[] }
  /** `replica`: its `replicaKey`; absent: of the only one that is followed. */
  | (ReplicaObservation & { readonly replica?: string })
  | { readonly type: 'entering'; readonly generation: number; readonly rung: Rung }
  | { readonly type: 'entered'; readonly generation: number; readonly rung: Rung; readonly result: EnterResult }
  | { readonly type: 'enter-failed'; readonly generation: number; readonly rung: Rung; readonly error: EntryFailure }
  | { readonly type: 'session-up'; readonly generation: number }
  /** `slot` here and below: of a further worker; absent or 0: of the first session. */
  | { readonly type: 'session-down'; readonly slot?: number }
  | { readonly type: 'session-lost'; readonly generation: number; readonly why: string }
  | { readonly type: 'unheld'; readonly generation: number }
  | { readonly type: 'verified'; readonly generation: number; readonly at: number }
  | { readonly type: 'editor'; readonly connected: boolean; readonly client: string | null; readonly slot?: number }
  /** The editor can have a session for each further worker. */
  | { readonly type: 'children' }
  /** It was asked for the session of a slot; it will not open it. */
  | { readonly type: 'child-asked'; readonly slot: number }
  | { readonly type: 'child-refused'; readonly slot: number; readonly why: string }
  | { readonly type: 'slot-ended'; readonly slot: number }
  /** It is time to look who sits where. */
  | { readonly type: 'seats' }
  /** So many notices were passed on. */
  | { readonly type: 'told'; readonly count: number }
  /** The user wants the first session to be that worker's. */
  | { readonly type: 'switch'; readonly worker: ProcessKey }
  /** `along`: because another worker stopped; absent: no. */
  | { readonly type: 'stopped'; readonly where: string | null; readonly slot?: number; readonly along?: boolean }
  | { readonly type: 'port'; readonly bound: boolean; readonly fault: DebugwandError | null }
  /** The waiting for a next try ends now. */
  | { readonly type: 'retry' }
  | { readonly type: 'reenter'; readonly slot?: number }
  | { readonly type: 'config' };
