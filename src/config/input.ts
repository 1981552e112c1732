// Owns the shape of a config as users write it: the types of the public API. Types only; must not import anything.

/**
 * Which process to debug. `'auto'`: the one that runs the app's code. `match`: a regular expression against the
 * command line. `pid`: as seen inside the target.
 */
export type ProcessInput = 'auto' | { match: string } | { pid: number };

/** The same folder on both sides. */
export interface PathMappingInput {
  /** Folder on this machine; relative to the config file. */
  local: string;
  /** Absolute path of the same folder inside the target. */
  remote: string;
}

/** A container by its name or id, or by its Compose labels. A recreated container is the same target. */
export type DockerInput = (
  | { container: string; compose?: never; replica?: 'newest' }
  | {
      compose: { project: string; service: string };
      /** Which container of the service: the newest, or 'all', whose workers get a debug session each. Default: 'newest'. */
      replica?: 'newest' | 'all';
      container?: never;
    }
) & {
  /** Which Docker or Podman: `unix:///run/podman/podman.sock`. Default: `DOCKER_HOST`, the docker context, known sockets. */
  host?: string;
};

/** Exactly one of the properties. */
type OneOf<T> = { [K in keyof T]: Pick<T, K> & { [Other in Exclude<keyof T, K>]?: never } }[keyof T];

/** Which pods, by what makes them or leads to them. */
interface WorkloadNames {
  service: string;
  deployment: string;
  statefulset: string;
  daemonset: string;
  job: string;
  cronJob: string;
  pod: string;
  /** Labels, as kubectl takes them: `app=web,tier!=cache`. */
  selector: string;
  /** A service of Knative Serving. */
  knative: string;
}

/** Pods of a workload, through rollouts, restarts and scalings. */
export type KubernetesInput = OneOf<WorkloadNames> & {
  /** Default: the context's, else `default`. */
  namespace?: string;
  /** A context of the kubeconfig. Default: the current one; it is kept for as long as wand runs. */
  context?: string;
  /** Relative to the config file. Default: `KUBECONFIG`, then `~/.kube/config`. */
  kubeconfig?: string;
  /** The container in the pod. Default: the pod's default container, then the first that is no sidecar. */
  container?: string;
  /**
   * Which pod: the newest of the current revision that is ready; 'all', whose workers get a debug session each; or the one of
   * this name. Default: 'newest'.
   */
  replica?: string;
  /**
   * What may be done where the container's own rights do not let the debugger in: add an ephemeral container of the same
   * image with SYS_PTRACE to the pod, which stays there until the pod goes. Default: 'ask'.
   */
  ephemeralContainers?: 'ask' | 'allow' | 'never';
};

/** Settings that can stand at the top, for all targets, and in a target, for that one. */
export interface CommonInput {
  /** Hold a new worker until its breakpoints are set (3 s at most), so that those at module level are hit. Default: false. */
  holdAtStart?: boolean;
  /** Let the app end when the editor's stop button asks for it. Default: false: leaving the debugger never ends the app. */
  terminateOnDisconnect?: boolean;
  /** Desktop notifications: all, none, or by kind; a kind that is not named is as it is for all targets. Default: true. */
  notify?: boolean | NotifyConfig;
  /**
   * Seconds that a worker's debugger waits, breakpoints and stops kept, for a connection that was cut; then the app runs
   * on without it. 0: not at all. Default: 60.
   */
  lease?: number;
  /** What probes of the platform are told while all threads are stopped by the debugger. */
  whilePaused?: {
    /** 'answer': HTTP probes are answered in the app's place. 'warn': the time left is only shown. Default: 'answer'. */
    probes?: 'answer' | 'warn';
    /** Whether the pod stays ready, and gets requests, which then wait. Default: 'answer'. */
    readiness?: 'answer' | 'fail';
  };
  /**
   * 'all': every worker of a server gets a debug session of its own, where the editor can have several. 'one': one worker
   * at a time, `wand switch` moves to another. Default: 'all'.
   */
  workers?: 'all' | 'one';
  /** Debug sessions of one target at most. Default: 8. */
  maxWorkers?: number;
  /** Let a stop in one worker stop the others, too. Default: false. */
  stopAll?: boolean;
}

interface TargetSettings extends CommonInput {
  /** The port on 127.0.0.1 and ::1 that the editor attaches to. Default: 5679, then the next free numbers. */
  port?: number;
  /** Which folder here is which folder there. Default: inferred from working directory and bind mounts. */
  pathMappings?: PathMappingInput[];
}

/** Targets whose ports are not those of this machine. */
interface RemoteSettings extends TargetSettings {
  /**
   * Ports of the app to keep reachable on this machine, through rollouts: `'8000:http'` is the container's port `http` on
   * 127.0.0.1:8000, `'9000'` the same number on both sides.
   */
  forward?: string[];
  /** Overrides the choice of the worker. Default: 'auto'. */
  process?: ProcessInput;
}

export interface DockerTargetInput extends RemoteSettings {
  docker: DockerInput;
  kubernetes?: never;
  command?: never;
  cwd?: never;
}

export interface KubernetesTargetInput extends RemoteSettings {
  kubernetes: KubernetesInput;
  docker?: never;
  command?: never;
  cwd?: never;
}

export interface CommandTargetInput extends TargetSettings {
  /** Started by wand and restarted with it: `['uvicorn', 'app:app', '--reload']`. No shell. */
  command: [string, ...string[]];
  /** Where the command runs; relative to the config file. Default: the folder of the config file. */
  cwd?: string;
  /** Overrides the choice of the worker. Default: 'auto'. */
  process?: ProcessInput;
  docker?: never;
  kubernetes?: never;
  forward?: never;
}

export interface ProcessTargetInput extends TargetSettings {
  /** A process of this machine that something else started. */
  process: { match: string } | { pid: number };
  docker?: never;
  kubernetes?: never;
  forward?: never;
  command?: never;
  cwd?: never;
}

export type TargetInput = DockerTargetInput | KubernetesTargetInput | CommandTargetInput | ProcessTargetInput;

/** What `debugwand.config.ts` exports. */
export interface Config extends CommonInput {
  /** What to debug, by names of your own. */
  targets: Record<string, TargetInput>;
  /** For all targets but `process` ones without one of their own. Default: 'auto'. */
  process?: ProcessInput;
  /**
   * A status page in the browser, on a free port of 127.0.0.1; `wand status` shows its address, key `o` opens it.
   * Default: true.
   */
  page?: boolean;
  /** Kubernetes contexts that may be debugged although they do not look local; `*` stands for anything. Default: none. */
  allowContexts?: string[];
  /** Skaffold tells when something was synced or deployed: wand looks then, at once. */
  skaffold?: {
    /** Address of what `--rpc-http-port` opens; 'auto': of the Skaffold that runs in the project; 'off'. Default: 'auto'. */
    events?: string;
  };
}

/** Kinds of desktop notifications. */
export interface NotifyConfig {
  /** The debugger is back in a worker after a reload, restart, crash or rollout, with the time that it took. */
  reattached?: boolean;
  /** A worker crashed, with the last line of its exception where it left one. */
  crashed?: boolean;
  /** A target cannot be debugged, with the fix. */
  blocked?: boolean;
  /** A worker is paused, and something is about to end it. */
  paused?: boolean;
}
