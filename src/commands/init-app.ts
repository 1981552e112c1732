// Owns guessing how the Python programs of a project are started on this machine, from its files. Pure.

export interface SourceText {
  /** Relative to the project, with `/`. */
  readonly path: string;
  readonly text: string;
}

export interface AppFacts {
  readonly files: readonly SourceText[];
  /** What stands in front of a program: `['uv', 'run']`, `['.venv/bin/…']` is `bin` instead. */
  readonly runner: readonly string[];
  /** Folder of a virtual environment's programs, relative: `.venv/bin/`; empty: those of PATH. */
  readonly bin: string;
  /** Text of pyproject.toml and requirements files. */
  readonly requirements: string;
}

export interface FoundApp {
  readonly command: readonly [string, ...string[]];
  /** `FastAPI app in app/main.py`. */
  readonly because: string;
  /** `web` may have the project's name, as most projects have one. */
  readonly role: 'web' | 'worker';
}

const ASGI = ['FastAPI', 'Starlette', 'Litestar', 'Quart', 'Sanic', 'Robyn'];
/** Looked at first: what people call the file that starts the app. */
const LIKELY = /(^|\/)(main|app|asgi|wsgi|server|api|run|__init__)\.py$/;
/** FastAPI's own command line comes with these: https://fastapi.tiangolo.com/fastapi-cli/ */
const FASTAPI_CLI = /\bfastapi(-cli\b|\[[^\]]*(standard|all)\b)/i;
/** The variable at the top of a module that holds celery's app. */
const CELERY = /^(\w+)\s*(?::\s*[\w.]+\s*)?=\s*(?:celery\.)?Celery\(/m;

/** The likeliest ways to start it: what serves (with its reloader on), and a worker of celery's beside it. */
export function findApps(facts: AppFacts): readonly FoundApp[] {
  const files = [...facts.files].sort((a, b) => rank(a.path) - rank(b.path) || (a.path < b.path ? -1 : 1));
  const web = findWeb(facts, files);
  const worker = findCelery(facts, files);
  if (web !== null || worker !== null) return [web, worker].filter((found) => found !== null);
  const script = files.find(
    ({ path, text }) => /^[^/]+\.py$/.test(path) && /__name__\s*==\s*['"]__main__['"]/.test(text),
  );
  if (script === undefined) return [];
  return [{ command: command(facts, 'python', [script.path]), because: `script ${script.path}`, role: 'web' }];
}

function findWeb(facts: AppFacts, files: readonly SourceText[]): FoundApp | null {
  const manage = files.find(({ path }) => /(^|\/)manage\.py$/.test(path));
  if (manage !== undefined) {
    const because = `Django project (${manage.path})`;
    return { command: command(facts, 'python', [manage.path, 'runserver']), because, role: 'web' };
  }
  for (const { path, text } of files) {
    const made = madeIn(text);
    if (made === null) continue;
    const because = `${made.framework} app in ${path}`;
    return { command: serving(facts, path, made), because, role: 'web' };
  }
  return null;
}

interface Made {
  readonly framework: string;
  /** Name of the app, or of the function that makes it. */
  readonly name: string;
  readonly isFactory: boolean;
}

/** At the top of a module, or by a function there whose name says what it is for. */
function madeIn(text: string): Made | null {
  const kinds = `(?:\\w+\\.)?(${ASGI.join('|')}|Flask)\\(`;
  const [, name, framework] = new RegExp(`^(\\w+)\\s*(?::\\s*[\\w.]+\\s*)?=\\s*${kinds}`, 'm').exec(text) ?? [];
  if (name !== undefined && framework !== undefined) return { framework, name, isFactory: false };
  const [, factory] = /^def ((?:create|make|get)_(?:app|application))\(/m.exec(text) ?? [];
  const [, within] = new RegExp(`^[ \\t]+\\w+\\s*(?::\\s*[\\w.]+\\s*)?=\\s*${kinds}`, 'm').exec(text) ?? [];
  if (factory === undefined || within === undefined) return null;
  return { framework: within, name: factory, isFactory: true };
}

function serving(facts: AppFacts, path: string, { framework, name, isFactory }: Made): FoundApp['command'] {
  const module = moduleName(path);
  if (framework === 'Flask') return command(facts, 'flask', ['--app', `${module}:${name}`, 'run', '--debug']);
  if (framework === 'FastAPI' && !isFactory && FASTAPI_CLI.test(facts.requirements)) {
    return command(facts, 'fastapi', ['dev', path, ...(name === 'app' ? [] : ['--app', name])]);
  }
  const inSource = path.startsWith('src/') ? ['--app-dir', 'src'] : [];
  const factory = isFactory ? ['--factory'] : [];
  return command(facts, 'uvicorn', [`${module}:${name}`, ...factory, ...inSource, '--reload']);
}

function findCelery(facts: AppFacts, files: readonly SourceText[]): FoundApp | null {
  for (const { path, text } of files) {
    const [, variable] = CELERY.exec(text) ?? [];
    if (variable === undefined) continue;
    const module = moduleName(path);
    const app = variable === 'app' || variable === 'celery' ? module : `${module}:${variable}`;
    const folder = path.startsWith('src/') ? ['--workdir', 'src'] : [];
    return {
      // A pool's child sleeps until its first task, and is entered then: too late for a breakpoint in it.
      command: command(facts, 'celery', ['-A', app, ...folder, 'worker', '--pool', 'solo', '--loglevel', 'info']),
      because: `celery app in ${path}, one process so that the first task stops, too`,
      role: 'worker',
    };
  }
  return null;
}

/** Where a server listens that is told nothing else, and the variable that tells it. */
const PORTS: readonly (readonly [RegExp, number, string | null])[] = [
  [/(^|\/)uvicorn$/, 8000, 'UVICORN_PORT'],
  [/(^|\/)fastapi$/, 8000, 'PORT'],
  [/(^|\/)flask$/, 5000, 'FLASK_RUN_PORT'],
  [/(^|\/)manage\.py$/, 8000, null],
];

/** The port that a command will serve at; null: not to be seen. */
export function servedPort(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): number | null {
  const known = PORTS.find(([program]) => command.some((word) => program.test(word)));
  if (known === undefined) return null;
  const [, usual, variable] = known;
  const [, said] = /\s(?:--port[ =]|-p |runserver (?:\S*:)?)(\d+)(?=\s|$)/.exec(command.join(' ')) ?? [];
  const port = Number(said ?? (variable === null ? undefined : env[variable]) ?? usual);
  return Number.isInteger(port) && port > 0 ? port : null;
}

/** A command line that starts Python, by its words. */
export function runsPython(words: readonly string[]): boolean {
  return words.some((word) =>
    /(^|\/)(python[\d.]*|uvicorn|gunicorn|hypercorn|daphne|granian|flask|django-admin|celery|fastapi|streamlit|poetry|uv|pdm|pipenv|watchfiles|watchmedo|dramatiq|rq|arq|sanic|litestar|jupyter|ipython)$|\.py$|^manage\.py$/.test(
      word.split(/\s/)[0] ?? '',
    ),
  );
}

function rank(path: string): number {
  const depth = path.split('/').length;
  return depth * 2 + (LIKELY.test(path) ? 0 : 1);
}

function moduleName(path: string): string {
  return path
    .replace(/^src\//, '')
    .replace(/(\/__init__)?\.py$/, '')
    .replaceAll('/', '.');
}

function command({ runner, bin }: AppFacts, program: string, args: readonly string[]): readonly [string, ...string[]] {
  const [first, ...more] = [...runner, `${bin}${program}`, ...args];
  return [first ?? program, ...more];
}
