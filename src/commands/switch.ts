// Owns `wand switch [TARGET] [WORKER]`.
import { DebugwandError } from '../lib/errors.ts';
import { ask } from './find-daemon.ts';

const WORKER = /^(?:([A-Za-z0-9][\w./-]*):)?([1-9]\d{0,9})$/;

/** A single word that means a worker is one; two words are target and worker; a single name has its next worker taken. */
export async function switchCommand(words: readonly string[], options: { config?: string }): Promise<number> {
  const [first, second] = words;
  const alone = second === undefined && first !== undefined && WORKER.test(first);
  const word = alone ? first : second;
  const worker = word === undefined ? null : WORKER.exec(word);
  if (word !== undefined && worker === null) {
    throw new DebugwandError({
      code: 'usage',
      message: `${word} is no pid of a worker`,
      fix: 'wand switch [TARGET] PID, or REPLICA:PID where there are several; `wand ps` lists them',
    });
  }
  const replica = worker?.[1];
  const text = await ask(options.config, {
    command: 'switch',
    ...(alone || first === undefined ? {} : { target: first }),
    ...(worker === null ? {} : { worker: Number(worker[2]) }),
    ...(replica === undefined ? {} : { replica }),
  });
  process.stdout.write(`${String(text)}\n`);
  return 0;
}
