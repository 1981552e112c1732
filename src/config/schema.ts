// Owns the way from what a config file holds to a ProjectConfig: defaults filled in, global settings pushed into the
// targets, paths absolute, a port for everyone. Pure: the disk is load.ts.
import { posix, resolve, win32 } from 'node:path';
import type {
  KubernetesSource,
  NotifySettings,
  PathMapping,
  ProcessChoice,
  ProjectConfig,
  TargetConfig,
  TargetSource,
  WorkloadKind,
} from '../core/types.ts';
import { FIRST_PORT, TARGET_DEFAULTS } from '../core/target-defaults.ts';
import { replicaNamed } from '../core/workload-name.ts';
import { isFields } from '../lib/fields.ts';
import { invalidConfig, type Problem } from './problems.ts';
import { parseForward } from './forward.ts';
import { type RawConfig, type RawProcess, type RawTarget, readShape, WORKLOAD_KEYS } from './shape.ts';

export interface ConfigPlace {
  /** Absolute path of the config file, null for a config made of flags. */
  readonly file: string | null;
  /** Absolute: relative paths of the config start here. */
  readonly root: string;
}

/** @throws DebugwandError `config-invalid` that lists every problem. */
export function parseConfig(raw: unknown, place: ConfigPlace): ProjectConfig {
  const shape = readShape(raw);
  const found = 'problems' in shape ? shape.problems : [];
  const problems = [...found, ...sourceProblems(targetsOf(raw), found), ...portProblems(targetsOf(raw))];
  if (problems.length > 0 || 'problems' in shape) throw invalidConfig(place.file, problems);
  const { config } = shape;
  const ports = assignPorts(config);
  const targets = Object.entries(config.targets).map(([name, target]) =>
    resolveTarget(name, target, config, ports.get(name) ?? FIRST_PORT, place.root),
  );
  const events = config.skaffold?.events ?? 'auto';
  const skaffold = events === 'auto' ? {} : { skaffold: { events } };
  return { file: place.file, root: place.root, targets, page: config.page ?? true, ...skaffold };
}

function resolveTarget(name: string, target: RawTarget, config: RawConfig, port: number, root: string): TargetConfig {
  const source = sourceOf(target, config, root);
  // A process target's own `process` says where to look; what runs in there is then chosen by its role.
  const isOverride = target.docker !== undefined || target.kubernetes !== undefined || target.command !== undefined;
  return {
    name,
    port,
    source,
    pathMappings: (target.pathMappings ?? []).map((mapping) => resolveMapping(mapping, root)),
    process: isOverride ? choiceOf(target.process ?? config.process ?? 'auto') : 'auto',
    holdAtStart: target.holdAtStart ?? config.holdAtStart ?? TARGET_DEFAULTS.holdAtStart,
    terminateOnDisconnect:
      target.terminateOnDisconnect ?? config.terminateOnDisconnect ?? TARGET_DEFAULTS.terminateOnDisconnect,
    notify: notifyOf(target.notify, notifyOf(config.notify, TARGET_DEFAULTS.notify)),
    leaseSeconds: target.lease ?? config.lease ?? TARGET_DEFAULTS.leaseSeconds,
    whilePaused: {
      probes: target.whilePaused?.probes ?? config.whilePaused?.probes ?? TARGET_DEFAULTS.whilePaused.probes,
      readiness:
        target.whilePaused?.readiness ?? config.whilePaused?.readiness ?? TARGET_DEFAULTS.whilePaused.readiness,
    },
    workers: target.workers ?? config.workers ?? TARGET_DEFAULTS.workers,
    maxWorkers: target.maxWorkers ?? config.maxWorkers ?? TARGET_DEFAULTS.maxWorkers,
    stopAll: target.stopAll ?? config.stopAll ?? TARGET_DEFAULTS.stopAll,
    forward: (target.forward ?? []).flatMap((text) => parseForward(text) ?? []),
  };
}

/** A kind that is not named stays as it is. */
function notifyOf(raw: RawConfig['notify'], otherwise: NotifySettings): NotifySettings {
  const { reattached, crashed, blocked, paused } =
    typeof raw === 'boolean' ? { reattached: raw, crashed: raw, blocked: raw, paused: raw } : (raw ?? {});
  return {
    reattached: reattached ?? otherwise.reattached,
    crashed: crashed ?? otherwise.crashed,
    blocked: blocked ?? otherwise.blocked,
    paused: paused ?? otherwise.paused,
  };
}

function sourceOf(target: RawTarget, config: RawConfig, root: string): TargetSource {
  const { docker, kubernetes, command, process } = target;
  if (kubernetes !== undefined) return kubernetesSource(kubernetes, config.allowContexts ?? [], root);
  if (docker !== undefined) {
    const host = docker.host === undefined ? {} : { host: docker.host };
    const replica = docker.replica === undefined ? {} : { replica: docker.replica };
    if (docker.compose !== undefined) return { kind: 'docker', compose: docker.compose, ...replica, ...host };
    return { kind: 'docker', container: docker.container ?? '', ...host };
  }
  if (command !== undefined) return { kind: 'local', command, cwd: resolve(root, target.cwd ?? '.') };
  const choice = choiceOf(process ?? 'auto');
  if (choice === 'auto') throw new TypeError('a target without a source got past the checks');
  return 'pid' in choice ? { kind: 'local', pid: choice.pid } : { kind: 'local', match: choice.match };
}

function kubernetesSource(
  raw: NonNullable<RawTarget['kubernetes']>,
  allowContexts: readonly string[],
  root: string,
): KubernetesSource {
  const key = WORKLOAD_KEYS.find((name) => raw[name] !== undefined) ?? 'service';
  const { namespace, context, kubeconfig, container, replica } = raw;
  return {
    kind: 'kubernetes',
    workload: { kind: key.toLowerCase() as Lowercase<typeof key> satisfies WorkloadKind, name: raw[key] ?? '' },
    ...(namespace === undefined ? {} : { namespace }),
    ...(context === undefined ? {} : { context }),
    ...(kubeconfig === undefined ? {} : { kubeconfig: resolve(root, kubeconfig) }),
    ...(container === undefined ? {} : { container }),
    replica: replicaNamed(replica),
    ephemeralContainers: raw.ephemeralContainers ?? 'ask',
    allowContexts,
  };
}

function choiceOf(raw: RawProcess): ProcessChoice {
  if (raw === 'auto') return 'auto';
  if (raw.pid !== undefined) return { pid: raw.pid };
  return { match: raw.match ?? '' };
}

function resolveMapping(mapping: PathMapping, root: string): PathMapping {
  const flavour = mapping.remote.startsWith('/') ? posix : win32;
  const remote = flavour.normalize(mapping.remote);
  const isTop = flavour.dirname(remote) === remote;
  return { local: resolve(root, mapping.local), remote: isTop ? remote : remote.replace(/[\\/]+$/, '') };
}

type LooseTarget = readonly [name: string, target: Readonly<Record<string, unknown>>];

/** The targets of a config that may be wrong in other places: so all problems can be told at once. */
function targetsOf(raw: unknown): readonly LooseTarget[] {
  const targets = isFields(raw) ? raw['targets'] : undefined;
  if (!isFields(targets)) return [];
  return Object.entries(targets).flatMap(([name, target]): LooseTarget[] => (isFields(target) ? [[name, target]] : []));
}

/** What the schema cannot say: each target has one source, and settings go with the source that they belong to. */
function sourceProblems(targets: readonly LooseTarget[], known: readonly Problem[]): Problem[] {
  const problems: Problem[] = [];
  const rule = (path: readonly PropertyKey[], text: string): void => {
    problems.push({ kind: 'rule', path: ['targets', ...path], found: null, rule: text });
  };
  for (const [name, { docker, command, process, cwd, kubernetes, forward }] of targets) {
    // A setting with a typo may be the source that seems to be missing.
    const unclear = known.some(({ kind, path }) => kind === 'unknown' && path[1] === name);
    const given = Object.entries({ docker, kubernetes, command }).flatMap(([key, value]) =>
      value === undefined ? [] : [`\`${key}\``],
    );
    if (given.length > 1) {
      rule(
        [name],
        `has ${given.length === 2 ? 'both ' : ''}${given.join(' and ')}: make ${given.length === 2 ? 'two' : 'three'} targets of it`,
      );
    } else if (given.length === 0 && (process === undefined || process === 'auto')) {
      if (unclear) continue;
      rule(
        [name],
        "does not say what to debug. Allowed: docker: { container: 'name' }, kubernetes: { service: 'web' }, command: ['python', 'app.py'], process: { match: '…' } or process: { pid: 4242 }",
      );
    }
    for (const [key, one] of Object.entries({ docker, kubernetes })) {
      if (!isFields(one) || one['replica'] !== 'all') continue;
      const single = ['container', 'pod'].find(
        (kind) => one[kind] !== undefined && (kind === 'pod' || key === 'docker'),
      );
      if (single !== undefined)
        rule([name, key, 'replica'], `'all' does not go with \`${single}\`, which is one replica`);
    }
    if (cwd !== undefined && command === undefined && !unclear) rule([name, 'cwd'], 'goes with `command` only');
    if (forward !== undefined && docker === undefined && kubernetes === undefined && !unclear) {
      rule(
        [name, 'forward'],
        'goes with `docker` and `kubernetes` only: ports of this machine are reachable as they are',
      );
    }
  }
  return problems;
}

function portProblems(targets: readonly LooseTarget[]): Problem[] {
  const users = new Map<number, string>();
  const taken = (port: number, name: string, path: readonly PropertyKey[]): Problem[] => {
    const first = users.get(port);
    users.set(port, first ?? name);
    if (first === undefined) return [];
    const rule = `${port} is ${first} already: each needs its own`;
    return [{ kind: 'rule', path: ['targets', ...path], found: null, rule }];
  };
  return [
    ...targets.flatMap(([name, { port }]) =>
      typeof port === 'number' ? taken(port, `the port of \`${name}\``, [name, 'port']) : [],
    ),
    ...targets.flatMap(([name, { forward }]) =>
      (Array.isArray(forward) ? forward : []).flatMap((entry, index) => {
        const port = typeof entry === 'string' ? parseForward(entry)?.localPort : undefined;
        return port === undefined ? [] : taken(port, `a forward of \`${name}\``, [name, 'forward', index]);
      }),
    ),
  ];
}

/** Depends on the config alone, so a target keeps its port from one start to the next. */
function assignPorts(config: RawConfig): Map<string, number> {
  const entries = Object.entries(config.targets);
  const forwards = entries.flatMap(([, { forward }]) =>
    (forward ?? []).flatMap((text) => parseForward(text)?.localPort ?? []),
  );
  const taken = new Set([...forwards, ...entries.flatMap(([, { port }]) => (port === undefined ? [] : [port]))]);
  const ports = new Map<string, number>();
  let next = FIRST_PORT;
  for (const [name, { port }] of entries) {
    while (port === undefined && taken.has(next)) next += 1;
    const mine = port ?? next;
    taken.add(mine);
    ports.set(name, mine);
  }
  return ports;
}
