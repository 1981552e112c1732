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
  { container: string; compose?: never } | { compose: { project: string; service: string }; container?: never }
) & {
  /** Which Docker or Podman: `unix:///run/podman/podman.sock`. Default: `DOCKER_HOST`, the docker context, known sockets. */
  host?: string;
};

/** Settings that can stand at the top, for all targets, and in a target, for that one. */
export interface CommonInput {
  /** Hold a new worker until its breakpoints are set (3 s at most), so that those at module level are hit. Default: false. */
  holdAtStart?: boolean;
  /** Let the app end when the editor's stop button asks for it. Default: false: leaving the debugger never ends the app. */
  terminateOnDisconnect?: boolean;
  /** Desktop notifications: debugger back, worker crashed, target blocked. Default: true. */
  notify?: boolean;
}

interface TargetSettings extends CommonInput {
  /** The port on 127.0.0.1 and ::1 that the editor attaches to. Default: 5679, then the next free numbers. */
  port?: number;
  /** Which folder here is which folder there. Default: inferred from working directory and bind mounts. */
  pathMappings?: PathMappingInput[];
}

export interface DockerTargetInput extends TargetSettings {
  docker: DockerInput;
  /** Overrides the choice of the worker. Default: 'auto'. */
  process?: ProcessInput;
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
}

export interface ProcessTargetInput extends TargetSettings {
  /** A process of this machine that something else started. */
  process: { match: string } | { pid: number };
  docker?: never;
  command?: never;
  cwd?: never;
}

export type TargetInput = DockerTargetInput | CommandTargetInput | ProcessTargetInput;

/** What `debugwand.config.ts` exports. */
export interface Config extends CommonInput {
  /** What to debug, by names of your own. */
  targets: Record<string, TargetInput>;
  /** For all docker and command targets without one of their own. Default: 'auto'. */
  process?: ProcessInput;
}
