// Owns the wire between daemon and agent: message shapes, and their framing (pure). No I/O here.
//
// The agent is started as `<python> -I -S -u -c <bootstrap>` over an exec stream. The daemon writes the bundle of
// payload/ to its stdin, the agent answers with MAGIC on stdout (whatever came before is junk and skipped), and from
// then on both sides speak frames: 4 bytes big-endian length of the rest, 1 byte kind, body.
//   kind 0: a JSON message, UTF-8          kind 1: channel data, 4 bytes big-endian channel, then bytes
//   kind 2: a JSON message about the wire itself (LinkMessage)
// When stdin ends the agent releases every worker it entered (breakpoints gone, app runs on) and leaves within 5 s. Under a
// lease it does so only after a `bye`, or once the lease ran out: until then the wire can be replaced (link.ts).
import type { ProcessInfo, Scope } from '../core/types.ts';

export const MAGIC = 'DEBUGWAND-AGENT/1\n';
/** First line of a bridge that reached its agent, and of one that found none any more. */
export const BRIDGE_MAGIC = 'DEBUGWAND-BRIDGE/1\n';
export const BRIDGE_GONE = 'DEBUGWAND-GONE/1';
export const MAX_FRAME_BYTES = 0x1_00_00_00; // 16 MiB

/**
 * About the wire. Frames of kind 0 and 1 are numbered from 1 in each direction, silently; `received` is the number of the
 * last one that was taken, and doubles as the other side's leave to forget it.
 */
export type LinkMessage =
  /** Daemon, once, before its first request: from now on a cut is no end. The agent listens on the abstract unix socket
   * `name`; whoever calls there has to know `token`. `silence`: seconds without a byte that count as a cut. */
  | { readonly lease: number; readonly name: string; readonly token: string; readonly silence: number }
  /** Daemon, every few seconds: asks for an `ack`. */
  | { readonly ping: number }
  | { readonly ack: number }
  /** Daemon: it goes for good. */
  | { readonly bye: true }
  /** Daemon, first on a new wire; the agent's answer is the first frame that comes back, then each side sends again what
   * the other has not received. */
  | { readonly resume: string; readonly received: number }
  | { readonly resumed: number };

/** First message of the agent. */
export interface Hello {
  readonly event: 'hello';
  /** "3.14.8" of the interpreter that runs the agent. */
  readonly python: string;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** CapEff as a hexadecimal number. */
  readonly capabilities: string;
}

/** Whole list, pushed at once when the set of processes changes, and every `statsMs` for CPU and memory. */
export interface ProcessesEvent {
  readonly event: 'processes';
  /** False: only figures changed. */
  readonly changed: boolean;
  readonly processes: readonly ProcessInfo[];
}

/** A watched process is gone; comes before the `processes` event that lacks it, within a millisecond or so. */
export interface ExitedEvent {
  readonly event: 'exited';
  readonly pid: number;
  readonly startTime: number;
  /** The signal that ended it, 0: it exited by itself; null or absent: the kernel does not tell us. */
  readonly signal?: number | null;
  /** The system killed it for want of memory; absent: it did not, or nobody knows. */
  readonly oom?: boolean;
}

/** An exception that nobody catches is about to end a worker that was entered; its `exited` comes, too. */
export interface RaisedEvent {
  readonly event: 'raised';
  readonly pid: number;
  readonly startTime: number;
  /** Its last line: "ValueError: no such user". */
  readonly text: string;
}

/** A worker that was entered lost its in-worker thread or was released from inside. */
export interface LeftEvent {
  readonly event: 'left';
  readonly pid: number;
  readonly startTime: number;
  readonly why: string;
  /** Because the process itself ended: its `exited` comes too. */
  readonly ended?: boolean;
}

/** Output of a script that `run` started. */
export interface OutputEvent {
  readonly event: 'output';
  readonly run: number;
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

export interface ChannelClosedEvent {
  readonly event: 'channel-closed';
  readonly channel: number;
  readonly why: string;
}

export type AgentEvent =
  Hello | ProcessesEvent | ExitedEvent | RaisedEvent | LeftEvent | OutputEvent | ChannelClosedEvent;

/** Requests of the daemon: `{id, method, params}`; answers `{id, result}` or `{id, error: AgentError}`. */
export interface Methods {
  watch: { params: { scope: Scope; statsMs: number }; result: Record<string, never> };
  /** A file tree for the target: opens `channel`; the daemon sends `size` bytes of a zip file on it. */
  upload: { params: { channel: number; key: string; size: number }; result: { path: string } };
  enter: { params: EnterParams; result: EnterResult };
  /** Lets a worker go that `enter` held at its start. */
  unhold: { params: { pid: number; startTime: number }; result: Record<string, never> };
  /** Takes the debugger out of a worker: breakpoints gone, tracing off, app runs on. */
  release: { params: { pid: number; startTime: number }; result: Record<string, never> };
  run: { params: RunParams; result: RunResult };
  /** Opens a byte stream to a TCP port on the target's loopback; data then flows on `channel`. */
  dial: { params: { channel: number; port: number }; result: Record<string, never> };
  /** Closes a channel. Closing one that is a debugger's connection never leaves the app stopped. */
  hangup: { params: { channel: number }; result: Record<string, never> };
  ping: { params: Record<string, never>; result: Record<string, never> };
}

export interface EnterParams {
  readonly pid: number;
  readonly startTime: number;
  readonly execId: string;
  /** Path that `upload` returned. */
  readonly debugpy: string;
  readonly holdAtStart: boolean;
  /** How long to go on arming, waking and retrying. */
  readonly timeoutMs: number;
  /** What the worker does about probes and clients while the debugger has stopped all of it. Absent: nothing. */
  readonly whilePaused?: WhilePausedParams;
  /** A Python before 3.14 that was started with our hook in its environment, under this word: it is rung by a signal. */
  readonly ring?: string;
}

/** HTTP probes to answer in the app's place, by port and path; every other client there is held until the app runs on. */
export interface WhilePausedParams {
  readonly probes: readonly {
    readonly port: number;
    readonly path: string;
    /** Status to answer with: 200, or 503 for a readiness probe that is to fail. */
    readonly status: number;
  }[];
  /** More ports (of TCP probes) where clients are held: the app's own queue would be full some day. */
  readonly ports?: readonly number[];
}

export interface EnterResult {
  /** TCP port of the in-process debug server on the target's loopback. */
  readonly port: number;
  /** "3.14.8" of the worker. */
  readonly python: string;
  /** Version of the debugpy that runs there. */
  readonly debugpy: string;
  /** `ours`: sent by us; `app`: imported from the app's own packages; `ours-before`: an earlier agent had entered;
   * `app-listening`: the app's own debugpy.listen(), whose port this is: an adapter process answers there. */
  readonly origin: 'ours' | 'app' | 'ours-before' | 'app-listening';
  readonly held: boolean;
  /** Milliseconds since `enter` was called. */
  readonly timings: { readonly armed: number; readonly inside: number; readonly listening: number };
}

export interface RunParams {
  readonly run: number;
  readonly pid: number;
  readonly startTime: number;
  readonly execId: string;
  /** Python source. */
  readonly source: string;
  /** For tracebacks and `__file__`. */
  readonly filename: string;
  readonly args: readonly string[];
  readonly timeoutMs: number;
}

export interface RunResult {
  /** 0, 1 if it raised, the argument of SystemExit. */
  readonly exit: number;
  /** The traceback, if it raised. */
  readonly exception: string | null;
}

/** Codes: see AGENT_ERROR_CODES. `facts` differ by code (uids, paths). */
export interface AgentError {
  readonly code: AgentErrorCode;
  readonly message: string;
  readonly facts?: Readonly<Record<string, string | number | boolean | null>>;
}

export const AGENT_ERROR_CODES = [
  'gone', // the process ended
  'changed', // same pid, another program (exec) or start time: look again
  'denied', // no right to its memory: facts uid, gid (of the process), agentUid, needs ("ptrace" | "uid")
  'disabled', // PYTHON_DISABLE_REMOTE_DEBUG or -X disable-remote-debug
  'too-old', // CPython before 3.14: facts version; or hook (false): it has not the hook that it was started with
  'not-python', // no PyRuntime found
  'asleep', // armed, but no thread ran Python within the time: facts wchan (what it waits in)
  'frozen', // SIGSTOP or a frozen cgroup: state T or D
  'no-space', // no writable directory for debugpy, or none that allows to load it
  'failed', // debugpy or the script raised: message has the last line, facts traceback
  'bad-request',
  'internal',
] as const;
export type AgentErrorCode = (typeof AGENT_ERROR_CODES)[number];

export type { ProcessInfo };
