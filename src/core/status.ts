// Owns the status report: the one shape that the terminal, `wand status --json`, notifications and tests read.
// Version 1: fields may be added, never removed. Types only.
import type { ClusterPlace, Role, Rung, TargetKind } from './types.ts';

export type Phase = 'waiting' | 'entering' | 'attached' | 'stopped' | 'blocked';
export type ReattachReason = 'reload' | 'restart' | 'crash' | 'rollout';

export interface ProcessReport {
  readonly pid: number;
  readonly ppid: number;
  readonly replica: string;
  readonly role: Role;
  readonly reason: string;
  readonly chosen: boolean;
  /** As `ps` shows it: CPU time used divided by the time the process has been running. */
  readonly cpuPercent: number;
  readonly rssBytes: number;
  /** CPU time used since the start, user and system. */
  readonly cpuSeconds: number;
  /** Null for a process that is not Python. */
  readonly python: string | null;
  readonly command: string;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
}

export interface WorkerReport {
  readonly pid: number;
  readonly replica: string;
  /** Counts the workers that this daemon has followed for the target, from 1. */
  readonly generation: number;
  readonly command: string;
  readonly python: string;
  readonly cpuPercent: number;
  readonly rssBytes: number;
  readonly role: Role;
  readonly reason: string;
}

/** A worker of the target, or a debug session that waits for one. */
export interface WorkerSlotReport {
  /** 0: the first session's; from 1: `subProcessId` of a further one; null: the worker has no session. */
  readonly slot: number | null;
  /** Null: the session waits for a worker. */
  readonly pid: number | null;
  readonly replica: string;
  /** See WorkerReport; null: nobody enters it. */
  readonly generation: number | null;
  /** Null: it runs without the debugger. */
  readonly phase: Phase | null;
  /** An editor has its session. */
  readonly session: boolean;
  readonly stoppedAt: string | null;
  /** It stopped only because another worker had (`stopAll`). Absent: no. */
  readonly stoppedAlong?: true;
  /** Of the session: how often it got another worker, and the last time; the history of slot 0 is the target's. */
  readonly reattach: { readonly count: number; readonly last: ReattachReport | null };
  /** In words: why it is debugged, or what it waits for. */
  readonly message: string;
}

export interface EntryReport {
  readonly rung: Rung;
  readonly skipped: readonly { readonly rung: Rung; readonly why: string }[];
  /** Whose debugpy runs in the worker: ours, the one the app brought, or one that was listening already. */
  readonly debugpy?: string;
}

export interface ReattachReport {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** From the new worker's start to its breakpoints verified (or, with no editor there, to debuggable). */
  readonly ms: number;
  /** From the moment that the worker was seen. */
  readonly seenMs: number;
  readonly reason: ReattachReason;
  /** Absent: not known. */
  readonly phases?: ReattachPhases;
}

/** When each step of a re-attach was done, ms from the worker's start; they never go down. */
export interface ReattachPhases {
  readonly seen: number;
  /** Our code ran in it. */
  readonly entered: number;
  /** Its debugpy listened. */
  readonly debugpyUp: number;
  /** Its breakpoints were verified; null: no editor was there to have any. */
  readonly verified: number | null;
}

export interface ErrorReport {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

/** A container that the target may run in; one is followed. */
export interface ReplicaReport {
  readonly name: string;
  readonly state: 'running' | 'paused' | 'restarting' | 'stopped';
  readonly followed: boolean;
  /** In words: "ready, revision 3"; empty where there is nothing to say. */
  readonly note: string;
}

export interface ForwardReport {
  readonly localPort: number;
  /** As configured: a number or a name. */
  readonly remotePort: number | string;
  readonly state: 'ready' | 'waiting' | 'blocked';
  readonly message: string;
  readonly connections: number;
}

/** What would happen to the worker while it is paused. */
export interface BudgetReport {
  /** In words: probes that are answered in the app's place: "liveness probe GET :8000/healthz". */
  readonly answered: readonly string[];
  /** In words, the soonest first: "liveness probe by exec fails: the container is restarted after 21 s". */
  readonly limits: readonly string[];
  /** From the stop to the first that ends the worker; null: none that is known. */
  readonly seconds: number | null;
}

/** A stop, and what may end the paused worker. */
export interface PauseReport {
  /** Milliseconds since the Unix epoch. */
  readonly since: number;
  /** When the first of the limits strikes, ms since the epoch; null: nothing is known that would. */
  readonly until: number | null;
  /** See BudgetReport. */
  readonly limits: readonly string[];
}

/** How the last worker that was followed ended, as far as anybody told. */
export interface WorkerEndReport {
  readonly pid: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** By a signal of its own fault, or by an exception that nobody caught. */
  readonly crashed: boolean;
  /** The last line of that exception: "ValueError: no such user"; null: none is known. */
  readonly exception: string | null;
  /** "SIGSEGV"; null: by none, or nobody knows. */
  readonly signal: string | null;
  /** The exception, or the signal in words; null: nothing is known. */
  readonly reason: string | null;
}

export interface TargetReport {
  readonly name: string;
  readonly kind: TargetKind;
  readonly port: number;
  readonly phase: Phase;
  readonly ready: boolean;
  /** One sentence for the status line: what it does or waits for. */
  readonly message: string;
  readonly worker: WorkerReport | null;
  /** The equal workers and what they started, debugged or not: one row for each, the first session's first. */
  readonly workers: readonly WorkerSlotReport[];
  /** Workers without a session of their own because there are more than `maxWorkers`. */
  readonly workersLeftOut: number;
  readonly processes: readonly ProcessReport[];
  /** When `processes` was looked at, milliseconds since the Unix epoch; 0: not yet. */
  readonly processesAt: number;
  readonly entry: EntryReport | null;
  readonly editor: { readonly connected: boolean; readonly client: string | null };
  /** Where the worker is stopped, null while it runs: "app.py:12 (breakpoint)". */
  readonly stoppedAt: string | null;
  readonly reattach: {
    readonly count: number;
    readonly last: ReattachReport | null;
    /** The last 50, oldest first. */
    readonly history: readonly ReattachReport[];
  };
  /** Null: no worker has ended yet. */
  readonly lastEnd: WorkerEndReport | null;
  readonly error: ErrorReport | null;
  /** Where the target may run, best first. */
  readonly replicas: readonly ReplicaReport[];
  /** Kubernetes only. */
  readonly cluster: ClusterPlace | null;
  readonly forwards: readonly ForwardReport[];
  /** While it is stopped. */
  readonly pause: PauseReport | null;
  /** Known once the worker is entered; null where nothing watches over it. */
  readonly pauseBudget: BudgetReport | null;
}

/** Somebody who says when to look: Skaffold, Tilt, `wand notify`. Never more than that. */
export interface HintReport {
  readonly source: string;
  readonly state: 'connected' | 'waiting' | 'ended';
  /** One sentence. */
  readonly message: string;
  /** `at`: milliseconds since the Unix epoch. */
  readonly lastEvent: { readonly at: number; readonly text: string } | null;
  /** What the tool does that is in the way, each with its fix: a port that both want. */
  readonly problems: readonly ErrorReport[];
}

export interface StatusReport {
  readonly version: 1;
  readonly daemon: {
    readonly pid: number;
    readonly startedAt: number;
    /** Absolute path of the config file, null without one. */
    readonly config: string | null;
    /** Set while the config on disk is bad and the last good one is in use. */
    readonly configError: ErrorReport | null;
    /** Address of the status page, its token in it; null: off, or not there yet. */
    readonly page: string | null;
  };
  readonly targets: readonly TargetReport[];
  readonly hints: readonly HintReport[];
}
