// Owns `--detach`: the daemon as a process of its own, and the wait until it answers.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { askDaemon } from '../daemon/control-client.ts';
import { lockHolder, type LockHolder } from '../daemon/lock.ts';
import { DebugwandError } from '../lib/errors.ts';
import { fields } from '../lib/fields.ts';
import { lockPath, logPath, socketPath } from '../lib/paths.ts';
import { pause } from '../lib/time.ts';

const START_BUDGET_MS = 15_000;
/** In the environment of the process in the background: it must not detach again. */
const DETACHED = 'WAND_DETACHED';

/** True in the background. Asked once: a command that wand starts there is not of its kind. */
export function isDetached(env: NodeJS.ProcessEnv): boolean {
  const detached = env[DETACHED] !== undefined;
  delete env[DETACHED];
  return detached;
}

/** The project's config as it is: whoever asks for that may share the daemon that has it. */
function isPlain(argv: readonly string[]): boolean {
  return argv.length === 2 && argv.includes('watch') && argv.includes('--detach');
}

async function runsConfig(root: string): Promise<boolean> {
  try {
    const report = await askDaemon(socketPath(root), { command: 'status' });
    return typeof fields(fields(report)['daemon'])['config'] === 'string';
  } catch {
    return false;
  }
}

/** The daemon that runs already, if it is what was asked for. @throws DebugwandError `already-running` */
async function share(running: LockHolder, argv: readonly string[], root: string): Promise<number> {
  // It may have taken the lock this moment, and not listen yet.
  const deadline = Date.now() + START_BUDGET_MS;
  while (Date.now() < deadline && !(await answers(root)) && (await lockHolder(lockPath(root))) !== null)
    await pause(50);
  if (isPlain(argv) && (await runsConfig(root))) {
    process.stdout.write(`wand runs in the background already (pid ${String(running.pid)}): that one is used\n`);
    return 0;
  }
  throw new DebugwandError({
    code: 'already-running',
    message: `wand is already running for ${root} (pid ${String(running.pid)})`,
    fix: 'use it as it is (`wand status`), or stop it first: `wand stop`',
  });
}

/** Starts `wand` again with the same arguments, in the background; resolves when its control socket answers. */
export async function detach(argv: readonly string[], root: string): Promise<number> {
  const running = await lockHolder(lockPath(root));
  if (running !== null) return share(running, argv, root);
  const output = `${logPath(root)}.${String(process.pid)}.out`;
  const file = openSync(output, 'w', 0o600);
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...argv], {
    detached: true,
    stdio: ['ignore', file, file],
    env: { ...process.env, [DETACHED]: '1' },
  });
  closeSync(file);
  let exit: number | null = null;
  child.once('exit', (code) => {
    exit = code ?? 1;
  });
  child.unref();
  try {
    const deadline = Date.now() + START_BUDGET_MS;
    while (Date.now() < deadline && exit === null) {
      if (await answers(root)) {
        const holder = await lockHolder(lockPath(root));
        // Two that start at once: one has the lock, the other one has left or is about to.
        if (holder !== null && holder.pid !== child.pid) return await share(holder, argv, root);
        process.stdout.write(
          `wand runs in the background (pid ${String(child.pid)}); see \`wand status\`, \`wand logs\`, \`wand stop\`\n`,
        );
        return 0;
      }
      await pause(50);
    }
    const quicker = await lockHolder(lockPath(root));
    if (exit !== null && quicker !== null) return await share(quicker, argv, root);
    process.stderr.write(readFileSync(output, 'utf8'));
  } finally {
    rmSync(output, { force: true });
  }
  if (exit !== null) return exit;
  child.kill('SIGKILL');
  throw new DebugwandError({
    code: 'start-failed',
    message: `the daemon (pid ${String(child.pid)}) did not answer within ${String(START_BUDGET_MS / 1000)} s and was ended`,
    fix: 'run `wand watch` without --detach to see why',
  });
}

async function answers(root: string): Promise<boolean> {
  return askDaemon(socketPath(root), { command: 'status' }).then(
    () => true,
    () => false,
  );
}
