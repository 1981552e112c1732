/**
 * Records the trees of the real servers as fixtures of the classifier's tests: `node test/support/record-trees.ts [NAME]`.
 * Paths become neutral, pids and times small and stable; what the classifier looks at stays as the kernel gave it.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { format } from 'prettier';
import type { ProcessInfo } from '../../src/core/types.ts';
import { ALL_PACKAGES } from './packages.ts';
import { python, venv } from './python.ts';
import { startRedis } from './redis.ts';
import { SETUPS, start, type Running, type Setup } from './servers.ts';
import { Tree } from './tree.ts';
import { until } from './until.ts';

/** Only recorded, never run by a test: titles, test runners, other people's supervisors. */
const MORE_PACKAGES = [
  ...ALL_PACKAGES,
  'debugpy==1.8.22',
  'execnet==2.1.2',
  'iniconfig==2.3.0',
  'pluggy==1.6.0',
  'pygments==2.20.0',
  'pytest==9.1.1',
  'pytest-xdist==3.8.0',
  'setproctitle==1.3.7',
  'supervisor==4.3.0',
];

const LOOP = 'import os, time\nwhile True:\n    open("served", "a").write(f"{os.getpid()}\\n")\n    time.sleep(0.05)\n';

const MORE: readonly Setup[] = [
  { ...row('gunicorn'), name: 'gunicorn-titles' },
  { ...row('celery-beat'), name: 'celery-titles' },
  {
    name: 'pytest-xdist',
    files: {
      'test_it.py': `import pytest\n@pytest.mark.parametrize("n", [1, 2])\ndef test_it(n):\n    ${LOOP.replaceAll('\n', '\n    ')}`,
    },
    command: ({ bin }) => [`${bin}/pytest`, '-n', '2'],
    workers: 2,
  },
  {
    name: 'debugpy-listen',
    files: { 'main.py': `import debugpy\ndebugpy.listen(0)\n${LOOP}` },
    command: ({ bin }) => [`${bin}/python`, '-Xfrozen_modules=off', 'main.py'],
    workers: 1,
  },
  {
    name: 'debugpy-module',
    files: { 'main.py': LOOP },
    command: ({ bin, port }) => [
      `${bin}/python`,
      '-Xfrozen_modules=off',
      '-m',
      'debugpy',
      '--listen',
      String(port),
      'main.py',
    ],
    workers: 1,
  },
  {
    name: 'supervisord',
    files: {
      'main.py': LOOP,
      'supervisord.conf':
        '[supervisord]\nnodaemon=true\n[program:site]\ncommand=python main.py\n[program:other]\ncommand=python -c "import time; time.sleep(1000)"\n',
    },
    command: ({ bin }) => [`${bin}/supervisord`, '-c', 'supervisord.conf'],
    workers: 2,
  },
];

function row(name: string): Setup {
  const found = SETUPS.find((setup) => setup.name === name);
  if (found === undefined) throw new Error(`no such row: ${name}`);
  return found;
}

/** A snapshot for a fixture file, with the pids that user code reported where it does so. */
interface Recorded {
  processes: ProcessInfo[];
  /** Pid of the process whose user code answered, as renumbered. */
  served: number | null;
}

function neutral(
  processes: readonly ProcessInfo[],
  served: number | null,
  places: readonly [string, string][],
): Recorded {
  const pids = new Map(processes.map((process, index) => [process.pid, 10 + index]));
  const execs = new Map<string, string>([['0', '0']]);
  const first = Math.min(...processes.map((process) => process.startTime));
  const path = (text: string): string => places.reduce((now, [from, to]) => now.replaceAll(from, to), text);
  return {
    processes: processes.map((process) => {
      if (!execs.has(process.execId)) execs.set(process.execId, String(1000 + execs.size));
      return {
        ...process,
        pid: pids.get(process.pid) ?? 0,
        ppid: pids.get(process.ppid) ?? 1,
        startTime: 1000 + process.startTime - first,
        execId: execs.get(process.execId) ?? '0',
        cmdline: process.cmdline.map((word) => path(word).replace(/^[0-9a-f]{64}$/, 'token')),
        exe: process.exe === null ? null : path(process.exe),
        cwd: process.cwd === null ? null : path(process.cwd),
      };
    }),
    served: served === null ? null : (pids.get(served) ?? null),
  };
}

async function steady(tree: Tree, running: Running): Promise<void> {
  const enough = (): boolean =>
    tree.classification().processes.filter((p) => p.role === 'worker').length >= running.setup.workers;
  await tree.until(enough, `${running.setup.name} has its workers`);
  const old = (): boolean => tree.processes.every((p) => p.ageMs > 1500);
  await until(old, `${running.setup.name} stays as it is`, 30_000);
}

async function record(setup: Setup, bin: string, native: string, redis: string): Promise<void> {
  const running = await start(setup, bin, redis);
  const tree = new Tree(await python('3.14'), { kind: 'descendants', roots: [running.pid] });
  const places: [string, string][] = [
    [running.place.dir, '/app'],
    [dirname(bin), '/venv'],
    [native, '/usr'],
    [String(running.place.port), '8000'],
  ];
  try {
    await steady(tree, running);
    await save(setup.name, neutral(tree.processes, await running.who(), places));
    if (setup.reload === 'hup') {
      // The moment in which both generations are there.
      const before = new Set(tree.processes.map((p) => p.pid));
      const most = (): ProcessInfo[] | null =>
        tree.events.flatMap((e) =>
          e.event === 'processes' && e.processes.length >= before.size + setup.workers ? [e.processes] : [],
        )[0] ?? null;
      process.kill(running.pid, 'SIGHUP');
      const overlap = await until(most, `${setup.name} overlaps`).catch(() => null);
      if (overlap !== null) await save(`${setup.name}-hup`, neutral(overlap, null, places));
      else process.stderr.write(`${setup.name}: both generations were never seen together\n`);
    }
  } catch (error) {
    process.stderr.write(`${setup.name}: ${String(error)}\n${running.output()}\n`);
  } finally {
    await tree.close();
    await running.stop();
  }
}

async function save(name: string, recorded: Recorded): Promise<void> {
  const folder = join(import.meta.dirname, '../fixtures/trees');
  await mkdir(folder, { recursive: true });
  const text = await format(JSON.stringify(recorded), { parser: 'json', printWidth: 120 });
  await writeFile(join(folder, `${name}.json`), text);
  process.stdout.write(`${name}: ${String(recorded.processes.length)} processes\n`);
}

const wanted = new RegExp(process.argv[2] ?? '.');
const native = dirname(dirname(await python('3.14')));
const redis = await startRedis();
for (const setup of SETUPS) {
  if (wanted.test(setup.name)) await record(setup, join(await venv('3.14', ALL_PACKAGES), 'bin'), native, redis.url);
}
for (const setup of MORE) {
  if (wanted.test(setup.name)) await record(setup, join(await venv('3.14', MORE_PACKAGES), 'bin'), native, redis.url);
}
await redis.stop();
