// Owns what is known of single tools: from a process's own command line and environment to its duty. Pure; does not look
// at the tree. Sources: the CLI of each tool, and trees recorded from the real ones (test/fixtures/trees).
import type { ProcessInfo } from '../types.ts';
import { hasFlag, optionNumber, optionValue, programOf, shortName, type Program } from './command.ts';

/** How much a worker matters when several programs run: lower is chosen first. */
export const RANK = { site: 0, tasks: 1, plain: 2, side: 3, below: 4 } as const;

/** What a process does by its own looks. `name` is for people: "uvicorn reloader". */
export type Duty =
  /** Starts workers and runs no user code itself, also while it has none. `forks`: its workers are copies of it. */
  | {
      readonly is: 'supervisor';
      readonly name: string;
      readonly forks: boolean;
      readonly rank: number;
      readonly crew?: Crew;
      /** celery -B: its first child is the scheduler. */
      readonly beat?: boolean;
    }
  /** Runs user code itself, whatever it starts besides. */
  | { readonly is: 'worker'; readonly name: string; readonly rank: number; readonly reason: string }
  | { readonly is: 'wrapper' | 'helper' | 'tool'; readonly name: string; readonly reason: string }
  /** Children of Python's multiprocessing; whose, the tree says. */
  | { readonly is: 'spawned' | 'forkserver'; readonly name: string }
  /** A Python program that is no tool we know: the tree decides. */
  | { readonly is: 'program'; readonly name: string; readonly rank: number };

/** How many equal workers a supervisor keeps (null: unknown) and whether a replacement overlaps with the old ones. */
export interface Crew {
  readonly size: number | null;
  readonly overlaps: boolean;
}

const WRAPPERS = new Set(
  'supervisord honcho circusd pdm poetry hatch pipenv tox nox dotenv conda rye invoke fab ansible-playbook'.split(' '),
);
const TOOLS = new Set(
  `pip pip3 virtualenv venv ensurepip pylsp pyls jedi-language-server pyright mypy dmypy black blackd ruff ruff-lsp
   isort flake8 pre-commit supervisorctl ptw`.split(/\s+/),
);
const SINGLE_SITES = new Set('daphne waitress-serve waitress streamlit chainlit gradio panel tornado'.split(' '));

function truthy(value: string | undefined): boolean {
  return value !== undefined && !/^(0|false|f|no|n|off|)$/i.test(value);
}

function supervisor(name: string, forks: boolean, rank: number = RANK.site, crew?: Crew): Duty {
  return { is: 'supervisor', name, forks, rank, ...(crew === undefined ? {} : { crew }) };
}

function site(name: string, reason: string): Duty {
  return { is: 'worker', name, rank: RANK.site, reason };
}

/** The duty of a process by its own looks. */
export function dutyOf(process: ProcessInfo): Duty {
  const program = programOf(process);
  const name = shortName(program);
  if (process.python === null) return { is: 'wrapper', name, reason: `${name}: no Python process` };
  if (program.kind === 'code') return codeDuty(program.name);
  if (program.kind === 'title') return titleDuty(program.name);
  const environ = process.environ ?? {};
  const key = program.name.replace(/\.py$/, '').replace(/\.__main__$/, '');
  const known = KNOWN.get(key) ?? KNOWN.get(key.split('.')[0] ?? '');
  const duty =
    program.kind === 'script' && program.name.endsWith('.py') && key !== 'manage' ? null : known?.(program, environ);
  if (duty !== null && duty !== undefined) return duty;
  if (/(^|\.)(adapter|launcher)$/.test(program.name) && /debugpy/.test(process.cmdline.join(' '))) {
    return { is: 'tool', name: 'debugpy', reason: `debugpy's own ${program.name.replace(/^.*\./, '')} process` };
  }
  if (WRAPPERS.has(key)) return { is: 'wrapper', name: key, reason: `${key}: starts other programs` };
  if (TOOLS.has(key)) return { is: 'tool', name: key, reason: `${key} is a development tool, not part of the app` };
  if (SINGLE_SITES.has(key) && program.kind !== 'native') return site(key, `${key} runs the app in its own process`);
  return { is: 'program', name, rank: program.kind === 'repl' ? RANK.side : RANK.plain };
}

const XDIST: Duty = {
  is: 'worker',
  name: 'pytest-xdist worker',
  rank: RANK.plain,
  reason: 'runs tests for pytest-xdist',
};

/** multiprocessing's `-c` one-liners, and execnet's (pytest-xdist). */
function codeDuty(source: string): Duty {
  if (/resource_tracker import main|semaphore_tracker import main/.test(source)) {
    return { is: 'helper', name: 'resource tracker', reason: 'the resource tracker of multiprocessing' };
  }
  if (/forkserver import main/.test(source)) return { is: 'forkserver', name: 'forkserver' };
  if (/spawn_main\(/.test(source)) return { is: 'spawned', name: 'multiprocessing child' };
  if (/exec\(eval\(sys\.stdin\.readline\(\)\)\)/.test(source)) {
    return XDIST;
  }
  return { is: 'program', name: 'python -c', rank: RANK.side };
}

/** Titles that gunicorn, celery and pytest-xdist give themselves where setproctitle is installed. */
function titleDuty(title: string): Duty {
  const gunicorn = /^gunicorn: (\S+)/.exec(title)?.[1];
  if (gunicorn === 'master' || gunicorn === 'arbiter')
    return supervisor('gunicorn arbiter', true, RANK.site, { size: null, overlaps: true });
  if (gunicorn === 'dirty-arbiter') return supervisor('gunicorn dirty arbiter', true, RANK.below);
  if (gunicorn === 'dirty-worker') {
    return { is: 'worker', name: 'gunicorn dirty worker', rank: RANK.below, reason: 'a dirty worker of gunicorn' };
  }
  if (gunicorn !== undefined) return site('gunicorn worker', 'a worker of gunicorn by its title');
  if (title.startsWith('[pytest-xdist')) return XDIST;
  if (/MainProcess|celery(?:d)? (?:worker )?main/i.test(title))
    return supervisor('celery main process', true, RANK.tasks);
  if (/beat/i.test(title))
    return { is: 'worker', name: 'celery beat', rank: RANK.side, reason: 'the scheduler of celery' };
  return { is: 'worker', name: 'celery pool child', rank: RANK.tasks, reason: 'a pool child of celery by its title' };
}

type Recogniser = (program: Program, environ: Readonly<Record<string, string>>) => Duty | null;

function uvicorn({ args }: Program, environ: Readonly<Record<string, string>>): Duty {
  if (hasFlag(args, '--reload') || truthy(environ['UVICORN_RELOAD'])) return supervisor('uvicorn reloader', false);
  const size = optionNumber(args, '--workers') ?? Number(environ['UVICORN_WORKERS'] ?? environ['WEB_CONCURRENCY'] ?? 1);
  if (size > 1) return supervisor('uvicorn supervisor', false, RANK.site, { size, overlaps: false });
  return site('uvicorn', 'uvicorn without --reload or --workers runs the app in its own process');
}

function fastapi(program: Program, environ: Readonly<Record<string, string>>): Duty | null {
  const { args } = program;
  const dev = args.includes('dev');
  if (!dev && !args.includes('run')) return null;
  if (hasFlag(args, '--no-reload')) return site('fastapi', 'fastapi --no-reload runs the app in its own process');
  if (dev || hasFlag(args, '--reload')) return supervisor('fastapi reloader', false);
  const inner = uvicorn(program, environ);
  return inner.is === 'supervisor'
    ? { ...inner, name: 'fastapi supervisor' }
    : site('fastapi', 'fastapi run, one worker: the app is in its own process');
}

function gunicorn({ args }: Program, environ: Readonly<Record<string, string>>): Duty {
  const more = (environ['GUNICORN_CMD_ARGS'] ?? '').split(/\s+/);
  const size = optionNumber(args, '-w', '--workers') ?? optionNumber(more, '-w', '--workers') ?? null;
  const concurrency = Number(environ['WEB_CONCURRENCY'] ?? NaN);
  return supervisor('gunicorn arbiter', true, RANK.site, {
    size: size ?? (Number.isInteger(concurrency) ? concurrency : null),
    overlaps: true,
  });
}

function hypercorn({ args }: Program): Duty {
  if (optionNumber(args, '-w', '--workers') === 0)
    return site('hypercorn', 'hypercorn --workers 0 runs the app in its own process');
  return supervisor('hypercorn supervisor', false);
}

function flask({ args }: Program, environ: Readonly<Record<string, string>>): Duty | null {
  if (!args.includes('run')) return null;
  if (truthy(environ['WERKZEUG_RUN_MAIN'])) return site('flask', "the copy that flask's reloader restarts");
  const reloads = hasFlag(args, '--debug', '--reload') || truthy(environ['FLASK_DEBUG']);
  if (reloads && !hasFlag(args, '--no-reload')) return supervisor('flask reloader', false);
  return site('flask', 'flask without its reloader runs the app in its own process');
}

function django({ args }: Program, environ: Readonly<Record<string, string>>): Duty | null {
  if (!args.includes('runserver') && !args.includes('runserver_plus')) return null;
  if (truthy(environ['RUN_MAIN']) || truthy(environ['WERKZEUG_RUN_MAIN']))
    return site('django', "the copy that django's reloader restarts");
  if (hasFlag(args, '--noreload', '--nopin'))
    return site('django', 'runserver --noreload runs the app in its own process');
  return supervisor('django reloader', false);
}

function celery({ args }: Program): Duty | null {
  if (args.includes('beat'))
    return { is: 'worker', name: 'celery beat', rank: RANK.side, reason: 'the scheduler of celery' };
  if (!args.includes('worker'))
    return args.includes('multi')
      ? { is: 'wrapper', name: 'celery multi', reason: 'celery multi: starts workers' }
      : null;
  const pool = optionValue(args, '-P', '--pool') ?? 'prefork';
  if (pool === 'prefork' || pool === 'processes') {
    const beat = hasFlag(args, '-B', '--beat');
    return { is: 'supervisor', name: 'celery main process', forks: true, rank: RANK.tasks, beat };
  }
  return {
    is: 'worker',
    name: 'celery',
    rank: RANK.tasks,
    reason: `celery with pool ${pool} runs tasks in its own process`,
  };
}

function pytest({ args }: Program): Duty {
  const number = optionValue(args, '-n', '--numprocesses');
  if (number !== null && number !== '0') return supervisor('pytest-xdist controller', false, RANK.plain);
  return { is: 'worker', name: 'pytest', rank: RANK.plain, reason: 'pytest runs the tests in its own process' };
}

function watchmedo({ args }: Program): Duty | null {
  return args.some((word) => /^(auto-restart|shell-command|tricks)/.test(word)) ? supervisor('watchmedo', false) : null;
}

function jupyter(): Duty {
  return supervisor('jupyter server', false, RANK.plain);
}

const KNOWN: ReadonlyMap<string, Recogniser> = new Map<string, Recogniser>(
  Object.entries({
    uvicorn,
    fastapi,
    gunicorn,
    hypercorn,
    flask,
    manage: django,
    'django-admin': django,
    django,
    celery,
    pytest,
    'py.test': pytest,
    watchmedo,
    watchfiles: () => supervisor('watchfiles', false),
    granian: () => supervisor('granian supervisor', false),
    dramatiq: () => supervisor('dramatiq main process', false, RANK.tasks),
    jupyter,
    'jupyter-lab': jupyter,
    'jupyter-notebook': jupyter,
    'jupyter-server': jupyter,
  }),
);
