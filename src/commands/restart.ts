// Owns `wand restart [TARGET]`.
import { ask } from './find-daemon.ts';

export async function restartCommand(target: string | undefined, options: { config?: string }): Promise<number> {
  const text = await ask(options.config, { command: 'restart', ...(target === undefined ? {} : { target }) });
  process.stdout.write(`${String(text)}\n`);
  return 0;
}
