// Owns `wand watch` and `wand debug`: from flags to a config, then a run of the daemon, here or detached.
import { basename } from 'node:path';
import { FIRST_PORT } from '../core/target-defaults.ts';
import type { ProjectConfig, TargetConfig } from '../core/types.ts';
import { loadConfig } from '../config/load.ts';
import { watchConfig } from '../config/watch.ts';
import { DebugwandError } from '../lib/errors.ts';
import { missingSource } from '../targets/index.ts';
import { uiMode } from '../ui/style.ts';
import { allowedContexts, allowing } from './allowed-contexts.ts';
import { terminalAsker } from './ask.ts';
import { runDaemon, type SessionOptions } from './daemon-session.ts';
import { detach, isDetached } from './detach.ts';
import { configOf, notInConfig, sourceOf, type TargetFlags } from './target-option.ts';

/** A config loads within a moment; Ctrl-C ends the process anyhow. */
const signal = new AbortController().signal;

export interface WatchOptions {
  readonly target?: readonly string[];
  readonly config?: string;
  readonly port?: number;
  readonly detach?: boolean;
  readonly plain?: boolean;
  readonly json?: boolean;
  readonly allowContext?: readonly string[];
  /** The arguments of this process, for starting it again detached. */
  readonly argv: readonly string[];
  readonly leave: SessionOptions['leave'];
}

export async function watchCommand(command: readonly string[], options: WatchOptions): Promise<number> {
  const detached = isDetached(process.env);
  if (options.detach === true && !detached) return detach(options.argv, await rootOf(command, options));
  if (command.length > 0) {
    const beside = await besideCommand(command, options);
    const config = beside ?? (await withCommand(command, options));
    // Lines only, on standard error: the terminal is the command's.
    const how = session(config, { ...options, plain: true }, detached);
    return runDaemon({ ...how, command: true, ...(beside === null ? {} : { companion: command }) });
  }
  const loaded = await loadConfig({ cwd: process.cwd(), file: options.config }, signal);
  const asker = detached || options.json === true ? null : terminalAsker();
  const contexts = await allowedContexts(select(loaded, options), options.allowContext ?? [], asker, signal);
  const shape = (project: ProjectConfig): ProjectConfig => allowing(select(project, options), contexts);
  const selected = session(shape(loaded), options, detached);
  const { file } = loaded;
  if (file === null) return runDaemon(selected);
  return runDaemon({ ...selected, watchConfig: watcher(file, loaded, shape) });
}

/** A run whose config does not change, shown as the flags and the terminal want it. */
function session(
  config: ProjectConfig,
  options: Pick<WatchOptions, 'plain' | 'json' | 'leave'>,
  detached: boolean,
): SessionOptions {
  const ui = detached ? 'none' : uiMode(options, process.stdout, process.env);
  return { config, watchConfig: null, command: false, ui, detached, leave: options.leave };
}

export interface DebugOptions extends TargetFlags {
  readonly leave: SessionOptions['leave'];
  readonly port?: number;
  readonly plain?: boolean;
  readonly json?: boolean;
  readonly forward?: TargetConfig['forward'];
  readonly lease?: number;
}

/** @param workload `deploy/web` */
export async function debugCommand(workload: string | undefined, options: DebugOptions): Promise<number> {
  if (workload !== undefined && !workload.includes('/')) {
    throw new DebugwandError({
      code: 'usage',
      message: `\`wand debug ${workload}\` does not say what ${workload} is`,
      fix: `a container: \`--container ${workload}\`; a Kubernetes service: \`-s ${workload}\`; another workload: \`deploy/${workload}\`; a target of the config: \`wand watch -t ${workload}\``,
    });
  }
  const flagged = await sourceOf(options, workload);
  if (flagged === null) {
    throw new DebugwandError({
      code: 'usage',
      message: '`wand debug` needs to know what to debug',
      fix: 'name a container with --container NAME, a process with --pid N, or a Kubernetes workload: -n NAMESPACE -s SERVICE, or deploy/NAME; `wand watch` takes targets from the config',
    });
  }
  const { forward, lease, port } = options;
  if (forward !== undefined && flagged.source.kind === 'local') {
    throw new DebugwandError({
      code: 'usage',
      message: '--forward is for containers and pods',
      fix: 'leave it out: ports of this machine are reachable as they are',
    });
  }
  const config = configOf(flagged.name, flagged.source, port ?? FIRST_PORT, process.cwd(), {
    ...(forward === undefined ? {} : { forward }),
    ...(lease === undefined ? {} : { leaseSeconds: lease }),
  });
  // A container of that name comes again, a number never does: by the time that it is taken anew it is another program's.
  // `wand watch` waits all the same: it has other targets to care for, and its config may be mended while it runs.
  const missing = flagged.source.kind === 'local' ? await missingSource(flagged, signal) : null;
  if (missing !== null) throw missing;
  return runDaemon(session(config, options, false));
}

/** `loaded`: the whole config as it was read, so that a save before the watch stands is not missed. */
function watcher(
  file: string,
  loaded: ProjectConfig,
  shape: (config: ProjectConfig) => ProjectConfig,
): NonNullable<SessionOptions['watchConfig']> {
  return (onConfig, onError) =>
    watchConfig(
      file,
      (result) => {
        if ('error' in result) {
          onError(result.error);
          return;
        }
        try {
          onConfig(shape(result.config));
        } catch (error) {
          onError(error);
        }
      },
      loaded,
    );
}

/** `--target` and `--port` applied. @throws DebugwandError `no-such-target`, `usage` */
function select(project: ProjectConfig, options: WatchOptions): ProjectConfig {
  const names = options.target ?? [];
  const unknown = names.find((name) => !project.targets.some((target) => target.name === name));
  if (unknown !== undefined) throw notInConfig(unknown, project);
  const targets =
    names.length === 0 ? project.targets : project.targets.filter((target) => names.includes(target.name));
  if (options.port === undefined) return { ...project, targets };
  const [only, ...more] = targets;
  if (only === undefined || more.length > 0) {
    throw new DebugwandError({
      code: 'usage',
      message: `--port is for one target, the config has ${String(targets.length)}`,
      fix: 'choose one with --target NAME, or set `port` for each in the config; a running wand must be started anew for that',
    });
  }
  return { ...project, targets: [{ ...only, port: options.port }] };
}

/** What starts containers is none of their parents. */
const STARTS_CONTAINERS: ReadonlySet<string> = new Set(['docker', 'docker-compose', 'podman', 'podman-compose']);

/** `wand watch -- docker compose up`: the config's targets in containers, beside the command; null: it is a target itself. */
async function besideCommand(command: readonly string[], options: WatchOptions): Promise<ProjectConfig | null> {
  if (!STARTS_CONTAINERS.has(basename(command[0] ?? ''))) return null;
  const project = await configIfAny(options);
  const targets = project?.targets.filter(({ source }) => source.kind === 'docker') ?? [];
  return project === null || targets.length === 0 ? null : select({ ...project, targets }, options);
}

async function configIfAny(options: WatchOptions): Promise<ProjectConfig | null> {
  return loadConfig({ cwd: process.cwd(), file: options.config }, signal).catch((error: unknown) => {
    if (error instanceof DebugwandError && error.code === 'config-missing') return null;
    throw error;
  });
}

/** `wand watch -- COMMAND`: the settings of `--target NAME` with its source replaced, or a target of its own. */
async function withCommand(command: readonly string[], options: WatchOptions): Promise<ProjectConfig> {
  const cwd = process.cwd();
  const source: TargetConfig['source'] = { kind: 'local', command, cwd };
  const [name, ...more] = options.target ?? [];
  if (name === undefined) {
    const bare = await configIfAny(options);
    // A config whose command is this very command lends its settings; the other targets are not ours to run here.
    const same = bare?.targets.find((t) => 'command' in t.source && t.source.command.join(' ') === command.join(' '));
    const made = configOf(
      basename(command[0] ?? 'command'),
      source,
      options.port ?? same?.port ?? FIRST_PORT,
      bare?.root ?? cwd,
    );
    return same === undefined
      ? made
      : { ...made, targets: made.targets.map((t) => ({ ...same, source, port: t.port })) };
  }
  if (more.length > 0) {
    throw new DebugwandError({ code: 'usage', message: 'a command belongs to one target', fix: 'give --target once' });
  }
  const project = select(await loadConfig({ cwd: cwd, file: options.config }, signal), options);
  return { ...project, targets: project.targets.map((target) => ({ ...target, source })) };
}

async function rootOf(command: readonly string[], options: WatchOptions): Promise<string> {
  if (command.length > 0) return (await withCommand(command, options)).root;
  return select(await loadConfig({ cwd: process.cwd(), file: options.config }, signal), options).root;
}
