// Owns looking at a project's files for `wand init`. Reads only.
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { parseYaml } from '../lib/yaml.ts';
import type { SourceText } from './init-app.ts';
import { type ComposeProject, type ComposeService, readCompose } from './init-compose.ts';
import { findRunning, type RunningProgram } from './init-running.ts';
import { type DockerfileFacts, readDockerfile } from './init-dockerfile.ts';
import { type ManifestWorkload, readManifests } from './init-manifests.ts';

/** A container that runs now: what `src/targets/docker-list.ts` tells of it. */
export interface RunningContainer {
  readonly name: string;
  readonly image: string;
  readonly compose: { readonly project: string; readonly service: string } | null;
  readonly workingDir: string;
  readonly mounts: readonly { readonly source: string; readonly destination: string }[];
  /** Of its first process. */
  readonly command: readonly string[];
}

export interface Findings {
  readonly root: string;
  readonly dockerfiles: ReadonlyMap<string, DockerfileFacts>;
  readonly compose: { readonly files: readonly string[]; readonly project: ComposeProject } | null;
  readonly containers: readonly RunningContainer[];
  /** Python programs of this machine that run in the project's folder now. */
  readonly running: readonly RunningProgram[];
  /** Why containers could not be listed; null when they could. */
  readonly noContainers: string | null;
  readonly sources: readonly SourceText[];
  readonly workloads: readonly ManifestWorkload[];
  /** Names of files at the top: `uv.lock`, `pyproject.toml`, … */
  readonly top: ReadonlySet<string>;
  /** Folder of a virtual environment's programs, relative, with a slash at its end; empty: none. */
  readonly bin: string;
  /** Text of the files that say what the project needs. */
  readonly requirements: string;
  /** Those of `RUNNERS` that can be run here. */
  readonly runners: ReadonlySet<string>;
  /** Ports of this machine, from the first that wand would take, that somebody has. */
  readonly takenPorts: ReadonlySet<number>;
  /** What could not be read, in words. */
  readonly troubles: readonly string[];
}

const COMPOSE_FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml'];
const SKIPPED = new Set([
  'node_modules',
  '__pycache__',
  'site-packages',
  'venv',
  'env',
  'tests',
  'test',
  'docs',
  'migrations',
]);
/** They run a program in the project's own environment: `uv run`. */
export const RUNNERS = ['uv', 'poetry', 'pdm', 'pipenv'];
const MAX_FILES = 400;
const MAX_BYTES = 256 * 1024;
const MAX_DEPTH = 3;

/** Never throws for what is missing or broken: that is among `troubles`. */
export async function lookAtProject(
  root: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Omit<Findings, 'containers' | 'noContainers' | 'takenPorts' | 'runners'>> {
  const troubles: string[] = [];
  const top = new Set(await names(root));
  const compose = await lookAtCompose(root, top, env, troubles);
  const wanted = new Set([...top].filter((name) => /^Dockerfile(\.|$)|\.Dockerfile$/.test(name)));
  for (const service of compose?.project.services ?? []) {
    if (service.build !== null) wanted.add(dockerfilePath(root, service.build));
  }
  const dockerfiles = new Map<string, DockerfileFacts>();
  for (const name of wanted) {
    const text = await contents(resolve(root, name));
    const facts = text === null ? null : readDockerfile(text);
    if (facts !== null) dockerfiles.set(name, facts);
  }
  for (const service of compose?.project.services ?? []) {
    const { build } = service;
    if (build === null || build.target === null) continue;
    const text = await contents(resolve(root, dockerfilePath(root, build)));
    const facts = text === null ? null : readDockerfile(text, build.target);
    if (facts !== null) dockerfiles.set(dockerfileKey(root, build), facts);
  }
  const wants = [...top].filter((name) => /^(pyproject\.toml|Pipfile|requirements[\w.-]*\.(txt|in))$/.test(name));
  const [sources, bin, running, needs, manifests] = await Promise.all([
    textFiles(root, '.py'),
    programs(root),
    findRunning(root),
    Promise.all(wants.map((name) => contents(join(root, name)))),
    Promise.all(['.yaml', '.yml'].map((ending) => textFiles(root, ending))),
  ]);
  const workloads = readManifests(manifests.flat());
  const requirements = needs.join('\n');
  const found = { root, dockerfiles, compose, top, sources, workloads, bin, running, troubles };
  return { ...found, requirements };
}

/** Path of a service's Dockerfile below the project. */
function dockerfilePath(root: string, build: { readonly context: string; readonly dockerfile: string }): string {
  return relative(root, resolve(root, build.context, build.dockerfile))
    .split(sep)
    .join('/');
}

/** The key in `dockerfiles`: the path, and the stage that is built where it is not the last one. */
function dockerfileKey(
  root: string,
  build: { readonly context: string; readonly dockerfile: string; readonly target: string | null },
): string {
  const path = dockerfilePath(root, build);
  return build.target === null ? path : `${path}#${build.target}`;
}

/** What the image of a service is built by. */
export function dockerfileOf(service: ComposeService, { root, dockerfiles }: Findings): DockerfileFacts | undefined {
  return service.build === null ? undefined : dockerfiles.get(dockerfileKey(root, service.build));
}

async function lookAtCompose(
  root: string,
  top: ReadonlySet<string>,
  env: Readonly<Record<string, string | undefined>>,
  troubles: string[],
): Promise<Findings['compose']> {
  const main = COMPOSE_FILES.find((name) => top.has(name));
  if (main === undefined) return null;
  const override = main.replace(/(\.ya?ml)$/, '.override$1');
  const files = top.has(override) ? [main, override] : [main];
  const documents: unknown[] = [];
  for (const file of files) {
    const parsed = parseYaml((await contents(join(root, file))) ?? '');
    if ('error' in parsed) troubles.push(`${file}:${String(parsed.error.line ?? 1)}: ${parsed.error.message}`);
    else documents.push(parsed.value);
  }
  if (documents.length === 0) return null;
  return { files, project: readCompose(documents, basename(root), await variables(root, env)) };
}

/** Compose takes the environment first, then `.env`. */
async function variables(
  root: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const line of ((await contents(join(root, '.env'))) ?? '').split('\n')) {
    const match = /^\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*$/.exec(line);
    if (match?.[1] !== undefined) found.set(match[1], (match[2] ?? '').replace(/^(['"])(.*)\1$/, '$2'));
  }
  for (const [key, value] of Object.entries(env)) if (value !== undefined) found.set(key, value);
  return found;
}

/** Near ones first; a bounded number of files of a bounded size. */
async function textFiles(root: string, ending: string): Promise<SourceText[]> {
  const found: SourceText[] = [];
  let folders = [''];
  for (let depth = 0; depth < MAX_DEPTH && folders.length > 0; depth += 1) {
    const below: string[] = [];
    for (const folder of folders) {
      for (const entry of await entries(join(root, folder))) {
        const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
        if (entry.isDirectory() && !entry.name.startsWith('.') && !SKIPPED.has(entry.name)) below.push(path);
        if (!entry.isFile() || !entry.name.endsWith(ending) || found.length >= MAX_FILES) continue;
        const text = await contents(join(root, path));
        if (text !== null) found.push({ path, text });
      }
    }
    folders = below.slice(0, MAX_FILES);
  }
  return found;
}

async function programs(root: string): Promise<string> {
  for (const folder of ['.venv/bin/', 'venv/bin/', 'env/bin/', '.venv/Scripts/', 'venv/Scripts/']) {
    if ((await names(join(root, folder))).some((name) => name.startsWith('python'))) return folder;
  }
  return '';
}

async function contents(path: string): Promise<string | null> {
  try {
    return (await stat(path)).size > MAX_BYTES ? null : await readFile(path, 'utf8');
  } catch {
    return null;
  }
}

async function entries(path: string): Promise<{ name: string; isFile(): boolean; isDirectory(): boolean }[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch {
    return [];
  }
}

async function names(path: string): Promise<string[]> {
  return (await entries(path)).map(({ name }) => name).sort();
}
