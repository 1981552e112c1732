// Owns `wand logs`: the daemon's log file, whole or followed.
import { existsSync, statSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { resolve, dirname } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
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
  const path = logFile((await findRoot(options.config)) ?? here);
  const abort = new AbortController();
  process.once('SIGINT', () => {
    abort.abort();
  });
  const print = (line: string): void => {
    process.stdout.write(`${options.json === true ? line : formatLogLine(line)}\n`);
  };
  let file = await open(path);
  const decoder = new StringDecoder('utf8');
  let rest = '';
  try {
    for (;;) {
      rest = await printLines(file, decoder, rest, print);
      if (options.follow !== true || abort.signal.aborted) break;
      const fresh = existsSync(path) && statSync(path).ino !== (await file.stat()).ino;
      if (fresh) {
        // Rotated: what came between the last look and that is still in the old one.
        rest = await printLines(file, decoder, rest, print);
        await file.close();
        file = await open(path);
      } else {
        await pause(200, abort.signal);
      }
    }
    if (rest !== '') print(rest);
  } finally {
    await file.close();
  }
  return 0;
}

/** Prints what the file has gained, by whole lines. @returns the beginning of the next one. */
async function printLines(
  file: FileHandle,
  decoder: StringDecoder,
  rest: string,
  print: (line: string) => void,
): Promise<string> {
  const buffer = Buffer.alloc(64 * 1024);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return rest;
    const lines = (rest + decoder.write(buffer.subarray(0, bytesRead))).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) print(line);
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
