// Owns finding, for `wand init`, what runs on this machine in the project's folder already: to start it a second time
// would only meet a taken port. Linux; elsewhere nothing is found. Reads only.
import { existsSync } from 'node:fs';
import { readFile, readdir, readlink } from 'node:fs/promises';
import { basename, resolve, sep } from 'node:path';
import { runsPython } from './init-app.ts';

/** A Python program that runs now; `words`: its command line from the program's own name on. */
export interface RunningProgram {
  readonly pid: number;
  readonly words: readonly string[];
}

interface Seen extends RunningProgram {
  readonly ppid: number;
}

/** Programs with their working directory in `root`; a worker is not named beside the supervisor that started it. */
export async function findRunning(root: string): Promise<RunningProgram[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number);
  const seen = (await Promise.all(pids.map((pid) => lookAt(pid, root)))).filter((found) => found !== null);
  const all = new Set(seen.map(({ pid }) => pid));
  return seen.filter(({ ppid }) => !all.has(ppid)).map(({ pid, words }) => ({ pid, words }));
}

async function lookAt(pid: number, root: string): Promise<Seen | null> {
  try {
    const cwd = await readlink(`/proc/${String(pid)}/cwd`);
    if (cwd !== root && !cwd.startsWith(root + sep)) return null;
    const words = ownWords(
      (await readFile(`/proc/${String(pid)}/cmdline`, 'utf8')).split('\0').filter((w) => w !== ''),
    );
    if (words === null || !isApp(words, root, cwd)) return null;
    const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8');
    return { pid, words, ppid: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) };
  } catch {
    return null; // It ended, or is another user's.
  }
}

/** What runs an app. Not formatters, language servers, notebooks and tests, which run in the project's folder, too. */
const SERVERS =
  /^(uvicorn|gunicorn|hypercorn|daphne|granian|flask|fastapi|celery|dramatiq|rq|arq|streamlit|sanic|litestar|watchfiles|watchmedo|honcho)$/;

/** A server, or a script or module of the project itself. `words`: as `ownWords` gives them. */
export function isApp(words: readonly string[], root: string, cwd: string): boolean {
  const [program = '', first] = words;
  if (/^(uv|poetry|pdm|pipenv)$/.test(program)) return first === 'run' && isApp(words.slice(2), root, cwd);
  if (SERVERS.test(program)) return true;
  const asModule = program.replaceAll('.', '/');
  const paths = program.endsWith('.py') ? [program] : [`${asModule}.py`, `${asModule}/__main__.py`];
  const script = paths.map((path) => resolve(cwd, path)).find((path) => existsSync(path));
  if (script === undefined || !script.startsWith(root + sep)) return false;
  const isInstalled = /(^|\/)(\.[^/]+|site-packages|node_modules)\//.test(script.slice(root.length));
  return !isInstalled && (basename(script) !== 'manage.py' || (first ?? '').startsWith('runserver'));
}

/** `uvicorn app:app` of `/venv/bin/python3.14 /venv/bin/uvicorn app:app`; null for what is no Python program. */
export function ownWords(cmdline: readonly string[]): string[] | null {
  const [program = '', ...args] = cmdline;
  const isPython = /^python[\d.]*$/.test(basename(program));
  if (!isPython) return runsPython([program]) ? [basename(program), ...args] : null;
  const own = afterOptions(args);
  const [first, ...rest] = own;
  if (first === undefined) return null;
  return [first.endsWith('.py') ? first : basename(first), ...rest];
}

/** What follows Python's own options: a script or a module with its arguments; empty for `-c` and the like. */
function afterOptions(args: readonly string[]): readonly string[] {
  let at = 0;
  while (args[at]?.startsWith('-') === true) {
    if (args[at] === '-m') return args.slice(at + 1);
    if (args[at] === '-c') return [];
    at += args[at] === '-X' || args[at] === '-W' ? 2 : 1;
  }
  return args.slice(at);
}

/** A `process.match` that finds it again after a restart: the program and its first argument, to the letter. */
export function matchOf(words: readonly string[]): string {
  const [program = '', first] = words;
  const own = first === undefined || first.startsWith('-') ? [program] : [program, first];
  return own.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join(' ');
}
