// Owns what goes into the session state machine and what comes out. Types only.
import type { EnterResult } from '../agent/protocol.ts';
import type { PathMapping } from '../core/types.ts';
import type { DapEvent, DapRequest, DapResponse, Incoming, JsonObject } from './messages.ts';

/** What the session must know of a worker; how to reach it is the port's business. */
export interface WorkerFacts {
  /** For people: "worker 43". */
  readonly name: string;
  readonly pid: number;
  readonly generation: number;
  /** Of the config or inferred; used when the editor brings none of its own. */
  readonly pathMappings: readonly PathMapping[];
  /** Milliseconds since the epoch. */
  readonly seenAt: number;
  readonly startedAt: number;
  readonly origin?: EnterResult['origin'];
  /** Version of the debugpy in the worker. */
  readonly debugpy?: string;
}

export interface SessionOptions {
  /** Name of the target. */
  readonly name: string;
  /** The editor's `terminateDebuggee` and `terminate` are passed on. */
  readonly terminateOnDisconnect: boolean;
  /** The editor runs on Windows. */
  readonly windows: boolean;
  /** For the progress shown while no worker is there: "container api is stopped". */
  readonly waitingFor: string | null;
  /** The session of a further worker: it shows no progress of its own. Default: false. */
  readonly child?: boolean;
}

/** Why a worker is gone: "worker 42 exited". `place`: where it was stopped, if the caller knows better than we. */
export interface LossReason {
  readonly text: string;
  readonly place?: string;
}

export type SessionInput =
  /** The first one of an editor must be `initialize`. */
  | { readonly type: 'editor-request'; readonly request: DapRequest }
  /** An editor whose `initialize` has been answered by whoever found out that it belongs here. */
  | { readonly type: 'editor-adopted'; readonly initialize: JsonObject }
  | { readonly type: 'editor-gone' }
  | { readonly type: 'worker-up'; readonly worker: WorkerFacts }
  | { readonly type: 'worker-down'; readonly generation: number; readonly reason: LossReason }
  | { readonly type: 'upstream-open'; readonly epoch: number }
  | { readonly type: 'upstream-message'; readonly epoch: number; readonly message: Incoming }
  /** A message too long to be read; `requestSeq`: the request that it answers, if that could be made out. */
  | {
      readonly type: 'upstream-oversized';
      readonly epoch: number;
      readonly requestSeq: number | null;
      readonly bytes: number;
    }
  | { readonly type: 'upstream-closed'; readonly epoch: number; readonly why: string }
  | { readonly type: 'tick' }
  | { readonly type: 'say'; readonly text: string }
  /** Because of another worker: all threads are to run, or to stop. */
  | { readonly type: 'run'; readonly runs: boolean }
  /** The port closes: the editor is told so. */
  | { readonly type: 'close' };

/** `disconnect` lets the app run on, `terminate` ends it; both wait a moment for debugpy's answer. `hang-up`: debugpy has
 * said goodbye itself and waits for the end of the connection. */
export type Goodbye = 'disconnect' | 'terminate' | 'hang-up';

/** How a session for a further worker is asked for: DAP's reverse request, or debugpy's event of its own. */
export type ChildWay = 'startDebugging' | 'debugpyAttach';

/** What the rest of the daemon learns. */
export type SessionEvent =
  | { readonly type: 'editor'; readonly connected: boolean; readonly client: string | null }
  /** The editor has configured its session, and can have further ones in that way. Not told of those that cannot. */
  | { readonly type: 'children'; readonly way: ChildWay }
  | { readonly type: 'stopped'; readonly where: string | null }
  /** Every breakpoint of the generation is set, or refused by debugpy, and the worker was told to run. */
  | { readonly type: 'verified'; readonly generation: number; readonly at: number }
  | { readonly type: 'upstream-lost'; readonly generation: number; readonly why: string }
  | { readonly type: 'restart-requested' }
  | { readonly type: 'terminate-requested' }
  | { readonly type: 'log'; readonly level: 'debug' | 'info' | 'warn'; readonly text: string };

export type SessionOutput =
  | { readonly type: 'to-editor'; readonly message: DapResponse | DapEvent }
  | { readonly type: 'to-upstream'; readonly epoch: number; readonly seq: number; readonly request: UpstreamRequest }
  /** Connect to the worker; answered by `upstream-open` or `upstream-closed`. */
  | { readonly type: 'open'; readonly epoch: number; readonly generation: number }
  /** Close; answered by `upstream-closed`. Its messages are no news any more. */
  | { readonly type: 'close-upstream'; readonly epoch: number; readonly how: Goodbye }
  | { readonly type: 'end-editor' }
  | { readonly type: 'event'; readonly event: SessionEvent };

export interface UpstreamRequest {
  readonly command: string;
  readonly arguments: JsonObject;
}

export interface SessionReport {
  /** An editor has attached. */
  readonly connected: boolean;
  readonly client: string | null;
  readonly stoppedAt: string | null;
  readonly breakpoints: number;
  readonly verified: number;
}
