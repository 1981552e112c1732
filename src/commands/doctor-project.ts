// Owns what `wand doctor` checks of the project: config, daemon, ports, launch.json, targets.
import { existsSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { loadConfig } from '../config/load.ts';
import type { ProjectConfig, TargetConfig } from '../core/types.ts';
import { askDaemon } from '../daemon/control-client.ts';
import { lockHolder, type LockHolder } from '../daemon/lock.ts';
import { NOBODY, portFix, portOwner } from '../dap/port-owner.ts';
import { DebugwandError } from '../lib/errors.ts';
import { lockPath, socketPath } from '../lib/paths.ts';
import { failed, ok, skip, warn, type Check, type Mend } from './doctor-check.ts';
import { daemonAt, endProcess, type ForeignDaemon } from './doctor-leftovers.ts';
import { pythonCheck } from './doctor-python.ts';
import { targetCheck } from './doctor-target.ts';
import { isPortFree } from './free-port.ts';
import { lookAtProject } from './init-look.ts';
import { launchTargets } from './init-propose.ts';
import { readOrNull, writeChange } from './init-offer.ts';
import { launchState } from './launch-mend.ts';

/** How long one cluster may take to answer, ms. */
const LOOK_BUDGET_MS = 10_000;

export interface Place {
  readonly cwd: string;
  /** As the user named it. */
  readonly file: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}

export async function* projectChecks({ cwd, file, env }: Place): AsyncGenerator<Check> {
  let config: ProjectConfig;
  try {
    config = await loadConfig({ cwd, file }, new AbortController().signal);
    yield ok('config', `${config.file ?? 'none'}, ${String(config.targets.length)} target(s)`);
  } catch (error) {
    yield failed('config', error);
    if (error instanceof DebugwandError && error.code === 'config-missing') yield* pythonCheck(null, cwd);
    return;
  }
  yield* pythonCheck(config.targets, cwd);
  const holder = await lockHolder(lockPath(config.root));
  yield await daemonCheck(config.root, holder);
  yield await launchCheck(config, env);
  for (const target of config.targets) {
    yield await portCheck(target, config.root, holder);
    for (const { local, remote } of target.pathMappings) {
      if (isFolder(local)) continue;
      const fix = `mend \`pathMappings\` of ${target.name}: breakpoints below ${remote} are not found`;
      yield warn(`path mapping of ${target.name}`, `there is no folder ${local}`, fix);
    }
    if (target.source.kind === 'kubernetes') {
      const { kubernetesChecks } = await import('./doctor-kubernetes.ts');
      const budget = AbortSignal.timeout(LOOK_BUDGET_MS);
      if (!(yield* kubernetesChecks(target.name, target.source, config.file, budget))) continue;
    }
    yield await targetCheck(target, config.root);
  }
}

async function daemonCheck(root: string, holder: LockHolder | null): Promise<Check> {
  if (holder === null) return skip('daemon', 'not running');
  const { pid } = holder;
  try {
    await askDaemon(socketPath(root), { command: 'status' });
    return ok('daemon', `running, pid ${String(pid)}`);
  } catch {
    const error = new DebugwandError({
      code: 'daemon-hangs',
      message: `the daemon (pid ${String(pid)}) runs, but does not answer`,
      fix: `end it: \`kill ${String(pid)}\`, and \`kill -9 ${String(pid)}\` if that does not help; the app runs on within 5 s`,
    });
    return failed('daemon', error, ending(holder, 'the daemon that does not answer'));
  }
}

function ending(one: LockHolder, who: string, personal = false): Mend {
  return { what: `stop ${who} (pid ${String(one.pid)})`, personal, run: (signal) => endProcess(one, signal) };
}

async function launchCheck(config: ProjectConfig, env: NodeJS.ProcessEnv): Promise<Check> {
  const name = 'VS Code';
  const { root, targets } = config;
  const file = join(root, '.vscode', 'launch.json');
  // Who uses another editor needs none.
  if (!existsSync(dirname(file)) && env['TERM_PROGRAM'] !== 'vscode') {
    return skip(name, 'is not used in this project; `wand init` writes what it, or another editor, needs');
  }
  const findings = await lookAtProject(root, env);
  const nowhere = { containers: [], noContainers: null, takenPorts: new Set<number>(), runners: new Set<string>() };
  const before = await readOrNull(file);
  const state = launchState(before, root, launchTargets(targets, { ...findings, ...nowhere }), isFolder);
  if ('error' in state)
    return warn(name, `${file} cannot be read: ${state.error}`, 'mend it, then `wand init` adds what it lacks');
  if (state.faults.length === 0) return ok(name, 'launch.json attaches to every target');
  const what = `mend ${relative(root, file)}: ${state.faults.join('; ')}`;
  return warn(
    name,
    `launch.json: ${state.faults.join('; ')}`,
    '`wand doctor --fix` writes it; comments and other entries stay',
    {
      what,
      personal: false,
      run: () => writeChange({ file, before, text: state.text }),
    },
  );
}

/** `daemon`: the project's own. */
async function portCheck(target: TargetConfig, root: string, daemon: LockHolder | null): Promise<Check> {
  const name = `port ${String(target.port)} of ${target.name}`;
  if (await isPortFree(target.port)) return ok(name, 'free');
  const owner = portOwner(target.port);
  const pid = owner?.pid ?? null;
  if (daemon !== null && (pid === null || pid === daemon.pid)) return ok(name, 'held by the running daemon');
  const holder = pid === null ? null : await daemonAt(pid);
  const otherwise = `set another \`port\` for ${target.name}`;
  if (holder !== null) return heldByWand(name, holder, root, otherwise);
  const who = pid === null ? 'another process' : `${owner?.command ?? 'process'} (pid ${String(pid)})`;
  // As the daemon says it: what forwards ports for the same app is told to leave ours alone, not ended.
  const fix = `${portFix(owner ?? NOBODY, target.port)}, or ${otherwise}`;
  return { name, state: 'fail', detail: `held by ${who}`, fix, mend: null };
}

/** One of this project whose lock was swept away, or whose project is gone, is of no use to anybody. */
function heldByWand(name: string, holder: ForeignDaemon, root: string, otherwise: string): Check {
  const { folder, isGone, isReached, pid } = holder;
  const isOurs = !isReached && (folder === root || folder.startsWith(`${root}/`));
  const whose = isOurs
    ? 'of this project, which no command reaches any more'
    : isGone
      ? 'whose project is gone'
      : `of ${folder}`;
  const error = new DebugwandError({
    code: 'port-of-wand',
    message: `held by a wand ${whose} (pid ${String(pid)})`,
    fix: isOurs || isGone ? `kill ${String(pid)}` : `\`wand stop\` in ${folder}, or ${otherwise}`,
  });
  return failed(name, error, ending(holder, `the wand ${whose}`, !isOurs && !isGone));
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
