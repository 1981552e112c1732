// Owns which target a one-shot command means: by flag, by name in the config, or the only one there is.
import { basename } from 'node:path';
import { loadConfig } from '../config/load.ts';
import { DebugwandError } from '../lib/errors.ts';
import { nearest } from '../lib/nearest.ts';
import { TARGET_DEFAULTS } from '../core/target-defaults.ts';
import type { ProjectConfig, TargetConfig, TargetSource } from '../core/types.ts';

export const DEFAULT_PORT = 5679;

export interface TargetFlags {
  readonly container?: string;
  readonly pid?: number;
  readonly service?: string;
  readonly config?: string;
  readonly dockerHost?: string;
}

/** A config of one target, made of flags: for `wand debug` and `wand watch -- COMMAND`. */
export function configOf(name: string, source: TargetSource, port: number, root: string): ProjectConfig {
  const target: TargetConfig = { name, port, source, ...TARGET_DEFAULTS };
  return { file: null, root, targets: [target] };
}

/** The source that the flags name; null when they name none. @throws DebugwandError `kubernetes-coming` */
export function sourceOf(flags: TargetFlags): { name: string; source: TargetSource } | null {
  if (flags.service !== undefined) {
    throw new DebugwandError({
      code: 'kubernetes-coming',
      message: 'debugging a Kubernetes service is coming with Kubernetes support, it is not there yet',
      fix: 'use --container for a container of Docker or Podman, or --pid for a process of this machine',
    });
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

/** The target of `wand ps` and `wand inject`. @throws DebugwandError `no-such-target`, `target-ambiguous`, `config-missing` */
export async function targetOf(
  name: string | undefined,
  flags: TargetFlags,
): Promise<{ config: TargetConfig; root: string }> {
  const flagged = sourceOf(flags);
  const cwd = process.cwd();
  if (flagged !== null)
    return { config: onlyTarget(configOf(flagged.name, flagged.source, DEFAULT_PORT, cwd)), root: cwd };
  const project = await loadConfig({ cwd, file: flags.config }, new AbortController().signal);
  if (name === undefined) return { config: onlyTarget(project), root: project.root };
  const found = project.targets.find((target) => target.name === name);
  if (found !== undefined) return { config: found, root: project.root };
  throw noSuchTarget(name, project);
}

export function noSuchTarget(name: string, project: ProjectConfig): DebugwandError {
  const names = project.targets.map((target) => target.name);
  const near = nearest(name, names);
  return new DebugwandError({
    code: 'no-such-target',
    message: `there is no target ${name} in ${project.file === null ? 'the config' : basename(project.file)}`,
    fix: near === null ? `the targets are: ${names.join(', ')}` : `did you mean ${near}?`,
  });
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
