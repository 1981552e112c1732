// Owns the proposal of `wand init`: from what was found to targets, each with its reason. Pure.
import { basename, relative, resolve } from 'node:path';
import { inferPathMappings } from '../core/path-mappings.ts';
import type { PathMapping } from '../core/types.ts';
import type { KubernetesInput, TargetInput } from '../config/input.ts';
import { findApp, runsPython } from './init-app.ts';
import type { ComposeService } from './init-compose.ts';
import { isPythonWorkload, type ManifestWorkload } from './init-manifests.ts';
import { matchOf } from './init-running.ts';
import { dockerfileKey, type Findings, type RunningContainer } from './init-look.ts';

export interface Proposal {
  readonly name: string;
  readonly input: TargetInput & { readonly port: number };
  /** In words: `Compose service web (compose.yaml), runs now`. */
  readonly because: string;
  /** What wand will take for granted when it runs: for launch.json, which has no wand to ask. Absolute `local`. */
  readonly mappings: readonly PathMapping[];
}

export interface Proposals {
  readonly targets: readonly Proposal[];
  /** What the user should know. */
  readonly notes: readonly string[];
}

const FIRST_PORT = 5679;
/** CPython's remote debugging protocol starts there. */
const FIRST_MINOR = 14;

interface Draft extends Omit<Proposal, 'input'> {
  readonly source:
    | { readonly docker: TargetInput['docker'] }
    | { readonly kubernetes: KubernetesInput }
    | { readonly command: readonly [string, ...string[]] }
    | { readonly process: { readonly match: string } };
  readonly explicit: boolean;
}

/**
 * Compose services and containers of this project; without them the app on this machine; without that, whatever runs
 * Python in a container. What was found and not taken is among the notes.
 */
export function propose(findings: Findings): Proposals {
  const notes = [...findings.troubles];
  const services = (findings.compose?.project.services ?? []).filter((service) => isPython(service, findings));
  const others = findings.containers.filter(({ compose }) => {
    return compose === null || compose.project !== findings.compose?.project.name;
  });
  const ofProject = others.filter((container) => isOfProject(container, findings));
  const foreign = others.filter((container) => !ofProject.includes(container) && isForeignPython(container));
  const drafts: Draft[] = [
    ...services.map((service) => fromService(service, findings)),
    ...ofProject.map((container) => fromContainer(container, findings)),
  ];
  const workloads = pythonWorkloads(findings);
  if (drafts.length === 0) drafts.push(...workloads.map((workload) => fromWorkload(workload, findings)));
  else for (const workload of workloads) notes.push(workloadNote(workload));
  if (drafts.length === 0) drafts.push(...fromThisMachine(findings));
  if (drafts.length === 0) drafts.push(...foreign.map((container) => fromContainer(container, findings)));
  else
    for (const { name } of foreign) notes.push(`container ${name} runs Python too: \`wand debug --container ${name}\``);
  for (const service of services) notes.push(...serviceNotes(service, findings));
  return { targets: withPorts(unique(drafts), findings), notes };
}

function fromService(service: ComposeService, findings: Findings): Draft {
  const { root, compose, containers } = findings;
  const project = compose?.project.name ?? '';
  const running = containers.find((c) => c.compose?.project === project && c.compose.service === service.name);
  const image = dockerfileOf(service, findings);
  const workingDir = running?.workingDir ?? service.workingDir ?? image?.workdir ?? null;
  const mounts = service.mounts.map((mount) => ({ ...mount, source: resolve(root, mount.source) }));
  const inferred = infer(root, workingDir, mounts);
  // What is built from a folder below the project holds that folder, not the project.
  const context = service.build === null ? root : resolve(root, service.build.context);
  const ofContext = context !== root && workingDir !== null ? infer(context, workingDir, mounts) : [];
  const explicit = ofContext.length > 0 && inferred.every(({ local }) => local === root);
  const state = running === undefined ? '' : ', runs now';
  return {
    name: service.name,
    source: { docker: { compose: { project, service: service.name } } },
    because: `Compose service ${service.name} (${compose?.files.join(', ') ?? ''})${state}`,
    mappings: explicit ? ofContext : inferred,
    explicit,
  };
}

function fromContainer(container: RunningContainer, { root }: Findings): Draft {
  const { compose, name, image } = container;
  const source = compose === null ? { docker: { container: name } } : { docker: { compose } };
  return {
    name: compose?.service ?? name,
    source,
    because:
      compose === null
        ? `container ${name} (image ${image}), runs now`
        : `Compose service ${compose.service}, runs now`,
    mappings: infer(root, container.workingDir, container.mounts),
    explicit: false,
  };
}

function pythonWorkloads({ workloads, dockerfiles }: Findings): readonly ManifestWorkload[] {
  const builds = [...dockerfiles.values()].some(({ python, command }) => python !== null || runsPython(command));
  return workloads.filter((workload) => isPythonWorkload(workload, builds));
}

function fromWorkload({ kind, name, namespace, file, workingDir }: ManifestWorkload, findings: Findings): Draft {
  const [image] = findings.dockerfiles.values();
  const place = namespace === null ? {} : { namespace };
  return {
    name,
    source: { kubernetes: { ...named(kind, name), ...place } },
    because: `${kind} ${name} (${file})`,
    mappings: infer(findings.root, workingDir ?? image?.workdir ?? null, []),
    explicit: false,
  };
}

function named(kind: ManifestWorkload['kind'], name: string): KubernetesInput {
  switch (kind) {
    case 'deployment':
      return { deployment: name };
    case 'statefulset':
      return { statefulset: name };
    case 'daemonset':
      return { daemonset: name };
    case 'knative':
      return { knative: name };
    default:
      return kind satisfies never;
  }
}

function workloadNote({ kind, name, namespace, file }: ManifestWorkload): string {
  const place = namespace === null ? '' : `-n ${namespace} `;
  const short = kind === 'knative' ? 'ksvc' : kind;
  return `${file} has ${kind} ${name}: \`wand debug ${place}${short}/${name}\`, or \`kubernetes: { ${kind}: '${name}' }\``;
}

function fromThisMachine({ root, sources, top, bin, running }: Findings): Draft[] {
  if (running.length > 0) {
    return running.map(({ words }) => ({
      name: basename(words[0] ?? 'app'),
      source: { process: { match: matchOf(words) } },
      because: `runs now in this folder: ${words.join(' ')}`,
      mappings: [],
      explicit: false,
    }));
  }
  const runner = top.has('uv.lock') ? ['uv', 'run'] : top.has('poetry.lock') ? ['poetry', 'run'] : [];
  const app = findApp({ files: sources, runner, bin: runner.length > 0 ? '' : bin });
  if (app === null) return [];
  const folder = root.split(/[\\/]/).at(-1) ?? '';
  return [{ name: folder, source: { command: app.command }, because: app.because, mappings: [], explicit: false }];
}

function infer(root: string, workingDir: string | null, mounts: RunningContainer['mounts']): PathMapping[] {
  const scope = { kind: 'namespace' } as const;
  const replica = { id: '', name: '', state: 'running', startedAt: '', scope, mounts } as const;
  return inferPathMappings(root, workingDir === null ? replica : { ...replica, workingDir }, 'docker');
}

function dockerfileOf(service: ComposeService, { root, dockerfiles }: Findings) {
  return service.build === null ? undefined : dockerfiles.get(dockerfileKey(root, service.build));
}

function isPython(service: ComposeService, findings: Findings): boolean {
  if (runsPython(service.command)) return true;
  const image = dockerfileOf(service, findings);
  const isPythonImage = (image?.python ?? null) !== null || /(^|\/)python(:|$)/.test(service.image ?? '');
  return isPythonImage || (service.command.length === 0 && runsPython(image?.command ?? []));
}

/** It mounts something of the project, or has its folder's name. */
function isOfProject(container: RunningContainer, { root }: Findings): boolean {
  if (infer(root, null, container.mounts).length > 0) return true;
  const folder = (root.split(/[\\/]/).at(-1) ?? '').toLowerCase();
  const image =
    container.image
      .replace(/:[^/]*$/, '')
      .split('/')
      .at(-1) ?? '';
  return isForeignPython(container) && [container.name, image].some((name) => name.toLowerCase() === folder);
}

/** What a Compose project of somebody else runs is not ours to propose. */
function isForeignPython({ compose, program }: RunningContainer): boolean {
  return compose === null && runsPython([program]);
}

function serviceNotes(service: ComposeService, findings: Findings): string[] {
  const image = dockerfileOf(service, findings);
  const version = image?.python ?? /(?:^|\/)python:(\d+\.\d+)/.exec(service.image ?? '')?.[1];
  const minor = version === undefined ? null : Number(/^3\.(\d+)$/.exec(version)?.[1] ?? Number.NaN);
  const notes: string[] = [];
  if (minor !== null && minor < FIRST_MINOR) {
    notes.push(`${service.name} runs Python ${version ?? ''}: wand can enter 3.14 and later, so change its base image`);
  }
  if ([...service.command, ...(image?.command ?? [])].some((word) => word === 'debugpy')) {
    notes.push(`${service.name} starts debugpy itself: wand does without it, and without its published port`);
  }
  return notes;
}

/** The names are keys of the config: letters, digits, `-`, `_` and `.`, each once. */
function unique(drafts: readonly Draft[]): Draft[] {
  const taken = new Set<string>();
  return drafts.map((draft) => {
    const clean = draft.name.replace(/[^\w.-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '');
    const base = clean === '' ? 'app' : clean;
    let name = base;
    for (let n = 2; taken.has(name); n += 1) name = `${base}-${String(n)}`;
    taken.add(name);
    return { ...draft, name };
  });
}

/** Written down, so that launch.json and the config agree; ports that Compose publishes are not ours to take. */
function withPorts(drafts: readonly Draft[], { root, compose }: Findings): Proposal[] {
  const taken = new Set((compose?.project.services ?? []).flatMap((service) => service.hostPorts));
  let next = FIRST_PORT;
  return drafts.map(({ source, explicit, ...rest }) => {
    while (taken.has(next)) next += 1;
    const port = next;
    next += 1;
    const pathMappings = explicit
      ? { pathMappings: rest.mappings.map(({ local, remote }) => ({ local: relativePath(root, local), remote })) }
      : {};
    return { ...rest, input: inputOf(source, port, pathMappings) };
  });
}

function inputOf(
  source: Draft['source'],
  port: number,
  more: { pathMappings?: { local: string; remote: string }[] },
): Proposal['input'] {
  if ('command' in source) {
    const [program, ...args] = source.command;
    return { command: [program, ...args], port, ...more };
  }
  if ('process' in source) return { process: source.process, port, ...more };
  if ('kubernetes' in source) return { kubernetes: source.kubernetes, port, ...more };
  if (source.docker === undefined) throw new TypeError('a draft without a source');
  return { docker: source.docker, port, ...more };
}

/** `.`, `./services/web`. */
export function relativePath(root: string, path: string): string {
  const short = relative(root, path).replaceAll('\\', '/');
  if (short === '') return '.';
  return short.startsWith('.') ? short : `./${short}`;
}
