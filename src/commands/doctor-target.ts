// Owns the look that `wand doctor` takes into a target: whether there is a worker, and whether it can be entered.
import type { TargetConfig } from '../core/types.ts';
import { look } from '../daemon/one-shot.ts';
import { silentLog } from '../lib/log.ts';
import { whyNotRunnable } from '../targets/runnable.ts';
import { failed, ok, skip, warn, type Check } from './doctor-check.ts';

/** How long one target may take to show itself, ms. */
const LOOK_BUDGET_MS = 10_000;

export async function targetCheck(target: TargetConfig, root: string): Promise<Check> {
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
        return warn(name, why, 'start the app, or set `process` in the config; see `wand ps`');
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
        mend: null,
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
