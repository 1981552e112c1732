// Owns `wand logs`: the daemon's log file, whole or followed.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { resolve, dirname } from 'node:path';
import { DebugwandError } from '../lib/errors.ts';
import { logPath } from '../lib/paths.ts';
import { pause } from '../lib/time.ts';
import { findRoot } from './find-daemon.ts';
import { formatLogLine } from '../lib/log-line.ts';

export interface LogsOptions {
  readonly config?: string;
  readonly follow?: boolean;
  readonly json?: boolean;
}

/** Also works when the daemon is gone: the log of its last run stays. */
export async function logsCommand(options: LogsOptions): Promise<number> {
  const here = options.config === undefined ? process.cwd() : dirname(resolve(options.config));
  const path = logFile(findRoot(process.cwd(), options.config) ?? here);
  const abort = new AbortController();
  process.once('SIGINT', () => {
    abort.abort();
  });
  let from = 0;
  let rest = '';
  for (;;) {
    const size = existsSync(path) ? statSync(path).size : 0;
    if (size < from) from = 0; // rotated
    if (size > from) {
      rest += await readFrom(path, from, size - 1);
      from = size;
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) process.stdout.write(`${options.json === true ? line : formatLogLine(line)}\n`);
    }
    if (options.follow !== true || abort.signal.aborted) return 0;
    await pause(200, abort.signal);
  }
}

function logFile(root: string): string {
  let folder = root;
  for (;;) {
    if (existsSync(logPath(folder))) return logPath(folder);
    const parent = dirname(folder);
    if (parent === folder) break;
    folder = parent;
  }
  throw new DebugwandError({
    code: 'no-log',
    message: 'no wand daemon has run for this project yet',
    fix: 'start one with `wand watch`',
  });
}

async function readFrom(path: string, start: number, end: number): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(path, { start, end })) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8');
}
