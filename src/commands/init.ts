// Owns `wand init`: looks at the project, shows what it found, and writes a config and what the editors need. Never
// overwrites a config, asks on a terminal, and changes nothing without a yes.
import { join, relative } from 'node:path';
import { findConfig } from '../config/find.ts';
import { loadConfigFile } from '../config/load.ts';
import { FIRST_PORT } from '../core/target-defaults.ts';
import { DebugwandError, messageOf } from '../lib/errors.ts';
import { printable } from '../lib/printable.ts';
import { editorsOf } from './editor-names.ts';
import type { InitIo } from './init-io.ts';
import { type Findings, lookAtProject, RUNNERS } from './init-look.ts';
import { offer, offerEditors, type OfferOptions } from './init-offer.ts';
import { launchTargets, type Proposal, propose } from './init-propose.ts';
import { skaffoldAdvice } from './init-skaffold.ts';
import { offerStart, type Ready, type StartOptions, wandIn } from './init-start.ts';
import { configText } from './init-text.ts';
import { tiltAdvice } from './init-tilt.ts';

export interface InitOptions extends OfferOptions, StartOptions {}

/** So many ports are looked at for free ones. */
const PORTS = 40;
/** An engine that does not answer must not hold up the rest, ms. */
const CONTAINERS_BUDGET_MS = 5_000;

/**
 * Exit code 0, also when there was nothing to do; that of `wand watch` when it was started.
 * @throws DebugwandError `nothing-found`, `config-invalid`, `usage`, `command-not-found`
 */
export async function initCommand(options: InitOptions, io: InitIo): Promise<number> {
  editorsOf(options.editor ?? []);
  const existing = await findConfig(io.cwd);
  if (existing !== null) return await initLaunch(existing, options, io);
  const findings = await look(io);
  const { targets, notes } = propose(findings);
  show(findings, targets, notes, io);
  if (targets.length === 0) throw nothingFound(findings, io);
  const chosen = await choose(targets, options, io);
  if (chosen.length === 0) {
    io.print('nothing was written');
    return 0;
  }
  const file = join(findings.root, 'debugwand.config.ts');
  const text = configText(chosen);
  const what = `write ${relative(io.cwd, file)}`;
  const written = await offer({ file, before: null, text, what, preview: text }, options, io);
  const launch = chosen.map(({ name, input, mappings }) => ({ name, port: input.port, mappings }));
  await offerEditors(findings.root, launch, options, io);
  const names = chosen.map(({ name }) => name);
  advise(findings, names, io);
  return await end(written ? { root: findings.root, file } : null, options, io);
}

/** What was written is read again: what starts is what is there. */
async function end(written: Pick<Ready, 'root' | 'file'> | null, options: InitOptions, io: InitIo): Promise<number> {
  if (written === null) {
    const wand = wandIn(io.env);
    io.print(io.ask === null ? `nothing was written: \`${wand} init --yes\` does it` : 'no config was written');
    return 0;
  }
  const { targets } = await loadConfigFile(written.file, new AbortController().signal);
  return await offerStart({ ...written, targets }, options, io);
}

/** A config is there: it stays, and the editors get what they lack. */
async function initLaunch(file: string, options: InitOptions, io: InitIo): Promise<number> {
  io.print(`${relative(io.cwd, file) || file} is there already and stays as it is`);
  const config = await loadConfigFile(file, new AbortController().signal);
  const findings = await look({ ...io, cwd: config.root });
  await offerEditors(config.root, launchTargets(config.targets, findings), options, io);
  const names = config.targets.map(({ name }) => name);
  advise(findings, names, io);
  return await offerStart({ root: config.root, file, targets: config.targets }, options, io);
}

async function look(io: InitIo): Promise<Findings> {
  const listed = io.listContainers(AbortSignal.timeout(CONTAINERS_BUDGET_MS)).then(
    (containers) => ({ containers, noContainers: null }),
    (error: unknown) => ({ containers: [], noContainers: messageOf(error) }),
  );
  const [found, takenPorts] = await Promise.all([lookAtProject(io.cwd, io.env), io.portsTaken(FIRST_PORT, PORTS)]);
  const runners = new Set(RUNNERS.filter((name) => io.whyNotRunnable(name, io.cwd) === null));
  return { ...found, takenPorts, runners, ...(await listed) };
}

/** What another tool's own files should say; they are not ours to write. */
function advise({ top }: Findings, names: readonly string[], io: InitIo): void {
  for (const line of [...skaffoldAdvice(top), ...tiltAdvice(top, names)]) io.print(line);
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
    counted(sources.length, 'Python file'),
    noContainers === null ? counted(containers.length, 'running container') : `no containers (${noContainers})`,
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

function nothingFound({ root }: Findings, { env }: InitIo): DebugwandError {
  const wand = wandIn(env);
  return new DebugwandError({
    code: 'nothing-found',
    message: `there is nothing in ${root} that looks like a Python app: no Compose service, no running container, no app`,
    fix: `go to the project, or start its container first; or do without a config: \`${wand} watch -- python app.py\`, \`${wand} debug --container NAME\``,
  });
}

function counted(count: number, what: string): string {
  return `${String(count)} ${what}${count === 1 ? '' : 's'}`;
}
