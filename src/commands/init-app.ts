// Owns guessing how a Python app is started on this machine, from its files. Pure.

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
}

export interface FoundApp {
  readonly command: readonly [string, ...string[]];
  /** `FastAPI app in app/main.py`. */
  readonly because: string;
}

const ASGI = ['FastAPI', 'Starlette', 'Litestar', 'Quart', 'Sanic', 'Robyn'];
/** Looked at first: what people call the file that starts the app. */
const LIKELY = /(^|\/)(main|app|asgi|wsgi|server|api|run|__init__)\.py$/;

/** The likeliest way to start it, with its reloader on; null when nothing is recognised. */
export function findApp(facts: AppFacts): FoundApp | null {
  const files = [...facts.files].sort((a, b) => rank(a.path) - rank(b.path) || (a.path < b.path ? -1 : 1));
  if (files.some(({ path }) => path === 'manage.py')) {
    return { command: command(facts, 'python', ['manage.py', 'runserver']), because: 'Django project (manage.py)' };
  }
  for (const { path, text } of files) {
    const match = new RegExp(`^(\\w+)\\s*(?::\\s*[\\w.]+\\s*)?=\\s*(?:\\w+\\.)?(${ASGI.join('|')}|Flask)\\(`, 'm').exec(
      text,
    );
    const [, variable, framework] = match ?? [];
    if (variable === undefined || framework === undefined) continue;
    const because = `${framework} app in ${path}`;
    const name = moduleName(path);
    if (framework === 'Flask') {
      return { command: command(facts, 'flask', ['--app', `${name}:${variable}`, 'run', '--debug']), because };
    }
    const inSource = path.startsWith('src/') ? ['--app-dir', 'src'] : [];
    return { command: command(facts, 'uvicorn', [`${name}:${variable}`, ...inSource, '--reload']), because };
  }
  const script = files.find(
    ({ path, text }) => /^[^/]+\.py$/.test(path) && /__name__\s*==\s*['"]__main__['"]/.test(text),
  );
  if (script === undefined) return null;
  return { command: command(facts, 'python', [script.path]), because: `script ${script.path}` };
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
