// Owns running a config that is code (TypeScript or JavaScript). Each load gets a thread of its own, which ends with
// it: a reload sees the new contents of the file and of what it imports, nothing of the old one stays in memory, and a
// config that hangs or calls process.exit harms nobody. The other side is module-worker.ts.
import { basename, extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { DebugwandError, messageOf } from '../lib/errors.ts';
import type { ModuleReport, ModuleRequest } from './module-worker.ts';
import { readConfigText } from './find.ts';

const EXTENSIONS = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']);
const LOAD_TIMEOUT_MS = 15_000;

export function isModule(file: string): boolean {
  return EXTENSIONS.has(extname(file));
}

/** The default export, as plain data. @throws DebugwandError `config-missing`, `config-invalid` */
export async function importConfig(file: string, signal: AbortSignal): Promise<unknown> {
  await readConfigText(file); // for the error of a file that is not there
  signal.throwIfAborted();
  // `import.meta` says whether this runs from the sources or from dist/.
  const own = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const request: ModuleRequest = { file, publicApi: new URL(`../index${own}`, import.meta.url).href };
  const worker = new Worker(new URL(`./module-worker${own}`, import.meta.url), {
    workerData: request,
    stdin: false,
    // What a config prints would land between the lines of the UI.
    stdout: true,
    stderr: true,
    execArgv: [],
  });
  worker.stdout.resume();
  worker.stderr.resume();
  try {
    const report = await reportOf(worker, file, signal);
    if ('value' in report) return report.value;
    throw moduleError(file, report);
  } finally {
    await worker.terminate();
  }
}

function reportOf(worker: Worker, file: string, signal: AbortSignal): Promise<ModuleReport> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(
        invalid(
          `${file} did not finish loading within ${LOAD_TIMEOUT_MS / 1000} s`,
          'look for a loop or an `await` that never ends in it',
        ),
      );
    }, LOAD_TIMEOUT_MS);
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      settle();
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    worker.once('message', (message: unknown) => {
      settle();
      if (isReport(message)) resolve(message);
      else reject(new TypeError('the thread that loads configs sent something else than a report'));
    });
    worker.once('error', (error) => {
      settle();
      reject(invalid(`${file}: ${messageOf(error)}`, 'mend the config'));
    });
    worker.once('exit', (code) => {
      settle();
      reject(
        invalid(
          `${file} ended the program (exit status ${code}) instead of exporting a config`,
          'take `process.exit` out of it',
        ),
      );
    });
  });
}

function isReport(message: unknown): message is ModuleReport {
  if (typeof message !== 'object' || message === null) return false;
  return 'value' in message || ('problem' in message && typeof message.problem === 'string');
}

function moduleError(file: string, report: Exclude<ModuleReport, { value: unknown }>): DebugwandError {
  const place = report.place ?? file;
  switch (report.problem) {
    case 'no-default':
      return invalid(
        `${file} has no default export${report.text === '' ? '' : ` (it exports ${report.text})`}`,
        'write `export default { targets: { … } } satisfies Config` or `export default defineConfig({ … })`',
      );
    case 'not-data':
      return invalid(
        `${file}: ${report.text} is not plain data`,
        'a config holds strings, numbers, true, false, lists and objects only',
      );
    case 'unsupported-typescript':
      return invalid(
        `${place}: ${report.text}`,
        'Node runs a config by leaving its types out, so `enum`, `namespace` with code, parameter properties and decorators cannot be used in it: use a plain object instead',
      );
    case 'syntax':
      return invalid(`${place}: ${report.text}`, `mend the syntax of ${basename(file)} there`);
    case 'not-found':
      return invalid(`${place}: ${report.text}`, 'correct the import, install the package, or do without it');
    case 'thrown':
      return invalid(`${place}: the config threw ${report.text}`, 'mend the config');
  }
}

function invalid(message: string, fix: string): DebugwandError {
  return new DebugwandError({ code: 'config-invalid', message, fix });
}
