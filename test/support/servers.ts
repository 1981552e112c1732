/**
 * The real servers of the process-tree table: how each is started, who serves, how it reloads. User code tells its pid:
 * over HTTP where there is a port, else as the last line of the file `served`.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFile, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './machine.ts';

/** One row. `command` is run in a folder with the files; `bin` is the `bin` folder of a venv. */
export interface Setup {
  name: string;
  files: Record<string, string>;
  command: (place: Place) => string[];
  env?: (place: Place) => Record<string, string>;
  /** Where to ask for the serving pid; absent: the file `served`. */
  http?: boolean;
  /** Number of workers when all are up. */
  workers: number;
  /** How the old worker is made to go: a file is saved, the supervisor gets SIGHUP, the worker is killed. */
  reload?: { save: string } | 'hup' | 'kill';
  /** celery: a task has to be sent for somebody to serve. */
  redis?: boolean;
}

export interface Place {
  bin: string;
  dir: string;
  port: number;
  redis: string;
}

const ASGI = `import os
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
`;
const WSGI = `import os
def app(environ, start_response):
    start_response("200 OK", [("Connection", "close")])
    return [str(os.getpid()).encode()]
`;
const FLASK = `import os
from flask import Flask
app = Flask(__name__)
@app.route("/")
def index():
    return str(os.getpid())
`;
const DJANGO = `import os, sys
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
settings.configure(DEBUG=True, SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], USE_TZ=True)
urlpatterns = [path("", lambda request: HttpResponse(str(os.getpid())))]
if __name__ == "__main__":
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
`;
const LOOP = `import os, time
def work():
    while True:
        with open("served", "a") as file:
            print(os.getpid(), file=file)
        time.sleep(0.05)
`;
const CELERY = `import os
from celery import Celery
app = Celery("tasks", broker=os.environ["BROKER"], backend=os.environ["BROKER"])
app.conf.broker_connection_retry_on_startup = True
@app.task
def who():
    with open("served", "a") as file:
        print(os.getpid(), file=file)
`;

function celery(name: string, workers: number, ...more: string[]): Setup {
  return {
    name,
    files: { 'tasks.py': CELERY },
    command: ({ bin }) => [`${bin}/celery`, '-A', 'tasks', 'worker', '--loglevel', 'warning', ...more],
    env: ({ redis }) => ({ BROKER: redis }),
    workers,
    redis: true,
  };
}

function web(
  name: string,
  source: string,
  workers: number,
  command: Setup['command'],
  more: Partial<Setup> = {},
): Setup {
  return { name, files: { 'app.py': source }, command, workers, http: true, ...more };
}

/** werkzeug 3.1.9 hears nothing from watchdog 7.1: without watchdog it looks at the files' times. */
function statReloader(source: string): Pick<Setup, 'files' | 'env'> {
  return {
    files: { 'app.py': source, 'watchdog.py': 'raise ImportError\n' },
    env: ({ dir, port }) => ({ PYTHONPATH: dir, PORT: String(port) }),
  };
}

const save = { reload: { save: 'app.py' } } as const;

/** Rows whose packages are in ALL_PACKAGES. */
export const SETUPS: readonly Setup[] = [
  web('uvicorn', ASGI, 1, ({ bin, port }) => [`${bin}/uvicorn`, 'app:app', '--port', String(port)]),
  web(
    'uvicorn-reload',
    ASGI,
    1,
    ({ bin, port }) => [`${bin}/uvicorn`, 'app:app', '--reload', '--port', String(port)],
    save,
  ),
  web(
    'uvicorn-workers',
    ASGI,
    3,
    ({ bin, port }) => [`${bin}/uvicorn`, 'app:app', '--workers', '3', '--port', String(port)],
    { reload: 'kill' },
  ),
  web(
    'uvicorn-script',
    `${ASGI}if __name__ == "__main__":\n    import sys, uvicorn\n    uvicorn.run("app:app", port=int(sys.argv[1]), reload=True)\n`,
    1,
    ({ bin, port }) => [`${bin}/python`, 'app.py', String(port)],
    save,
  ),
  web(
    'uvicorn-shell',
    ASGI,
    1,
    ({ bin, port }) => ['sh', '-c', `${bin}/uvicorn app:app --reload --port ${String(port)}; true`],
    save,
  ),
  web(
    'uvicorn-pool',
    `import multiprocessing, time\nfrom concurrent.futures import ProcessPoolExecutor\n${ASGI}pool = None\nif multiprocessing.current_process().name != "MainProcess" and "pool" not in multiprocessing.current_process().name.lower() and not multiprocessing.parent_process().name.startswith("Spawn"):\n    pool = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))\n    pool.submit(time.sleep, 0)\n`,
    2,
    ({ bin, port }) => [`${bin}/uvicorn`, 'app:app', '--reload', '--port', String(port)],
    save,
  ),
  web('hypercorn', ASGI, 1, ({ bin, port }) => [`${bin}/hypercorn`, 'app:app', '-b', `127.0.0.1:${String(port)}`]),
  web(
    'hypercorn-reload',
    ASGI,
    1,
    ({ bin, port }) => [`${bin}/hypercorn`, '--reload', 'app:app', '-b', `127.0.0.1:${String(port)}`],
    save,
  ),
  web('hypercorn-workers', ASGI, 2, ({ bin, port }) => [
    `${bin}/hypercorn`,
    '-w',
    '2',
    'app:app',
    '-b',
    `127.0.0.1:${String(port)}`,
  ]),
  web(
    'gunicorn',
    WSGI,
    2,
    ({ bin, port }) => [`${bin}/gunicorn`, '-w', '2', '-b', `127.0.0.1:${String(port)}`, 'app:app'],
    { reload: 'hup' },
  ),
  web(
    'gunicorn-reload',
    WSGI,
    1,
    ({ bin, port }) => [`${bin}/gunicorn`, '--reload', '-b', `127.0.0.1:${String(port)}`, 'app:app'],
    save,
  ),
  web(
    'gunicorn-uvicorn',
    ASGI,
    2,
    ({ bin, port }) => [
      `${bin}/gunicorn`,
      '-w',
      '2',
      '-k',
      'uvicorn_worker.UvicornWorker',
      '-b',
      `127.0.0.1:${String(port)}`,
      'app:app',
    ],
    { reload: 'kill' },
  ),
  web('gunicorn-conf', WSGI, 2, ({ bin }) => [`${bin}/gunicorn`, '-c', 'conf.py', 'app:app'], {
    files: { 'app.py': WSGI, 'conf.py': 'import os\nworkers = 2\nbind = "127.0.0.1:" + os.environ["PORT"]\n' },
    env: ({ port }) => ({ PORT: String(port) }),
    reload: 'hup',
  }),
  web('flask', FLASK, 1, ({ bin, port }) => [`${bin}/flask`, 'run', '--port', String(port)]),
  web('flask-debug', FLASK, 1, ({ bin, port }) => [`${bin}/flask`, 'run', '--debug', '--port', String(port)], {
    ...save,
    ...statReloader(FLASK),
  }),
  web(
    'flask-script',
    `${FLASK}if __name__ == "__main__":\n    app.run(debug=True, port=int(os.environ["PORT"]))\n`,
    1,
    ({ bin }) => [`${bin}/python`, 'app.py'],
    {
      ...save,
      ...statReloader(`${FLASK}if __name__ == "__main__":\n    app.run(debug=True, port=int(os.environ["PORT"]))\n`),
    },
  ),
  web('django', DJANGO, 1, ({ bin, port }) => [`${bin}/python`, 'manage.py', 'runserver', String(port)], {
    files: { 'manage.py': DJANGO },
    reload: { save: 'manage.py' },
  }),
  web(
    'django-noreload',
    DJANGO,
    1,
    ({ bin, port }) => [`${bin}/python`, 'manage.py', 'runserver', '--noreload', String(port)],
    {
      files: { 'manage.py': DJANGO },
    },
  ),
  web(
    'watchfiles-command',
    ASGI,
    1,
    ({ bin, port }) => [`${bin}/watchfiles`, `${bin}/uvicorn app:app --port ${String(port)}`, '.'],
    save,
  ),
  {
    name: 'watchfiles-function',
    files: { 'app.py': LOOP },
    command: ({ bin }) => [`${bin}/watchfiles`, 'app.work', 'app.py'],
    workers: 1,
    ...save,
  },
  { ...celery('celery-prefork', 2, '-c', '2'), reload: 'kill' },
  celery('celery-solo', 1, '-P', 'solo'),
  celery('celery-threads', 1, '-P', 'threads', '-c', '2'),
  { ...celery('celery-beat', 2, '-c', '2', '-B', '-s', 'schedule') },
  {
    ...celery('watchmedo', 2),
    command: ({ bin }) => [
      `${bin}/watchmedo`,
      'auto-restart',
      '-p',
      '*.py',
      '-d',
      '.',
      '--',
      `${bin}/celery`,
      '-A',
      'tasks',
      'worker',
      '-c',
      '2',
      '-l',
      'warning',
    ],
    reload: { save: 'tasks.py' },
  },
  {
    name: 'forkserver',
    files: {
      'main.py': `${LOOP}if __name__ == "__main__":\n    import multiprocessing\n    workers = [multiprocessing.Process(target=work) for _ in range(2)]\n    [w.start() for w in workers]\n    [w.join() for w in workers]\n`,
    },
    command: ({ bin }) => [`${bin}/python`, 'main.py'],
    workers: 2,
  },
  {
    name: 'fork',
    files: {
      'main.py': `${LOOP}if __name__ == "__main__":\n    while True:\n        pid = os.fork()\n        if pid == 0:\n            work()\n        os.waitpid(pid, 0)\n`,
    },
    command: ({ bin }) => [`${bin}/python`, 'main.py'],
    workers: 1,
    reload: 'kill',
  },
  {
    name: 'script',
    files: { 'main.py': `${LOOP}work()\n` },
    command: ({ bin }) => [`${bin}/python`, '-X', 'dev', 'main.py'],
    workers: 1,
  },
  {
    name: 'script-subprocess',
    files: {
      'main.py': `${LOOP}import subprocess, threading\ndef run():\n    while True:\n        subprocess.run(["true"])\n        time.sleep(0.02)\nthreading.Thread(target=run, daemon=True).start()\nwork()\n`,
    },
    command: ({ bin }) => [`${bin}/python`, 'main.py'],
    workers: 1,
  },
  {
    name: 'launcher',
    files: {
      'dev.py': 'import subprocess, sys\nwhile True:\n    subprocess.run([sys.executable, "main.py"])\n',
      'main.py': `${LOOP}work()\n`,
    },
    command: ({ bin }) => [`${bin}/python`, 'dev.py'],
    workers: 1,
    reload: 'kill',
  },
  {
    name: 'honcho',
    files: {
      'app.py': ASGI,
      Procfile: 'web: $BIN/uvicorn app:app --reload --port $WEB_PORT\nclock: $BIN/python clock.py\n',
      'clock.py': 'import time\nwhile True:\n    time.sleep(1)\n',
    },
    command: ({ bin }) => [`${bin}/honcho`, 'start'],
    env: ({ bin, port }) => ({ BIN: bin, WEB_PORT: String(port) }),
    http: true,
    workers: 2,
    ...save,
  },
];

/** A server that was started. */
export interface Running {
  place: Place;
  setup: Setup;
  child: ChildProcess;
  pid: number;
  output: () => string;
  /** Pid of the process whose user code answers; null while none does. */
  who: () => Promise<number | null>;
  /** Touches the file so that every reloader sees it. */
  save: (file: string) => Promise<void>;
  /** Ends the whole tree and removes the folder. */
  stop: () => Promise<void>;
}

/** Starts a row in a folder of its own, as leader of a process group of its own. */
export async function start(setup: Setup, bin: string, redis = ''): Promise<Running> {
  const dir = await mkdtemp(join(tmpdir(), `debugwand-${setup.name}-`));
  for (const [name, text] of Object.entries(setup.files)) await writeFile(join(dir, name), text);
  const place: Place = { bin, dir, port: await freePort(), redis };
  const [file = '', ...args] = setup.command(place);
  let output = '';
  const child = spawn(file, args, {
    cwd: dir,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PATH: `${bin}:${process.env['PATH'] ?? ''}`,
      PYTHONDONTWRITEBYTECODE: '1',
      ...setup.env?.(place),
    },
  });
  const collect = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-8000);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const pid = child.pid ?? -1;
  return {
    place,
    setup,
    child,
    pid,
    output: () => output,
    who: () => (setup.http === true ? askHttp(place.port) : lastServed(dir)),
    save: async (file) => {
      await appendFile(join(dir, file), '\n');
      const soon = new Date(Date.now() + 1000);
      await utimes(join(dir, file), soon, soon);
    },
    stop: async () => {
      await endTree(pid);
      await closed;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Kills a process and all below it, also those that left its process group. */
async function endTree(root: number): Promise<void> {
  const doomed = new Set([root]);
  for (let before = 0; before !== doomed.size;) {
    before = doomed.size;
    for (const [pid, ppid] of await parents()) if (doomed.has(ppid)) doomed.add(pid);
    for (const pid of doomed) signal(pid, 'SIGSTOP');
  }
  for (const pid of doomed) signal(pid, 'SIGKILL');
  signal(-root, 'SIGKILL'); // orphans that stayed in the group
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone.
  }
}

async function parents(): Promise<[number, number][]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid): Promise<[number, number][]> => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      const ppid = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
      return ppid === undefined ? [] : [[Number(pid), Number(ppid)]];
    }),
  );
  return found.flat();
}

async function askHttp(port: number): Promise<number | null> {
  try {
    const answer = await fetch(`http://127.0.0.1:${String(port)}/`, { signal: AbortSignal.timeout(2000) });
    const text = await answer.text();
    return /^\d+$/.test(text) ? Number(text) : null;
  } catch {
    return null;
  }
}

async function lastServed(dir: string): Promise<number | null> {
  const text = await readFile(join(dir, 'served'), 'utf8').catch(() => '');
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  return /^\d+$/.test(last) ? Number(last) : null;
}
