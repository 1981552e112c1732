// Owns the interface that local, docker and kubernetes implement. Types only.
import type { Duplex, Readable, Writable } from 'node:stream';
import type { DebugwandError } from '../lib/errors.ts';
import type { Replica, Snapshot, TargetKind } from '../core/types.ts';

/** A program running inside a replica. Whoever opens one closes it. */
export interface ExecStream {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves once, after stdout ended; never rejects. `code` null: unknown (the wire was cut). */
  readonly exit: Promise<{ readonly code: number | null; readonly error?: unknown }>;
  /** Cuts the wire. The remote program sees its stdin end. Safe to call twice. */
  close(): void;
}

export interface ExecOptions {
  /** Numeric "uid:gid"; default: the replica's own user. */
  readonly user?: string;
}

/** The command that a local target started, for `wand watch -- COMMAND`. */
export interface CommandChild {
  /** Resolves when the command ends by itself or by a signal; a `restart` starts a new promise. */
  readonly exited: Promise<{
    readonly code: number | null;
    readonly signal: NodeJS.Signals | null;
    /** It could not be started at all. */
    readonly error?: DebugwandError;
  }>;
  readonly running: boolean;
  signal(name: NodeJS.Signals): void;
  /** Somebody else told it to end: the terminal did, which we share. */
  toldToEnd(): void;
  restart(): Promise<void>;
}

/** Asks the user; rejects when the signal aborts. */
export type Confirm = (question: string, signal: AbortSignal) => Promise<boolean>;

export interface Target {
  readonly kind: TargetKind;
  /** Whole snapshots, first one at once; ends only when `signal` aborts. Never throws for a lost platform. */
  watch(signal: AbortSignal): AsyncIterable<Snapshot>;
  /** @throws DebugwandError `replica-gone`, `exec-not-found` (no such program), `exec-denied`, … */
  exec(replica: Replica, argv: readonly string[], options: ExecOptions, signal: AbortSignal): Promise<ExecStream>;
  /**
   * The same in a helper of the same image that shares PID and network namespace and has SYS_PTRACE.
   * Null where the platform has no such thing (local).
   */
  readonly execHelper: ((replica: Replica, argv: readonly string[], signal: AbortSignal) => Promise<ExecStream>) | null;
  /**
   * A connection to a port of the replica's loopback; only where that is quicker than through a program's streams.
   * It may resolve before anything is known to listen.
   */
  dial?(replica: Replica, port: number, signal: AbortSignal): Promise<Duplex>;
  /** Python executables worth trying inside the replica, best first; asked before the first exec. */
  interpreters(replica: Replica, signal: AbortSignal): Promise<readonly string[]>;
  /** Only for a local target with a command. */
  readonly child?: CommandChild;
  /** The word by which a Python before 3.14 that this target started is rung; see EnterParams. */
  readonly ring?: string;
  /** Every failure gets a name and a fix. */
  explain(error: unknown): DebugwandError;
  /** Removes whatever this target made (helper containers, a child process it started). Idempotent. */
  close(): Promise<void>;
}
