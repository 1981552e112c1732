// Owns loading a config for the rest of debugwand. Each load is a process of its own (loader.ts), which ends with it:
// what a reload reads is new, down to what a TypeScript config imports; a config that hangs, prints or calls process.exit
// harms nobody; and a daemon that runs for weeks holds none of what only loading needs (schema, parsers: 40 MB).
import { fork } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProjectConfig } from '../core/types.ts';
import { DebugwandError, messageOf } from '../lib/errors.ts';
import type { LoaderAnswer } from './loader.ts';
import type { ConfigRequest } from './read.ts';

const TIMEOUT_MS = 15_000;

/**
 * Finds, reads and checks the config: `file`, or the nearest one from `cwd` upward. A relative `file` starts at `cwd`.
 * @throws DebugwandError `config-missing` (none found, or the named one is not there), `config-invalid`
 */
export async function loadConfig(
  request: { readonly cwd: string; readonly file?: string | undefined },
  signal: AbortSignal,
): Promise<ProjectConfig> {
  const { cwd, file } = request;
  return await askLoader({ cwd: resolve(cwd), file: file === undefined ? null : resolve(cwd, file) }, signal);
}

/** The same for a file that is known, by its absolute path. @throws DebugwandError `config-missing`, `config-invalid` */
export async function loadConfigFile(file: string, signal: AbortSignal): Promise<ProjectConfig> {
  return await askLoader({ cwd: resolve(file, '..'), file }, signal);
}

async function askLoader(request: ConfigRequest, signal: AbortSignal): Promise<ProjectConfig> {
  signal.throwIfAborted();
  // `import.meta` says whether this runs from the sources or from dist/.
  const own = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const child = fork(fileURLToPath(new URL(`./loader${own}`, import.meta.url)), {
    // What a config prints would land between the lines of the UI.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
    execArgv: [],
  });
  let what = request.file ?? `the config for ${request.cwd}`;
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => {
      resolve();
    });
    child.once('error', () => {
      resolve();
    });
  });
  try {
    const answer = await new Promise<Exclude<LoaderAnswer, { reading: string }>>((resolve, reject) => {
      const timer = setTimeout(() => {
        const seconds = String(TIMEOUT_MS / 1000);
        reject(
          invalid(`${what} did not finish loading within ${seconds} s`, 'look for a loop or an endless `await` in it'),
        );
      }, TIMEOUT_MS);
      const onAbort = (): void => {
        reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      child.on('message', (message: unknown) => {
        if (!isAnswer(message))
          reject(new TypeError('the program that loads configs sent something else than an answer'));
        else if ('reading' in message) what = message.reading;
        else resolve(message);
      });
      child.once('error', (error) => {
        reject(
          invalid(`${what} cannot be loaded: ${messageOf(error)}`, 'see whether new processes can be started here'),
        );
      });
      child.once('exit', (code, name) => {
        const how = name === null ? `exit status ${String(code)}` : name;
        const fail = (): void => {
          const problem = `ended the program that loads it (${how}) instead of exporting a config`;
          reject(invalid(`${what} ${problem}`, 'take `process.exit` out of it'));
        };
        // What it sent before its end may still be on its way.
        if (child.connected) child.once('disconnect', fail);
        else fail();
      });
      child.send(request);
      void ended.then(() => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      });
    });
    if ('config' in answer) return answer.config;
    throw new DebugwandError(answer.error);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

function isAnswer(message: unknown): message is LoaderAnswer {
  if (typeof message !== 'object' || message === null) return false;
  if ('reading' in message) return typeof message.reading === 'string';
  return 'config' in message || ('error' in message && typeof message.error === 'object' && message.error !== null);
}

function invalid(message: string, fix: string): DebugwandError {
  return new DebugwandError({ code: 'config-invalid', message, fix });
}
