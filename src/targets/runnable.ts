// Owns the answer to "can this command be started?". Starts nothing.
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';
import { DebugwandError } from '../lib/errors.ts';

/** Null when it can be run. As the shell looks: a path with a slash is relative to `cwd`, else PATH counts. */
export function whyNotRunnable(program: string, cwd: string): DebugwandError | null {
  try {
    if (!statSync(cwd).isDirectory()) throw new Error('no directory');
  } catch {
    return new DebugwandError({
      code: 'command-not-found',
      message: `\`${program}\` cannot be started: there is no directory ${cwd}`,
      fix: 'create it, or move the config to the folder of the project',
    });
  }
  const folders = program.includes('/')
    ? [cwd]
    : (process.env['PATH'] ?? '').split(delimiter).map((f) => resolve(cwd, f));
  for (const folder of folders) {
    try {
      const path = resolve(folder, program);
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return null;
    } catch {
      // Not here.
    }
  }
  return new DebugwandError({
    code: 'command-not-found',
    message: `the command \`${program}\` was not found`,
    fix: program.includes('/')
      ? `check the path: it is relative to ${cwd}`
      : 'activate the virtual environment that has it, or write its path: `.venv/bin/uvicorn`',
  });
}
