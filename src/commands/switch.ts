// Owns `wand switch [TARGET] [WORKER]`.
import { DebugwandError } from '../lib/errors.ts';
import { ask } from './find-daemon.ts';

/** A single number is a worker; two words are target and worker; a single name has its next worker taken. */
export async function switchCommand(words: readonly string[], options: { config?: string }): Promise<number> {
  const [first, second] = words;
  const alone = second === undefined && first !== undefined && /^\d+$/.test(first);
  const worker = alone ? first : second;
  if (worker !== undefined && !/^[1-9]\d{0,9}$/.test(worker)) {
    throw new DebugwandError({
      code: 'usage',
      message: `${worker} is no pid of a worker`,
      fix: 'wand switch [TARGET] PID; `wand ps` lists the pids',
    });
  }
  const text = await ask(options.config, {
    command: 'switch',
    ...(alone || first === undefined ? {} : { target: first }),
    ...(worker === undefined ? {} : { worker: Number(worker) }),
  });
  process.stdout.write(`${String(text)}\n`);
  return 0;
}
