// Owns `wand init`: looks at the project, shows what it found, and writes a config and what the editors need. Never
// overwrites a config, asks on a terminal, and changes nothing without a yes.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { findConfig } from '../config/find.ts';
import { loadConfigFile } from '../config/load.ts';
import { DebugwandError, messageOf } from '../lib/errors.ts';
import { printable } from '../lib/printable.ts';
import { type EditorName, editorsOf } from './editor-names.ts';
import { editorSetup } from './init-editors.ts';
import { type Findings, lookAtProject, type RunningContainer } from './init-look.ts';
import { type Proposal, propose } from './init-propose.ts';
import { skaffoldAdvice } from './init-skaffold.ts';
import { configText, launchEntry, launchText, type LaunchTarget } from './init-text.ts';

export interface InitOptions {
  readonly yes?: boolean;
  /** What to configure: VS Code when none is named. */
  readonly editor?: readonly string[];
}

/** The world of `wand init`; tests bring their own. */
export interface InitIo {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly print: (line: string) => void;
  /** Asks, and gives the answer without spaces around it; null: there is nobody to ask. */
  readonly ask: ((question: string) => Promise<string>) | null;
  readonly listContainers: (signal: AbortSignal) => Promise<readonly RunningContainer[]>;
}

/** An engine that does not answer must not hold up the rest, ms. */
const CONTAINERS_BUDGET_MS = 5_000;

/** Exit code 0, also when there was nothing to do. @throws DebugwandError `nothing-found`, `config-invalid`, `usage` */
export async function initCommand(options: InitOptions, io: InitIo = processIo()): Promise<number> {
  editorsOf(options.editor ?? []);
  const existing = await findConfig(io.cwd);
  if (existing !== null) return await initLaunch(existing, options, io);
  const findings = await look(io);
  const { targets, notes } = propose(findings);
  show(findings, targets, notes, io);
  if (targets.length === 0) throw nothingFound(findings);
  const chosen = await choose(targets, options, io);
  if (chosen.length === 0) {
    io.print('nothing was written');
    return 0;
  }
  const file = join(findings.root, 'debugwand.config.ts');
  const text = configText(chosen);
  await offer({ file, text, what: `write ${relative(io.cwd, file)}`, preview: text }, options, io);
  const launch = chosen.map(({ name, input, mappings }) => ({ name, port: input.port, mappings }));
  await offerEditors(findings.root, launch, options, io);
  advise(findings, io);
  end(options, io, 'next: `wand watch`, then attach your editor to 127.0.0.1:' + String(chosen[0]?.input.port ?? ''));
  return 0;
}

/** A config is there: it stays, and the editors get what they lack. */
async function initLaunch(file: string, options: InitOptions, io: InitIo): Promise<number> {
  io.print(`${relative(io.cwd, file) || file} is there already and stays as it is`);
  const config = await loadConfigFile(file, new AbortController().signal);
  const findings = await look({ ...io, cwd: config.root });
  const guesses = propose(findings).targets;
  const launch = config.targets.map(({ name, port, pathMappings }): LaunchTarget => {
    const guess = guesses.find((proposal) => proposal.name === name);
    return { name, port, mappings: pathMappings.length > 0 ? pathMappings : (guess?.mappings ?? []) };
  });
  await offerEditors(config.root, launch, options, io);
  advise(findings, io);
  end(options, io, 'next: `wand watch`');
  return 0;
}

async function look(io: InitIo): Promise<Findings> {
  const listed = io.listContainers(AbortSignal.timeout(CONTAINERS_BUDGET_MS)).then(
    (containers) => ({ containers, noContainers: null }),
    (error: unknown) => ({ containers: [], noContainers: messageOf(error) }),
  );
  return { ...(await lookAtProject(io.cwd, io.env)), ...(await listed) };
}

/** What another tool's own files should say; they are not ours to write. */
function advise({ top }: Findings, io: InitIo): void {
  for (const line of skaffoldAdvice(top)) io.print(line);
}

function show(findings: Findings, targets: readonly Proposal[], notes: readonly string[], io: InitIo): void {
  const { compose, dockerfiles, containers, noContainers, sources } = findings;
  const found = [
    ...(compose === null ? [] : [`${compose.files.join(', ')} (project ${compose.project.name})`]),
    ...[...dockerfiles.keys()].filter((name) => !name.includes('#')),
    ...['pyproject.toml', 'requirements.txt', 'uv.lock', 'poetry.lock', 'manage.py'].filter((name) =>
      findings.top.has(name),
    ),
    ...new Set(findings.workloads.map(({ file }) => file)),
    `${String(sources.length)} Python files`,
    noContainers === null ? `${String(containers.length)} running containers` : `no containers (${noContainers})`,
  ];
  io.print(`looked at ${findings.root}: ${printable(found.join(', '))}`);
  for (const { name, because, input, mappings } of targets) {
    const source = input.command === undefined ? '' : `: ${input.command.join(' ')}`;
    io.print(printable(`  ${name}  port ${String(input.port)}  ${because}${source}`));
    for (const { local, remote } of mappings) io.print(printable(`      ${local} is ${remote} there`));
  }
  for (const note of notes) io.print(printable(`  note: ${note}`));
}

/** On a terminal, with several targets: which of them. */
async function choose(targets: readonly Proposal[], options: InitOptions, io: InitIo): Promise<readonly Proposal[]> {
  if (options.yes === true || io.ask === null || targets.length < 2) return targets;
  const names = targets.map(({ name }) => name);
  const answer = await io.ask(`which targets? (${names.join(', ')}; Enter: all; none) `);
  if (answer === '' || answer === 'all') return targets;
  const wanted = answer.split(/[\s,]+/);
  return targets.filter(({ name }) => wanted.includes(name));
}

interface Offer {
  readonly file: string;
  readonly text: string;
  /** What is done, as words of a question: `write x`. */
  readonly what: string;
  /** Shown where nobody can be asked. */
  readonly preview: string;
}

async function offer({ file, text, what, preview }: Offer, options: InitOptions, io: InitIo): Promise<void> {
  if (options.yes !== true && io.ask === null) {
    io.print(`would ${what}:`);
    for (const line of preview.trimEnd().split('\n')) io.print(`    ${line}`);
    return;
  }
  if (options.yes !== true && io.ask !== null) {
    const answer = await io.ask(`${what}? [Y/n] `);
    if (!/^(y|yes|)$/i.test(answer)) return;
  }
  await mkdir(dirname(file), { recursive: true });
  // A config that came up meanwhile is somebody's work; what belongs to an editor was merged.
  await writeFile(file, text, { flag: basename(file) === 'debugwand.config.ts' ? 'wx' : 'w' });
  io.print(`done: ${what}`);
}

async function offerEditors(
  root: string,
  targets: readonly LaunchTarget[],
  options: InitOptions,
  io: InitIo,
): Promise<void> {
  for (const editor of editorsOf(options.editor ?? [])) {
    if (editor === 'vscode') await offerLaunch(root, targets, options, io);
    else await offerEditor(editor, root, targets, options, io);
  }
}

/** A file of the project is written; what belongs into the user's own files or into a dialog is only shown. */
async function offerEditor(
  editor: Exclude<EditorName, 'vscode'>,
  root: string,
  targets: readonly LaunchTarget[],
  options: InitOptions,
  io: InitIo,
): Promise<void> {
  const { snippet, file } = editorSetup(editor, targets);
  const path = join(root, file?.path ?? '');
  const shown = relative(io.cwd, path);
  const change = file === null ? null : file.change(await readOrNull(path));
  if (change !== null && 'text' in change) {
    for (const name of change.present) io.print(`${shown} has ${JSON.stringify(name)} already, it stays as it is`);
    const what = `add ${change.added.map((name) => JSON.stringify(name)).join(', ')} to ${shown}`;
    if (change.added.length > 0)
      await offer({ file: path, text: change.text, what, preview: snippet.text }, options, io);
  } else {
    if (change !== null) io.print(`${shown} stays as it is (${change.error}): add this by hand`);
    io.print(`${snippet.where}:\n\n${snippet.text}`);
  }
  io.print(`then ${snippet.use}`);
}

async function readOrNull(file: string): Promise<string | null> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  });
}

async function offerLaunch(
  root: string,
  targets: readonly LaunchTarget[],
  options: InitOptions,
  io: InitIo,
): Promise<void> {
  const file = join(root, '.vscode', 'launch.json');
  const shown = relative(io.cwd, file);
  const change = launchText(await readOrNull(file), root, targets);
  const preview = targets.map((target) => JSON.stringify(launchEntry(target, root), null, 2)).join(',\n');
  if ('error' in change) {
    io.print(`${shown} cannot be read (${change.error}) and stays as it is; add this to its \`configurations\`:`);
    for (const line of preview.split('\n')) io.print(`    ${line}`);
    return;
  }
  for (const name of change.present) io.print(`${shown} has ${JSON.stringify(name)} already, it stays as it is`);
  if (change.added.length === 0) return;
  const what = `add ${change.added.map((name) => JSON.stringify(name)).join(', ')} to ${shown}`;
  await offer({ file, text: change.text, what, preview }, options, io);
}

function end(options: InitOptions, io: InitIo, next: string): void {
  io.print(options.yes === true || io.ask !== null ? next : 'nothing was written: `wand init --yes` does it');
}

function nothingFound({ root }: Findings): DebugwandError {
  return new DebugwandError({
    code: 'nothing-found',
    message: `there is nothing in ${root} that looks like a Python app: no Compose service, no running container, no app`,
    fix: 'go to the project, or start its container first; or do without a config: `wand watch -- python app.py`, `wand debug --container NAME`',
  });
}

function processIo(): InitIo {
  const { stdin, stdout } = process;
  const isInteractive = stdin.isTTY && stdout.isTTY;
  return {
    cwd: process.cwd(),
    env: process.env,
    print: (line) => {
      stdout.write(`${line}\n`);
    },
    ask: isInteractive ? (question) => askOnTerminal(question) : null,
    listContainers: async (signal) => {
      const { listRunning } = await import('../targets/docker-list.ts');
      return listRunning(null, signal);
    },
  };
}

/** Ctrl-C and Ctrl-D are a no, also to what would be asked after it. */
async function askOnTerminal(question: string): Promise<string> {
  const { stdin, stdout } = process;
  if (isAborted) return 'none';
  const lines = createInterface({ input: stdin, output: stdout });
  try {
    return (await lines.question(question)).trim();
  } catch {
    isAborted = true;
    stdout.write('\n');
    return 'none';
  } finally {
    lines.close();
  }
}

let isAborted = false;
