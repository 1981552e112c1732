// Owns which target a one-shot command means: by flag, by name in the config, or the only one there is.
import { basename } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { DebugwandError } from '../lib/errors.ts';
import { terminalAsker } from './ask.ts';
import { completed, wantedOf, type ClusterFlags } from './cluster-option.ts';
import { noSuchTarget } from '../core/no-such-target.ts';
import { FIRST_PORT, TARGET_DEFAULTS } from '../core/target-defaults.ts';
import type { ProjectConfig, TargetConfig, TargetSource } from '../core/types.ts';

/** A user may be asked meanwhile, and a credential plugin may open a browser. */
const CLUSTER_MS = 600_000;

export interface TargetFlags extends ClusterFlags {
  readonly pid?: number;
  readonly config?: string;
  readonly dockerHost?: string;
}

/** Settings of a target that is made of flags. */
type Settings = Pick<TargetConfig, 'forward' | 'leaseSeconds'>;

/** A config of one target, made of flags: for `wand debug` and `wand watch -- COMMAND`. */
export function configOf(
  name: string,
  source: TargetSource,
  port: number,
  root: string,
  settings: Partial<Settings> = {},
): ProjectConfig {
  const target: TargetConfig = { name, port, source, ...TARGET_DEFAULTS, ...settings };
  return { file: null, root, targets: [target], page: true };
}

/** Whether flags or `positional` (`deploy/web`) name something else than a target of the config. */
export function isFlagged(flags: TargetFlags, positional: string | undefined): boolean {
  const { container, pid } = flags;
  return container !== undefined || pid !== undefined || wantedOf(flags, positional, process.cwd()) !== null;
}

/**
 * The source that the flags name, or `positional`; null when they name none. What is said of a cluster is completed from it.
 * @throws DebugwandError `workload-not-found`, `context-not-allowed`, …
 */
export async function sourceOf(
  flags: TargetFlags,
  positional?: string,
): Promise<{ name: string; source: TargetSource } | null> {
  const wanted = wantedOf(flags, positional, process.cwd());
  if (wanted !== null) {
    const say = (line: string): void => {
      process.stderr.write(`wand: ${line}\n`);
    };
    const source = await completed(wanted, terminalAsker(), say, AbortSignal.timeout(CLUSTER_MS));
    return { name: targetName(source.workload.name), source };
  }
  if (flags.container !== undefined) {
    const { container, dockerHost } = flags;
    const source: TargetSource = {
      kind: 'docker',
      container,
      ...(dockerHost === undefined ? {} : { host: dockerHost }),
    };
    return { name: container, source };
  }
  if (flags.pid !== undefined) return { name: `pid-${String(flags.pid)}`, source: { kind: 'local', pid: flags.pid } };
  return null;
}

/** `app=web,tier!=cache` as a name that a target may have. */
function targetName(name: string): string {
  return name.replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'pods';
}

/** The target of `wand ps` and `wand inject`. @throws DebugwandError `no-such-target`, `target-ambiguous`, `config-missing` */
export async function targetOf(
  name: string | undefined,
  flags: TargetFlags,
): Promise<{ config: TargetConfig; root: string }> {
  const flagged = await sourceOf(flags, name);
  const cwd = process.cwd();
  if (flagged !== null)
    return { config: onlyTarget(configOf(flagged.name, flagged.source, FIRST_PORT, cwd)), root: cwd };
  const project = await loadConfig({ cwd, file: flags.config }, new AbortController().signal);
  if (name === undefined) return { config: onlyTarget(project), root: project.root };
  const found = project.targets.find((target) => target.name === name);
  if (found !== undefined) return { config: found, root: project.root };
  throw notInConfig(name, project);
}

/** The error for a name that the config does not have. */
export function notInConfig(name: string, project: ProjectConfig): DebugwandError {
  const where = project.file === null ? 'the config' : basename(project.file);
  return noSuchTarget(
    name,
    project.targets.map((target) => target.name),
    `in ${where}`,
  );
}

function onlyTarget(project: ProjectConfig): TargetConfig {
  const [first, ...more] = project.targets;
  if (first !== undefined && more.length === 0) return first;
  throw new DebugwandError({
    code: 'target-ambiguous',
    message: 'the config has several targets',
    fix: `name one of them: ${project.targets.map((target) => target.name).join(', ')}`,
  });
}
