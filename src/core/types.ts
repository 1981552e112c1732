// Owns the words that all parts share: config as resolved, replicas, processes, workers. Types only.
import type { DebugwandError } from '../lib/errors.ts';

/** The override of the worker's choice. `match` is a regular expression against the command line. */
export type ProcessChoice = 'auto' | { readonly match: string } | { readonly pid: number };

/** Same shape as DAP attach arguments of debugpy: `localRoot` is the developer's side. Absolute paths once resolved. */
export interface PathMapping {
  readonly local: string;
  readonly remote: string;
}

export type TargetSource =
  | { readonly kind: 'local'; readonly command: readonly string[]; readonly cwd: string }
  | { readonly kind: 'local'; readonly pid: number }
  | { readonly kind: 'local'; readonly match: string }
  | { readonly kind: 'docker'; readonly container: string; readonly host?: string }
  | {
      readonly kind: 'docker';
      readonly compose: { readonly project: string; readonly service: string };
      /** Which container: the newest one, or every one. Default: 'newest'. */
      readonly replica?: 'newest' | 'all';
      readonly host?: string;
    }
  | KubernetesSource;

export interface KubernetesSource {
  readonly kind: 'kubernetes';
  /** For `selector`, `name` is a label selector as kubectl takes it. */
  readonly workload: { readonly kind: WorkloadKind; readonly name: string };
  /** Default: the context's, else `default`. */
  readonly namespace?: string;
  /** Default: the current one, pinned when the target starts. */
  readonly context?: string;
  /** Absolute path. Default: KUBECONFIG, then ~/.kube/config. */
  readonly kubeconfig?: string;
  readonly container?: string;
  /** Which pod: the newest one that is ready, every one, or the one of that name. */
  readonly replica: 'newest' | 'all' | { readonly pod: string };
  readonly ephemeralContainers: 'ask' | 'allow' | 'never';
  /** Contexts that may be entered although they do not look local. */
  readonly allowContexts: readonly string[];
}

export type WorkloadKind =
  'service' | 'deployment' | 'statefulset' | 'daemonset' | 'job' | 'cronjob' | 'pod' | 'selector' | 'knative';

export type TargetKind = 'local' | 'docker' | 'kubernetes';

/** One target of the config, defaults filled in, global settings pushed down into it. */
export interface TargetConfig {
  readonly name: string;
  /** The port on 127.0.0.1 and ::1 that the editor attaches to. */
  readonly port: number;
  readonly source: TargetSource;
  /** From the config; absolute `local`. Empty: inferred. */
  readonly pathMappings: readonly PathMapping[];
  readonly process: ProcessChoice;
  readonly holdAtStart: boolean;
  readonly terminateOnDisconnect: boolean;
  readonly notify: NotifySettings;
  /** How long an agent whose wire was cut waits for it to be mended, seconds; then the app runs on. 0: not at all. */
  readonly leaseSeconds: number;
  readonly whilePaused: WhilePaused;
  /** `all`: every worker gets a session, where the editor can have several. `one`: one at a time. */
  readonly workers: 'all' | 'one';
  /** Sessions of one target at most. */
  readonly maxWorkers: number;
  /** A stop in one worker stops the others. */
  readonly stopAll: boolean;
  /** Ports of the app that are kept reachable on this machine. */
  readonly forward: readonly ForwardConfig[];
}

/** What is done about probes while all threads of the worker are stopped by the debugger. */
export interface WhilePaused {
  /** `answer`: HTTP probes are answered in the app's place. `warn`: the time that is left is only shown. */
  readonly probes: 'answer' | 'warn';
  /** What a readiness probe is told then. */
  readonly readiness: 'answer' | 'fail';
}

export interface ForwardConfig {
  /** On 127.0.0.1 and ::1. */
  readonly localPort: number;
  /** In the replica: a number, or the name of a container port. */
  readonly remotePort: number | string;
}

export interface ProjectConfig {
  /** Absolute path of the file that it came from; null for a config made of flags. */
  readonly file: string | null;
  /** Absolute: the folder of the config file (or the working directory). One daemon per root. */
  readonly root: string;
  readonly targets: readonly TargetConfig[];
  /** Where Skaffold's events are: its address, or `off`. Absent: it is looked for. */
  readonly skaffold?: { readonly events: string };
  /** The status page is served. */
  readonly page: boolean;
}

/** One container, pod container or machine that a target may run in. */
export interface Replica {
  /** Container id; `host` for processes of this machine. Changes when the container is recreated, not when restarted. */
  readonly id: string;
  /** Shown to users: container name, pod name, `this machine`. */
  readonly name: string;
  readonly state: 'running' | 'paused' | 'restarting' | 'stopped';
  /** Changes with each start of the container: agents of an earlier start are dead. */
  readonly startedAt: string;
  readonly workingDir?: string;
  /** Bind mounts: `source` on the developer's machine, `destination` inside. */
  readonly mounts?: readonly { readonly source: string; readonly destination: string }[];
  readonly image?: string;
  /** Which of the processes that an agent in the replica sees belong to the target. */
  readonly scope: Scope;
  /** Lower is better; a followed replica is left for a better one only. Absent: its place in the snapshot's order. */
  readonly rank?: number;
  /** The platform is taking it away: it is left for any other one, whatever goes on in it. */
  readonly ending?: true;
  /** We told what runs in it to end, and it has not; some take that for something else, and go on. */
  readonly toldToEnd?: true;
  /** A newer revision is there, or comes, in its place. */
  readonly superseded?: true;
  /** It does not run, and may: for the first time, or again. */
  readonly coming?: true;
  /** In words, for people: "ready, revision 3". */
  readonly note?: string;
  /** Ports that the container declares. */
  readonly ports?: readonly { readonly name: string | null; readonly port: number }[];
  /** What watches over the container and may end it while it is paused. */
  readonly probes?: readonly Probe[];
  /** Other time limits on a paused worker: Knative's, in words. */
  readonly timeLimits?: readonly { readonly what: string; readonly seconds: number }[];
}

/** One probe of a container (Kubernetes: pod.spec.containers[].livenessProbe and its siblings). */
export interface Probe {
  readonly kind: 'liveness' | 'readiness' | 'startup';
  readonly by: 'http' | 'https' | 'tcp' | 'grpc' | 'exec';
  /** Resolved to a number; null for exec. */
  readonly port: number | null;
  /** HTTP only. */
  readonly path: string | null;
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
}

/** Which cluster a target was pinned to, and whether it may be entered. */
export interface ClusterPlace {
  readonly context: string;
  readonly namespace: string;
  readonly server: string;
  readonly guard: { readonly allowed: boolean; readonly reason: string };
}

/** `namespace`: all processes the agent sees. `descendants`: these pids and all below. `match`: regular expression. */
export type Scope =
  | { readonly kind: 'namespace' }
  | { readonly kind: 'descendants'; readonly roots: readonly number[] }
  | { readonly kind: 'match'; readonly pattern: string };

/** Everything known about a target's workload at one moment: never a delta. */
export interface Snapshot {
  /** In order of preference; the first running one is followed, or every one. */
  readonly replicas: readonly Replica[];
  /** Why nothing runs, in words for the status line: "container `api` does not exist". Null when something runs. */
  readonly waitingFor: string | null;
  /** Set when the platform itself cannot be used (no daemon, no permission); the watch goes on and may clear it. */
  readonly error: DebugwandError | null;
  /** Kubernetes only, once the kubeconfig has been read. */
  readonly cluster?: ClusterPlace;
}

/** A process as the agent sees it (in the PID namespace of the target). */
export interface ProcessInfo {
  /** The `replicaKey` of where it runs, once that is known. */
  readonly replica?: string;
  readonly pid: number;
  readonly ppid: number;
  /** Field 22 of /proc/pid/stat: clock ticks after boot. With `pid` it identifies the process. */
  readonly startTime: number;
  /** Changes when the same pid execs another program (field 28, startstack, of /proc/pid/stat; "0" if unreadable). */
  readonly execId: string;
  /** True: it has not exec'ed since it was forked, so it runs the program of its parent. Absent: not known. */
  readonly forked?: boolean;
  /** Milliseconds since the process started, at the time of the snapshot. */
  readonly ageMs: number;
  readonly cmdline: readonly string[];
  readonly exe: string | null;
  readonly cwd: string | null;
  readonly uid: number;
  /** One letter of /proc/pid/stat: R S D Z T … */
  readonly state: string;
  readonly threads: number;
  /** CPU seconds used (user and system) since the start. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  /** Only the variables that classification needs (RUN_MAIN, WERKZEUG_RUN_MAIN, …); null if unreadable. */
  readonly environ: Readonly<Record<string, string>> | null;
  /** Null: not a Python process. */
  readonly python: PythonInfo | null;
}

export interface PythonInfo {
  /** "3.14", or "3.14.8" when it could be read from memory; "3" when unknown. */
  readonly version: string;
  /** CPython's remote debugging protocol: null when unknown yet, e.g. no right to read memory. */
  readonly remoteDebug: 'on' | 'off' | 'unsupported' | null;
  readonly freeThreaded: boolean;
  /** "cp314", "cp314t": which compiled wheel fits. */
  readonly abi: string;
  /** "glibc" | "musl". */
  readonly libc: string;
  /** "x86_64", "aarch64", … */
  readonly arch: string;
}

/** `worker` runs user code and may be entered; `supervisor` starts workers; `helper` is part of multiprocessing;
 * `wrapper` is a shell, init or runner around a server; `tool` is a Python process that is ours or not of the app. */
export type Role = 'worker' | 'supervisor' | 'helper' | 'wrapper' | 'tool';

export interface ClassifiedProcess extends ProcessInfo {
  readonly role: Role;
  /** In words: "spawned by the uvicorn reloader 17". */
  readonly reason: string;
  readonly chosen: boolean;
}

/** Outcome of `classify`: the tree with roles, and the worker to debug. */
export interface Classification {
  readonly processes: readonly ClassifiedProcess[];
  /** The chosen worker, or null with a reason why none. */
  readonly chosen: ClassifiedProcess | null;
  readonly why: string;
  /** Pids of the equal workers that the chosen one is one of, oldest first; empty when none is chosen. */
  readonly crew: readonly number[];
  /** Pids of workers that those of the crew started for themselves. */
  readonly below: readonly number[];
  /** How many workers a supervisor was seen to keep, for the next classification; null: none was seen yet. */
  readonly kept: KeptCrew | null;
}

export interface KeptCrew {
  /** Pid of the supervisor. */
  readonly by: number;
  readonly count: number;
}

/** The ways to get in, best first; `environment` is for a Python 3.10 to 3.13 that wand itself started. */
export type Rung = 'environment' | 'exec' | 'exec-as-worker' | 'helper-container';

/** What desktop notifications are about. */
export type NotifyKind = 'reattached' | 'crashed' | 'blocked' | 'paused';
export type NotifySettings = Readonly<Record<NotifyKind, boolean>>;
