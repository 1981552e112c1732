import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify } from '../../../src/core/classify.ts';
import type { Classification, ProcessInfo, Role } from '../../../src/core/types.ts';
import { processInfo, PYTHON, recordedTree } from '../../support/process-info.ts';

/** W worker, S supervisor, H helper, R wrapper, T tool; in order of age. */
const LETTERS: Readonly<Record<Role, string>> = { worker: 'W', supervisor: 'S', helper: 'H', wrapper: 'R', tool: 'T' };

function withoutMark(process: ProcessInfo): ProcessInfo {
  const copy: { forked?: boolean } & ProcessInfo = { ...process };
  delete copy.forked;
  return copy;
}

function letters(now: Classification): string {
  return now.processes.map((process) => LETTERS[process.role]).join('');
}

/** Fixture, roles, the chosen one's reason. */
const RECORDED: readonly [string, string, string][] = [
  ['uvicorn', 'W', 'uvicorn without --reload or --workers runs the app in its own process'],
  ['uvicorn-reload', 'SHW', 'spawned by the uvicorn reloader 10'],
  ['uvicorn-workers', 'SHWWW', 'spawned by the uvicorn supervisor 10'],
  ['uvicorn-script', 'SHW', 'spawned by app.py 10'],
  ['uvicorn-shell', 'RSHW', 'spawned by the uvicorn reloader 11'],
  ['uvicorn-pool', 'SHWW', 'spawned by the uvicorn reloader 10'],
  ['hypercorn', 'SHW', 'spawned by the hypercorn supervisor 10'],
  ['hypercorn-reload', 'SHW', 'spawned by the hypercorn supervisor 10'],
  ['hypercorn-workers', 'SHWW', 'spawned by the hypercorn supervisor 10'],
  ['gunicorn', 'SWW', 'forked by the gunicorn arbiter 10'],
  ['gunicorn-hup', 'SWWWW', 'forked by the gunicorn arbiter 10'],
  ['gunicorn-titles', 'SWW', 'forked by the gunicorn arbiter 10'],
  ['gunicorn-titles-hup', 'SWWWW', 'forked by the gunicorn arbiter 10'],
  ['gunicorn-reload', 'SW', 'forked by the gunicorn arbiter 10'],
  ['gunicorn-uvicorn', 'SWW', 'forked by the gunicorn arbiter 10'],
  ['gunicorn-conf-hup', 'SWWWW', 'forked by the gunicorn arbiter 10'],
  ['gunicorn-conf', 'SWW', 'forked by the gunicorn arbiter 10'],
  ['flask', 'W', 'flask without its reloader runs the app in its own process'],
  ['flask-debug', 'SHWH', 'started by the flask reloader 10'],
  ['flask-script', 'SHWH', 'the copy that app.py 10 restarts'],
  ['django', 'SW', 'started by the django reloader 10'],
  ['django-noreload', 'W', 'runserver --noreload runs the app in its own process'],
  ['watchfiles-command', 'SW', 'started by watchfiles 10'],
  ['watchfiles-function', 'SHW', 'spawned by watchfiles 10'],
  ['celery-prefork', 'SWW', 'a pool child of the celery main process 10: tasks run here'],
  ['celery-solo', 'W', 'celery with pool solo runs tasks in its own process'],
  ['celery-threads', 'W', 'celery with pool threads runs tasks in its own process'],
  ['celery-beat', 'SWWW', 'a pool child of the celery main process 10: tasks run here'],
  ['celery-titles', 'SWWW', 'a pool child of the celery main process 10: tasks run here'],
  ['watchmedo', 'SSWW', 'a pool child of the celery main process 11: tasks run here'],
  ['forkserver', 'SHHWW', 'forked by the multiprocessing forkserver 12 of main.py 10'],
  ['fork', 'SW', 'forked by main.py 10'],
  ['script', 'W', 'main.py runs user code: it has no workers'],
  ['script-subprocess', 'W', 'main.py runs user code: it has no workers'],
  ['launcher', 'SW', 'started by dev.py 10'],
  ['honcho', 'RHHRRRRSWHW', 'spawned by the uvicorn reloader 17'],
  ['supervisord', 'RWW', 'main.py runs user code: it has no workers (under supervisord 10)'],
  ['pytest-xdist', 'SWW', 'started by the pytest-xdist controller 10'],
  ['debugpy-listen', 'WT', 'main.py runs user code: it has no workers'],
  ['debugpy-module', 'WT', 'main.py runs user code: it has no workers'],
];

describe('recorded trees', () => {
  test.each(RECORDED)('%s: %s', (name, roles, reason) => {
    const now = classify(recordedTree(name).processes, 'auto');
    expect(letters(now)).toBe(roles);
    expect(now.chosen?.role).toBe('worker');
    expect(now.chosen?.reason).toBe(reason);
  });

  test.each(RECORDED)('%s: the same where the kernel lets us see command lines only', (name, roles) => {
    const { processes } = recordedTree(name);
    const known = classify(processes, 'auto').chosen?.pid;
    const unmarked = processes.map(withoutMark);
    expect(classify(unmarked, 'auto').chosen?.pid).toBe(known);
    const blind = processes.map((process) => ({ ...process, execId: '0', exe: null, environ: null }));
    expect(letters(classify(blind, 'auto'))).toBe(roles);
    expect(classify(blind, 'auto').chosen?.pid).toBe(known);
  });

  test('every fixture has its row', () => {
    const files = readdirSync(join(import.meta.dirname, '../../fixtures/trees')).map((file) =>
      file.replace('.json', ''),
    );
    expect(RECORDED.map(([name]) => name).sort()).toEqual(files.sort());
  });

  test.each(RECORDED.map(([name]) => name))('%s: whoever served is a worker', (name) => {
    const { processes, served } = recordedTree(name);
    const now = classify(processes, 'auto');
    if (served !== null) expect(now.processes.find((process) => process.pid === served)?.role).toBe('worker');
    else expect(name).toMatch(/celery|watchmedo|-hup/); // nobody was asked
  });

  test('during a HUP the chosen one is of the new generation', () => {
    for (const name of ['gunicorn-hup', 'gunicorn-conf-hup', 'gunicorn-titles-hup']) {
      const { processes } = recordedTree(name);
      expect(classify(processes, 'auto').chosen?.pid).toBe(13);
      const old = processes[1];
      if (name === 'gunicorn-hup') expect(classify(processes, 'auto', old).chosen?.pid).toBe(13);
    }
  });
});

const PY = 'python3.14';
const SPAWN = [
  PY,
  '-c',
  'from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5, pipe_handle=7)',
  '--multiprocessing-fork',
];
const TRACKER = [PY, '-c', 'from multiprocessing.resource_tracker import main;main(4)'];

/** Trees that were not recorded: what needs no network, no root, no exotic tool to write down. */
const WRITTEN: readonly [string, readonly ProcessInfo[], string, string][] = [
  [
    'fastapi dev',
    [
      processInfo(10, 1, `${PY} /venv/bin/fastapi dev main.py`),
      processInfo(11, 10, TRACKER),
      processInfo(12, 10, SPAWN),
    ],
    'SHW',
    'spawned by the fastapi reloader 10',
  ],
  [
    'fastapi run',
    [processInfo(10, 1, `${PY} /venv/bin/fastapi run main.py`)],
    'W',
    'fastapi run, one worker: the app is in its own process',
  ],
  [
    'fastapi run --workers 2',
    [processInfo(10, 1, `${PY} -m fastapi run --workers 2`), processInfo(12, 10, SPAWN), processInfo(13, 10, SPAWN)],
    'SWW',
    'spawned by the fastapi supervisor 10',
  ],
  [
    'uvicorn by environment',
    [
      processInfo(10, 1, `${PY} -m uvicorn app:app`, { environ: { UVICORN_RELOAD: 'true' } }),
      processInfo(12, 10, SPAWN),
    ],
    'SW',
    'spawned by the uvicorn reloader 10',
  ],
  [
    'WEB_CONCURRENCY',
    [processInfo(10, 1, `${PY} -m uvicorn app:app`, { environ: { WEB_CONCURRENCY: '2' } }), processInfo(12, 10, SPAWN)],
    'SW',
    'spawned by the uvicorn supervisor 10',
  ],
  [
    'uvicorn alone, its app has a pool',
    [processInfo(10, 1, `${PY} -m uvicorn app:app`), processInfo(11, 10, TRACKER), processInfo(12, 10, SPAWN)],
    'WHW',
    'uvicorn without --reload or --workers runs the app in its own process',
  ],
  [
    'tini',
    [
      processInfo(1, 0, 'tini -- uvicorn'),
      processInfo(7, 1, `${PY} /usr/local/bin/uvicorn app:app --reload`),
      processInfo(9, 7, SPAWN),
    ],
    'RSW',
    'spawned by the uvicorn reloader 7',
  ],
  [
    'dumb-init and sh',
    [
      processInfo(1, 0, 'dumb-init sh -c x'),
      processInfo(7, 1, 'sh -c x'),
      processInfo(8, 7, `${PY} /usr/local/bin/gunicorn app`),
      processInfo(9, 8, `${PY} /usr/local/bin/gunicorn app`, { execId: '5008' }),
    ],
    'RRSW',
    'forked by the gunicorn arbiter 8',
  ],
  [
    'gunicorn --user: what is another user’s cannot be read',
    [
      processInfo(10, 1, `${PY} /usr/local/bin/gunicorn --user 1000 app`),
      processInfo(11, 10, `${PY} /usr/local/bin/gunicorn --user 1000 app`, {
        uid: 1000,
        execId: '0',
        exe: null,
        environ: null,
      }),
    ],
    'SW',
    'forked by the gunicorn arbiter 10',
  ],
  [
    'uv run',
    [
      processInfo(10, 1, 'uv run uvicorn app:app --reload'),
      processInfo(11, 10, `${PY} /app/.venv/bin/uvicorn app:app --reload`),
      processInfo(12, 11, SPAWN),
    ],
    'RSW',
    'spawned by the uvicorn reloader 11',
  ],
  [
    'poetry run',
    [processInfo(10, 1, `${PY} /usr/bin/poetry run python main.py`), processInfo(11, 10, `${PY} main.py`)],
    'RW',
    'main.py runs user code: it has no workers (under poetry 10)',
  ],
  [
    'pdm and hatch',
    [
      processInfo(10, 1, `${PY} -m pdm run dev`),
      processInfo(11, 10, `${PY} /usr/bin/hatch run serve`),
      processInfo(12, 11, `${PY} -m flask run`),
    ],
    'RRW',
    'flask without its reloader runs the app in its own process (under hatch 11)',
  ],
  [
    'npm and concurrently',
    [
      processInfo(10, 1, 'npm run dev'),
      processInfo(11, 10, 'sh -c concurrently'),
      processInfo(12, 11, 'node /x/concurrently'),
      processInfo(13, 12, 'sh -c django'),
      processInfo(14, 13, `${PY} manage.py runserver`),
      processInfo(15, 14, `${PY} manage.py runserver`, { environ: { RUN_MAIN: 'true' } }),
      processInfo(16, 12, 'node vite'),
    ],
    'RRRRSWT',
    'started by the django reloader 14',
  ],
  [
    'django as a module',
    [
      processInfo(10, 1, `${PY} -m django runserver 8000`),
      processInfo(11, 10, `${PY} -m django runserver 8000`, { environ: { RUN_MAIN: 'true' } }),
    ],
    'SW',
    'started by the django reloader 10',
  ],
  [
    'flask by FLASK_DEBUG',
    [
      processInfo(10, 1, `${PY} -m flask run`, { environ: { FLASK_DEBUG: '1' } }),
      processInfo(11, 10, `${PY} -m flask run`, { environ: { FLASK_DEBUG: '1', WERKZEUG_RUN_MAIN: 'true' } }),
    ],
    'SW',
    'started by the flask reloader 10',
  ],
  [
    'streamlit',
    [processInfo(10, 1, `${PY} /venv/bin/streamlit run app.py`)],
    'W',
    'streamlit runs the app in its own process',
  ],
  ['pytest', [processInfo(10, 1, `${PY} -m pytest -x tests`)], 'W', 'pytest runs the tests in its own process'],
  [
    'python -m of a package',
    [processInfo(10, 1, `${PY} -X dev -W error -m shop.worker --fast`)],
    'W',
    'shop.worker runs user code: it has no workers',
  ],
  [
    'coverage run',
    [processInfo(10, 1, `${PY} -m coverage run --branch main.py`)],
    'W',
    'main.py runs user code: it has no workers',
  ],
  [
    'gunicorn upgraded (USR2)',
    [
      processInfo(10, 1, `${PY} /bin/gunicorn a:b`),
      processInfo(11, 10, `${PY} /bin/gunicorn a:b`, { execId: '5010' }),
      processInfo(12, 10, `${PY} /bin/gunicorn a:b`, { environ: { GUNICORN_PID: '10' } }),
      processInfo(13, 12, `${PY} /bin/gunicorn a:b`, { execId: '5012' }),
    ],
    'SWSW',
    'forked by the gunicorn arbiter 10',
  ],
  [
    'gunicorn, nothing to be seen but command lines',
    [
      processInfo(10, 1, `${PY} /bin/gunicorn a:b`, { execId: '0', exe: null, environ: null }),
      processInfo(11, 10, `${PY} /bin/gunicorn a:b`, { execId: '0', exe: null, environ: null }),
    ],
    'SW',
    'forked by the gunicorn arbiter 10',
  ],
  [
    'uwsgi',
    [
      processInfo(10, 1, 'uwsgi --http :8000', { python: PYTHON }),
      processInfo(11, 10, 'uwsgi --http :8000', { python: PYTHON, execId: '5010' }),
    ],
    'SW',
    'forked by uwsgi 10',
  ],
  [
    'granian',
    [processInfo(10, 1, `${PY} /bin/granian app:app`), processInfo(11, 10, SPAWN)],
    'SW',
    'spawned by the granian supervisor 10',
  ],
  [
    'an orphan of a killed reloader',
    [processInfo(12, 1, SPAWN)],
    'W',
    'a multiprocessing child whose parent is gone or not of this target',
  ],
  [
    'a launcher behind a shell',
    [processInfo(10, 1, `${PY} dev.py`), processInfo(11, 10, 'sh -c x'), processInfo(12, 11, `${PY} main.py`)],
    'SRW',
    'main.py runs user code: it has no workers (under sh 11)',
  ],
];

describe('written trees', () => {
  test.each(WRITTEN)('%s', (_name, processes, roles, reason) => {
    const now = classify(processes, 'auto');
    expect(letters(now)).toBe(roles);
    expect(now.chosen?.reason).toBe(reason);
  });
});

/** Nothing may be chosen, and this is why. */
const NONE: readonly [string, readonly ProcessInfo[], string][] = [
  ['nothing at all', [], 'no process of the target was found'],
  ['no Python', [processInfo(1, 0, 'nginx -g x'), processInfo(5, 1, 'sh')], 'no Python process among 2 (nginx, sh)'],
  [
    'a reloader whose worker died',
    [processInfo(10, 1, `${PY} -m uvicorn app:app --reload`), processInfo(11, 10, TRACKER)],
    'the uvicorn reloader 10 has no worker at the moment',
  ],
  [
    'an arbiter on its own',
    [processInfo(10, 1, `${PY} /bin/gunicorn a:b`)],
    'the gunicorn arbiter 10 has no worker at the moment',
  ],
  [
    'celery before its pool',
    [processInfo(10, 1, `${PY} -m celery -A x worker`)],
    'the celery main process 10 has no worker at the moment',
  ],
  ['only a tool', [processInfo(10, 1, `${PY} -m pip install x`)], 'no worker among 1 Python process (pip 10)'],
  [
    'a site restarts, a clock runs',
    [processInfo(10, 1, `${PY} -m uvicorn app:app --reload`), processInfo(12, 1, `${PY} clock.py`)],
    'the uvicorn reloader 10 has no worker at the moment',
  ],
  [
    'a spawn caught between fork and exec',
    [
      processInfo(10, 1, `${PY} -m uvicorn app:app --reload`),
      processInfo(12, 10, `${PY} -m uvicorn app:app --reload`, { execId: '5010', ageMs: 3 }),
    ],
    'the uvicorn reloader 10 has no worker at the moment',
  ],
];

test.each(NONE)('none is chosen: %s', (_name, processes, why) => {
  const now = classify(processes, 'auto');
  expect(now.chosen).toBeNull();
  expect(now.why).toBe(why);
});

function arbiter(...args: string[]): ProcessInfo {
  return processInfo(10, 1, [PY, '/bin/gunicorn', ...args, 'a:b']);
}

function forked(pid: number, ageMs: number, of = arbiter()): ProcessInfo {
  return processInfo(pid, 10, of.cmdline, { execId: of.execId, ageMs, startTime: 1_000_000 - ageMs / 10 });
}

describe('stability', () => {
  const four = [arbiter('-w', '4'), ...[11, 12, 13, 14].map((pid) => forked(pid, 60_000 - pid, arbiter('-w', '4')))];

  test('several workers: the first, and why says how to choose another', () => {
    const now = classify(four, 'auto');
    expect(now.chosen?.pid).toBe(11);
    expect(now.why).toBe('worker 11, one of 4 workers of the gunicorn arbiter 10; override with process:');
  });

  test('the last worker is kept while it lives', () => {
    expect(classify(four, 'auto', four[3]).chosen?.pid).toBe(13);
  });

  test('a pid that was reused is not the last worker', () => {
    expect(classify(four, 'auto', { pid: 13, startTime: 7 }).chosen?.pid).toBe(11);
  });

  test('one worker crashed and was replaced: the others are kept', () => {
    const crashed = [...four.slice(0, 4), forked(19, 50, arbiter('-w', '4'))];
    expect(classify(crashed, 'auto', four[2]).chosen?.pid).toBe(12);
    expect(classify(crashed, 'auto', four[4]).chosen?.pid).toBe(19);
  });

  test.each([
    ['-w 2', ['-w', '2']],
    ['a config file', ['-c', 'conf.py']],
  ])('a generation that was replaced is left, number of workers from %s', (_name, args) => {
    const old = [forked(11, 60_000, arbiter(...args)), forked(12, 59_950, arbiter(...args))];
    const young = [forked(21, 120, arbiter(...args)), forked(22, 20, arbiter(...args))];
    const during = [arbiter(...args), ...old, ...young];
    expect(classify([arbiter(...args), ...old], 'auto', old[1]).chosen?.pid).toBe(12);
    expect(classify(during, 'auto', old[1]).chosen?.pid).toBe(21);
    expect(classify(during, 'auto', young[1]).chosen?.pid).toBe(22);
  });

  test('gunicorn of a config file: what replaces one worker replaces no generation', () => {
    const args = ['-c', 'conf.py'];
    const [one, two] = [forked(11, 60_000, arbiter(...args)), forked(12, 60_000, arbiter(...args))];
    const three = forked(21, 20, arbiter(...args));
    const { kept } = classify([arbiter(...args), one, two], 'auto');
    expect(kept).toEqual({ by: 10, count: 2 });
    const alone = classify([arbiter(...args), two], 'auto', two, kept);
    const after = classify([arbiter(...args), two, three], 'auto', two, alone.kept);
    expect([after.chosen?.pid, after.crew]).toEqual([12, [12, 21]]);
    // But a HUP does.
    const four = forked(22, 20, arbiter(...args));
    const during = classify([arbiter(...args), one, two, three, four], 'auto', two, kept);
    expect(during).toMatchObject({ crew: [21, 22], kept: { count: 2 } });
    expect(classify([arbiter(...args), two, three, four], 'auto', three, during.kept).crew).toEqual([21, 22]);
  });

  test('gunicorn that was scaled up keeps its older workers', () => {
    const old = [forked(11, 60_000, arbiter('-w', '2')), forked(12, 60_000, arbiter('-w', '2'))];
    const added = [arbiter('-w', '2'), ...old, forked(21, 20, arbiter('-w', '2'))];
    expect(classify(added, 'auto', old[0])).toMatchObject({ chosen: { pid: 11 }, crew: [11, 12, 21] });
    const single = [arbiter('-w', '1'), forked(11, 60_000, arbiter('-w', '1')), forked(21, 20, arbiter('-w', '1'))];
    expect(classify(single, 'auto').crew).toEqual([21]);
    const later = single.map((process) => ({ ...process, ageMs: process.ageMs + 11_000 }));
    expect(classify(later, 'auto').crew).toEqual([11, 21]);
  });

  test('of two servers the one that was followed is awaited, not left for the other', () => {
    const first = [processInfo(10, 1, `${PY} -m uvicorn a:a --reload`), processInfo(11, 10, SPAWN)];
    const second = [processInfo(20, 1, `${PY} -m uvicorn b:b --reload`), processInfo(21, 20, SPAWN)];
    expect(classify([...first, ...second], 'auto').chosen?.pid).toBe(11);
    expect(classify([...first.slice(0, 1), ...second], 'auto', first[1]).chosen).toBeNull();
    expect(classify([...first.slice(0, 1), processInfo(12, 10, SPAWN), ...second], 'auto', first[1]).chosen?.pid).toBe(
      12,
    );
    expect(classify(second, 'auto', first[1]).chosen?.pid).toBe(21);
  });

  test('a script that reloads by itself waits for its next worker, however long', () => {
    const script = processInfo(10, 1, `${PY} main.py`);
    const worker = processInfo(12, 10, SPAWN);
    expect(classify([script, worker], 'auto').chosen?.pid).toBe(12);
    const alone = classify([script, processInfo(11, 10, TRACKER)], 'auto', worker);
    expect(alone.chosen).toBeNull();
    expect(alone.why).toBe('main.py 10 has no worker at the moment');
    expect(classify([{ ...script, startTime: 999_999 }], 'auto', worker).chosen?.pid).toBe(10); // another one, started later
  });

  test('a program that starts a job later stays the worker; a launcher does not', () => {
    const main = processInfo(10, 1, `${PY} main.py`, { ageMs: 60_000 });
    const job = (ageMs: number): ProcessInfo => processInfo(11, 10, `${PY} job.py`, { ageMs });
    expect(classify([main, job(500)], 'auto', main).chosen?.pid).toBe(10);
    expect(classify([main, job(59_900)], 'auto', main).chosen?.pid).toBe(11);
  });

  test('a fork of an unknown program counts once it has lasted', () => {
    const main = processInfo(10, 1, `${PY} main.py`);
    const child = (ageMs: number): ProcessInfo => processInfo(11, 10, `${PY} main.py`, { execId: main.execId, ageMs });
    expect(letters(classify([main, child(5)], 'auto'))).toBe('WH');
    expect(letters(classify([main, child(150)], 'auto'))).toBe('SW');
  });
});

describe('which program', () => {
  const old = { ...PYTHON, version: '3.11', remoteDebug: 'unsupported' as const };
  const off = { ...PYTHON, remoteDebug: 'off' as const };

  test('one that cannot be entered is chosen only where nothing else is there', () => {
    const script = processInfo(20, 1, `${PY} main.py`);
    for (const python of [old, off]) {
      const site = processInfo(10, 1, `${PY} -m uvicorn a:a`, { python });
      expect(classify([site, script], 'auto').chosen?.pid).toBe(20);
      expect(classify([site], 'auto').chosen?.pid).toBe(10);
    }
    const reloader = processInfo(10, 1, `${PY} -m uvicorn a:a --reload`, { python: old });
    expect(classify([reloader, script], 'auto').chosen?.pid).toBe(20);
  });

  test('what came by docker exec comes after the own command of the container', () => {
    const app = processInfo(1, 0, `${PY} main.py`);
    const visitor = processInfo(30, 0, `${PY} -m uvicorn a:a`);
    expect(classify([app, visitor], 'auto').chosen?.pid).toBe(1);
    expect(classify([visitor], 'auto').chosen?.pid).toBe(30); // the container's own command is a sleep
  });

  test('a site comes before tasks, tasks before scripts, scripts before one-liners', () => {
    const line = processInfo(10, 1, [PY, '-c', 'import time']);
    const script = processInfo(11, 1, `${PY} clock.py`);
    const tasks = processInfo(12, 1, `${PY} -m celery worker -P solo`);
    const site = processInfo(13, 1, `${PY} -m uvicorn a:a`);
    const order = [line, script, tasks, site];
    for (let count = 1; count <= order.length; count += 1) {
      expect(classify(order.slice(0, count), 'auto').chosen?.pid).toBe(9 + count);
    }
    expect(classify(order, 'auto').why).toContain('one of 4 programs with user code, override with process:');
  });
});

describe('the override', () => {
  const tree = [
    processInfo(10, 1, `${PY} -m uvicorn a:a --reload`),
    processInfo(11, 10, TRACKER),
    processInfo(12, 10, SPAWN),
    processInfo(20, 1, `${PY} clock.py --slow`),
    processInfo(30, 1, 'sh -c x'),
  ];

  test.each([
    [{ pid: 20 }, 20, 'chosen by process: { pid: 20 }; it is a worker'],
    [{ pid: 10 }, 10, 'chosen by process: { pid: 10 }; it is a supervisor'],
    [{ pid: 99 }, null, 'process: { pid: 99 } names no running process; there are the uvicorn reloader'],
    [{ pid: 30 }, null, 'process: { pid: 30 } is sh, not a Python process'],
    [{ match: 'clock' }, 20, "chosen by process: { match: 'clock' }: worker 20"],
    [
      { match: 'uvicorn' },
      12,
      "chosen by process: { match: 'uvicorn' }: worker 12: spawned by the uvicorn reloader 10",
    ],
    [{ match: 'celery' }, null, "process: { match: 'celery' } matches no process; there are"],
    [{ match: 'resource_tracker' }, null, 'which has no worker at the moment'],
    [{ match: '(' }, null, "process: { match: '(' } is no valid regular expression"],
  ] as const)('%o', (choice, pid, why) => {
    const now = classify(tree, choice);
    expect(now.chosen?.pid ?? null).toBe(pid);
    expect(now.why.replace('uvicorn reloader 10 (supervisor)', 'the uvicorn reloader')).toContain(why);
  });
});

const anyProcess: fc.Arbitrary<ProcessInfo> = fc
  .record({
    pid: fc.integer({ min: 1, max: 12 }),
    ppid: fc.integer({ min: 0, max: 12 }),
    startTime: fc.integer({ min: 1, max: 20 }),
    execId: fc.constantFrom('0', '1', '2', '3'),
    ageMs: fc.integer({ min: 0, max: 200_000 }),
    command: fc.constantFrom<readonly string[]>(
      [PY, '-m', 'uvicorn', 'a:a', '--reload'],
      [PY, '-m', 'uvicorn', 'a:a'],
      [PY, '/bin/gunicorn', '-w', '2', 'a:b'],
      [PY, '-m', 'celery', 'worker', '-B'],
      [PY, 'manage.py', 'runserver'],
      [PY, 'main.py'],
      [PY, '/bin/honcho', 'start'],
      [PY, '-c', 'from multiprocessing.forkserver import main; main(1)'],
      SPAWN,
      TRACKER,
      ['sh', '-c', 'x'],
      [],
    ),
    environ: fc.constantFrom(null, {}, { RUN_MAIN: 'true' }, { WERKZEUG_RUN_MAIN: 'true' }),
    remoteDebug: fc.constantFrom('on', 'off', 'unsupported', null),
  })
  .map(({ pid, ppid, command, remoteDebug, ...rest }) => {
    const made = processInfo(pid, ppid, command, rest);
    return made.python === null ? made : { ...made, python: { ...PYTHON, remoteDebug } };
  });
const anyTree = fc.uniqueArray(anyProcess, { selector: (process) => process.pid, maxLength: 10 });

describe('of any tree', () => {
  test('at most one is chosen, it is a Python worker, and every role has a reason', () => {
    fc.assert(
      fc.property(anyTree, fc.option(anyProcess), (processes, previous) => {
        const now = classify(processes, 'auto', previous);
        expect(now.processes).toHaveLength(processes.length);
        const chosen = now.processes.filter((process) => process.chosen);
        expect(chosen).toEqual(now.chosen === null ? [] : [now.chosen]);
        if (now.chosen !== null) {
          expect(now.chosen.role).toBe('worker');
          expect(now.chosen.python).not.toBeNull();
        }
        for (const process of now.processes) expect(process.reason).not.toBe('');
        expect(now.why).not.toBe('');
      }),
      { numRuns: 500 },
    );
  });

  test('the order of the list does not matter, and the choice is kept by the next look', () => {
    fc.assert(
      fc.property(anyTree, (processes) => {
        const now = classify(processes, 'auto');
        expect(classify(processes.toReversed(), 'auto').chosen?.pid).toBe(now.chosen?.pid);
        expect(classify(processes, 'auto', now.chosen).chosen?.pid).toBe(now.chosen?.pid);
      }),
      { numRuns: 500 },
    );
  });

  test('an override by pid is obeyed where that is a Python process', () => {
    fc.assert(
      fc.property(anyTree, fc.integer({ min: 1, max: 12 }), (processes, pid) => {
        const wanted = processes.find((process) => process.pid === pid && process.python !== null);
        expect(classify(processes, { pid }).chosen?.pid).toBe(wanted?.pid);
      }),
    );
  });
});
