// Owns what `wand doctor` checks of the machine, whatever the project: Node.js, rights, folders, debugpy, leftovers.
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { debugpyState, fetchDebugpy } from '../agent/debugpy.ts';
import { DebugwandError } from '../lib/errors.ts';
import { runtimeDir } from '../lib/paths.ts';
import { notificationState } from '../ui/notify.ts';
import { failed, ok, skip, warn, type Check } from './doctor-check.ts';
import { endProcess, leftAgents, removeLeftFiles, leftFiles } from './doctor-leftovers.ts';

export async function* machineChecks(env: NodeJS.ProcessEnv): AsyncGenerator<Check> {
  yield ok('Node.js', process.versions.node);
  yield platform();
  yield runtime();
  yield await debugpy();
  yield notifications(env);
  yield await files();
  yield await agents();
}

function platform(): Check {
  const name = 'processes of this machine';
  if (process.platform !== 'linux') {
    return skip(name, `need Linux, this is ${process.platform}: containers work, local targets do not`);
  }
  const scope = readText('/proc/sys/kernel/yama/ptrace_scope');
  if (scope !== null && Number(scope) > 0 && process.getuid?.() !== 0) {
    return warn(
      name,
      `kernel.yama.ptrace_scope is ${scope.trim()}: processes of this machine cannot be entered without more rights`,
      '`sudo sysctl kernel.yama.ptrace_scope=0`, or run wand as root; containers are not affected',
    );
  }
  return ok(name, 'their memory may be entered');
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
    const { text, isHere } = await debugpyState();
    if (isHere) return ok('debugpy', text);
    const what = 'fetch debugpy into the cache';
    const fix = 'nothing, if you are online when you debug first; `wand doctor --fix` does it now';
    return warn('debugpy', text, fix, { what, personal: false, run: fetchDebugpy });
  } catch (error) {
    return failed('debugpy', error);
  }
}

function notifications(env: NodeJS.ProcessEnv): Check {
  const reason = notificationState(env);
  return reason === null
    ? ok('notifications', 'can be sent; `wand notify --test` shows one of each kind')
    : skip('notifications', `none: ${reason}`);
}

/** A daemon that is killed cannot tidy up; the next one of its project does. */
async function files(): Promise<Check> {
  const name = 'files of daemons';
  const left = await leftFiles();
  if (left.length === 0) return ok(name, 'none is left of one that ended');
  const what = `remove ${left.length === 1 ? 'a file' : `${String(left.length)} files`} of daemons that were killed`;
  return warn(name, `left of daemons that were killed: ${left.join(', ')}`, 'nothing reads them: remove them', {
    what,
    personal: false,
    run: () => removeLeftFiles(left),
  });
}

/** An agent leaves by itself when its daemon is gone, unless it is frozen or hangs. */
async function agents(): Promise<Check> {
  const name = 'agents on this machine';
  const left = await leftAgents();
  if (left.length === 0) return ok(name, 'none without its daemon');
  const each = left.map(({ pid }) => String(pid));
  const pids = each.join(', ');
  const what = `end the agents ${pids}, whose daemon is gone`;
  return warn(name, `without their daemon: ${pids}`, `kill ${each.join(' ')}`, {
    what,
    personal: false,
    run: async (signal) => {
      for (const agent of left) await endProcess(agent, signal);
    },
  });
}
