// Owns `wand doctor`: every requirement checked, each failure with its fix. Changes nothing.
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { debugpyState } from '../agent/debugpy.ts';
import { loadConfig } from '../config/load.ts';
import type { ProjectConfig, TargetConfig } from '../core/types.ts';
import { lockHolder } from '../daemon/lock.ts';
import { look } from '../daemon/one-shot.ts';
import { portOwner } from '../dap/port-owner.ts';
import { DebugwandError } from '../lib/errors.ts';
import { silentLog } from '../lib/log.ts';
import { lockPath, runtimeDir } from '../lib/paths.ts';
import { whyNotRunnable } from '../targets/runnable.ts';
import { notificationState } from '../ui/notify.ts';
import { outputStyle } from '../ui/style.ts';
import { failed, ok, skip, type Check } from './doctor-check.ts';

export interface DoctorOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** How long one target may take to show itself, ms. */
const LOOK_BUDGET_MS = 10_000;

/** Exit code 1 if one check fails. */
export async function doctorCommand(options: DoctorOptions): Promise<number> {
  const checks: Check[] = [];
  const style = outputStyle(process.stdout, process.env);
  const mark = style.unicode
    ? { ok: '✓', warn: '!', fail: '✗', skip: '-' }
    : { ok: 'ok', warn: '!', fail: 'x', skip: '-' };
  for await (const check of runChecks(options)) {
    checks.push(check);
    if (options.json === true) continue;
    process.stdout.write(`${mark[check.state]} ${check.name}: ${check.detail}\n`);
    if (check.fix !== null) process.stdout.write(`    fix: ${check.fix}\n`);
  }
  const failed = checks.some((check) => check.state === 'fail');
  if (options.json === true) process.stdout.write(`${JSON.stringify({ version: 1, ok: !failed, checks }, null, 2)}\n`);
  return failed ? 1 : 0;
}

async function* runChecks(options: DoctorOptions): AsyncGenerator<Check> {
  yield ok('Node.js', process.versions.node);
  yield platform();
  yield runtime();
  yield await debugpy();
  yield notifications();
  let config: ProjectConfig;
  try {
    config = await loadConfig({ cwd: process.cwd(), file: options.config }, new AbortController().signal);
    yield ok('config', `${config.file ?? 'none'}, ${String(config.targets.length)} target(s)`);
  } catch (error) {
    yield failed('config', error);
    return;
  }
  const holder = await lockHolder(lockPath(config.root));
  yield holder === null ? skip('daemon', 'not running') : ok('daemon', `running, pid ${String(holder.pid)}`);
  for (const target of config.targets) {
    yield await portCheck(target, holder !== null);
    if (target.source.kind === 'kubernetes') {
      const { kubernetesChecks } = await import('./doctor-kubernetes.ts');
      const budget = AbortSignal.timeout(LOOK_BUDGET_MS);
      if (!(yield* kubernetesChecks(target.name, target.source, budget))) continue;
    }
    yield await targetCheck(target, config.root);
  }
}

function platform(): Check {
  if (process.platform !== 'linux') {
    return skip(
      'processes of this machine',
      `need Linux, this is ${process.platform}: containers work, local targets do not`,
    );
  }
  const scope = readText('/proc/sys/kernel/yama/ptrace_scope');
  if (scope !== null && Number(scope) > 0 && process.getuid?.() !== 0) {
    return {
      name: 'processes of this machine',
      state: 'warn',
      detail: `kernel.yama.ptrace_scope is ${scope.trim()}: processes of this machine cannot be entered without more rights`,
      fix: '`sudo sysctl kernel.yama.ptrace_scope=0`, or run wand as root; containers are not affected',
    };
  }
  return ok('processes of this machine', 'their memory may be entered');
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function runtime(): Check {
  try {
    const path = runtimeDir();
    accessSync(path, constants.W_OK);
    const open = (statSync(path).mode & 0o077) !== 0;
    if (!open) return ok('runtime directory', path);
    throw new DebugwandError({
      code: 'runtime-dir-open',
      message: `${path} can be entered by others`,
      fix: `chmod 700 ${path}`,
    });
  } catch (error) {
    return failed('runtime directory', error);
  }
}

async function debugpy(): Promise<Check> {
  try {
    return ok('debugpy', await debugpyState());
  } catch (error) {
    return failed('debugpy', error);
  }
}

function notifications(): Check {
  const reason = notificationState(process.env);
  return reason === null
    ? ok('notifications', 'can be sent; `wand notify --test` shows one of each kind')
    : skip('notifications', `none: ${reason}`);
}

async function portCheck(target: TargetConfig, running: boolean): Promise<Check> {
  const name = `port ${String(target.port)} of ${target.name}`;
  const free = await new Promise<boolean>((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(false);
    });
    probe.listen(target.port, '127.0.0.1', () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
  if (free) return ok(name, 'free');
  if (running) return ok(name, 'held by the running daemon');
  const owner = portOwner(target.port);
  const pid = owner?.pid ?? null;
  const who = pid === null ? 'another process' : `${owner?.command ?? 'process'} (pid ${String(pid)})`;
  return { name, state: 'fail', detail: `held by ${who}`, fix: `end it, or set another \`port\` for ${target.name}` };
}

async function targetCheck(target: TargetConfig, root: string): Promise<Check> {
  const name = `target ${target.name}`;
  if ('command' in target.source) {
    const { command, cwd } = target.source;
    const problem = whyNotRunnable(command[0] ?? '', cwd);
    return problem === null ? skip(name, 'its command is started by `wand watch`') : failed(name, problem);
  }
  const abort = new AbortController();
  const timer = setTimeout(() => {
    abort.abort();
  }, LOOK_BUDGET_MS);
  try {
    const view = await look(target, silentLog(), root, null, abort.signal);
    try {
      const { chosen, why } = view.classification;
      if (chosen === null) {
        return {
          name,
          state: 'warn',
          detail: why,
          fix: 'start the app, or set `process` in the config; see `wand ps`',
        };
      }
      const python = chosen.python?.version ?? 'no';
      if (chosen.python?.remoteDebug === 'on') {
        return ok(name, `worker ${String(chosen.pid)} in ${view.replica.name}, Python ${python}: ${chosen.reason}`);
      }
      const off = chosen.python?.remoteDebug === 'off';
      return {
        name,
        state: chosen.python?.remoteDebug === null ? 'warn' : 'fail',
        detail: `worker ${String(chosen.pid)} runs Python ${python}${off ? ' with remote debugging switched off' : ''}`,
        fix: off ? 'start it without PYTHON_DISABLE_REMOTE_DEBUG' : 'run it with Python 3.14 or later',
      };
    } finally {
      await view.close();
    }
  } catch (error) {
    return failed(name, error);
  } finally {
    clearTimeout(timer);
  }
}
