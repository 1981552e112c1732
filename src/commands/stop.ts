// Owns `wand stop`: asks the daemon to leave and waits until it has.
import { lockHolder } from '../daemon/lock.ts';
import { notRunning } from '../daemon/control-client.ts';
import { lockPath } from '../lib/paths.ts';
import { DebugwandError } from '../lib/errors.ts';
import { pause } from '../lib/time.ts';
import { ask, findRoot } from './find-daemon.ts';

const PATIENCE_MS = 5_000;

export async function stopCommand(options: { config?: string }): Promise<number> {
  const root = await findRoot(options.config);
  if (root === null) throw notRunning();
  const holder = await lockHolder(lockPath(root));
  try {
    await ask(options.config, { command: 'stop' });
  } catch (error) {
    // It lives but does not listen: its signal says the same.
    if (holder === null) throw error;
    process.kill(holder.pid, 'SIGTERM');
  }
  const deadline = Date.now() + PATIENCE_MS;
  while ((await lockHolder(lockPath(root))) !== null) {
    if (Date.now() > deadline) {
      const pid = String(holder?.pid ?? 'unknown');
      throw new DebugwandError({
        code: 'stop-failed',
        message: `the daemon (pid ${pid}) was asked to stop but still runs`,
        fix: `end it with \`kill -9 ${pid}\`: what it entered runs on within 5 s`,
      });
    }
    await pause(30);
  }
  process.stdout.write(`stopped (pid ${String(holder?.pid ?? 'unknown')})\n`);
  return 0;
}
