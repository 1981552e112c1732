// Owns the proposal of `wand init`: from what was found to targets, each with its reason. Pure.
import { basename, relative, resolve } from 'node:path';
import { FIRST_PORT } from '../core/target-defaults.ts';
import type { PathMapping, TargetConfig } from '../core/types.ts';
import type { KubernetesInput, TargetInput } from '../config/input.ts';
import { findApps, runsPython } from './init-app.ts';
import type { ComposeService } from './init-compose.ts';
import type { DockerfileFacts } from './init-dockerfile.ts';
import { isPythonWorkload, type ManifestWorkload } from './init-manifests.ts';
import { dockerfileOf, type Findings, type RunningContainer } from './init-look.ts';
import { infer, mappingsOf } from './init-mappings.ts';
import { containerNotes, dockerfileNotes, serviceNotes, workloadNote } from './init-notes.ts';
import { matchOf } from './init-running.ts';

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
  notes.push(...ofProject.flatMap(containerNotes));
  if (drafts.some(({ source }) => 'command' in source))
    notes.push(...dockerfileNotes(findings), ...celeryNotes(drafts));
  return { targets: withPorts(unique(drafts), findings), notes };
}

function fromService(service: ComposeService, findings: Findings): Draft {
  const { root, compose, containers, sources } = findings;
  const project = compose?.project.name ?? '';
  const running = containers.find((c) => c.compose?.project === project && c.compose.service === service.name);
  const image = dockerfileOf(service, findings);
  const workingDir = running?.workingDir ?? service.workingDir ?? image?.workdir ?? null;
  const mounts = service.mounts.map((mount) => ({ ...mount, source: resolve(root, mount.source) }));
  const context = service.build === null ? root : resolve(root, service.build.context);
  const state = running === undefined ? '' : ', runs now';
  return {
    name: service.name,
    source: { docker: { compose: { project, service: service.name } } },
    because: `Compose service ${service.name} (${compose?.files.join(', ') ?? ''})${state}`,
    ...mappingsOf({ root, context, workingDir, mounts, copies: image?.copies ?? [], sources }),
  };
}

function fromContainer(container: RunningContainer, findings: Findings): Draft {
  const { compose, name, image, workingDir, mounts } = container;
  const { root, sources } = findings;
  const source = compose === null ? { docker: { container: name } } : { docker: { compose } };
  const [file, built] = builtFrom(container, findings) ?? [null, null];
  const what = file === null ? `image ${image}` : `built from ${file}`;
  return {
    name: compose?.service ?? name,
    source,
    because:
      compose === null ? `container ${name} (${what}), runs now` : `Compose service ${compose.service}, runs now`,
    ...mappingsOf({ root, context: root, workingDir, mounts, copies: built?.copies ?? [], sources }),
  };
}

/** The Dockerfile that says what this container does: its command, and where. */
function builtFrom(
  { workingDir, command }: RunningContainer,
  { dockerfiles }: Findings,
): readonly [string, DockerfileFacts] | null {
  // The form for a shell is run by one.
  const words = command[0] === '/bin/sh' && command[1] === '-c' ? (command[2] ?? '').split(/\s+/) : command;
  const isIt = (facts: DockerfileFacts): boolean =>
    facts.command.length > 0 &&
    (facts.workdir ?? '/') === (workingDir === '' ? '/' : workingDir) &&
    facts.command.join(' ') === words.join(' ').replace(/^exec /, '');
  return [...dockerfiles].find(([, facts]) => isIt(facts)) ?? null;
}

function pythonWorkloads({ workloads, dockerfiles }: Findings): readonly ManifestWorkload[] {
  const builds = [...dockerfiles.values()].some(({ python, command }) => python !== null || runsPython(command));
  return workloads.filter((workload) => isPythonWorkload(workload, builds));
}

function fromWorkload({ kind, name, namespace, file, workingDir }: ManifestWorkload, findings: Findings): Draft {
  const { root, sources } = findings;
  const [image] = findings.dockerfiles.values();
  const copies = image?.copies ?? [];
  const place = namespace === null ? {} : { namespace };
  return {
    name,
    source: { kubernetes: { ...named(kind, name), ...place } },
    because: `${kind} ${name} (${file})`,
    ...mappingsOf({
      root,
      context: root,
      workingDir: workingDir ?? image?.workdir ?? null,
      mounts: [],
      copies,
      sources,
    }),
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

function fromThisMachine({ root, sources, bin, running, runners, top, requirements }: Findings): Draft[] {
  if (running.length > 0) {
    return running.map(({ words }) => ({
      name: basename(words[0] ?? 'app', '.py'),
      source: { process: { match: matchOf(words) } },
      because: `runs now in this folder: ${words.join(' ')}`,
      mappings: [],
      explicit: false,
    }));
  }
  const runner = runnerOf(top);
  // Without the program that keeps it, its environment is still there.
  const isUsed = runner !== null && (bin === '' || runners.has(runner));
  const how = isUsed ? { runner: [runner, 'run'], bin: '' } : { runner: [], bin };
  const folder = root.split(/[\\/]/).at(-1) ?? '';
  return findApps({ files: sources, requirements, ...how }).map(({ command, because, role }) => ({
    name: role === 'web' ? folder : 'worker',
    source: { command },
    because,
    mappings: [],
    explicit: false,
  }));
}

function runnerOf(top: ReadonlySet<string>): string | null {
  const locks = { 'uv.lock': 'uv', 'poetry.lock': 'poetry', 'pdm.lock': 'pdm', 'Pipfile.lock': 'pipenv' };
  return Object.entries(locks).find(([file]) => top.has(file))?.[1] ?? null;
}

function isPython(service: ComposeService, findings: Findings): boolean {
  if (runsPython(service.command)) return true;
  const image = dockerfileOf(service, findings);
  const isPythonImage = (image?.python ?? null) !== null || /(^|\/)python(:|$)/.test(service.image ?? '');
  return isPythonImage || (service.command.length === 0 && runsPython(image?.command ?? []));
}

/** It mounts something of the project, does what its Dockerfile says, or has its folder's name. */
function isOfProject(container: RunningContainer, findings: Findings): boolean {
  const { root } = findings;
  if (infer(root, null, container.mounts).length > 0) return true;
  if (container.compose === null && builtFrom(container, findings) !== null) return true;
  const folder = (root.split(/[\\/]/).at(-1) ?? '').toLowerCase();
  const image =
    container.image
      .replace(/:[^/]*$/, '')
      .split('/')
      .at(-1) ?? '';
  return isForeignPython(container) && [container.name, image].some((name) => name.toLowerCase() === folder);
}

/** What a Compose project of somebody else runs is not ours to propose. */
function isForeignPython({ compose, command }: RunningContainer): boolean {
  return compose === null && runsPython(command.flatMap((word) => word.split(/\s+/)));
}

function celeryNotes(drafts: readonly Draft[]): string[] {
  return drafts
    .filter(({ source }) => 'command' in source && source.command.some((word) => /(^|\/)celery$/.test(word)))
    .map(({ name }) => `celery does not reload by itself: after a change of its code \`wand restart ${name}\``);
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

/**
 * Written down, so that launch.json and the config agree; ports that Compose publishes are not ours to take, nor those that
 * somebody has now: the wand of another project.
 */
function withPorts(drafts: readonly Draft[], { root, compose, takenPorts }: Findings): Proposal[] {
  const taken = new Set(takenPorts);
  for (const { hostPorts } of compose?.project.services ?? []) for (const port of hostPorts) taken.add(port);
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

/** The targets of a config as launch.json names them; mappings that it leaves out are those that would be proposed. */
export function launchTargets(
  targets: readonly TargetConfig[],
  findings: Findings,
): { readonly name: string; readonly port: number; readonly mappings: readonly PathMapping[] }[] {
  const guesses = propose(findings).targets;
  return targets.map(({ name, port, pathMappings }) => {
    const guess = guesses.find((proposal) => proposal.name === name);
    return { name, port, mappings: pathMappings.length > 0 ? pathMappings : (guess?.mappings ?? []) };
  });
}
