/**
 * The real servers on Python 3.14, watched by the payload and classified by the core: the chosen worker is one that runs
 * user code, and after a reload the next one is noticed within milliseconds and chosen.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProcessInfo } from '../../src/core/types.ts';
import { cpuPercent } from '../../src/core/process-report.ts';
import { getOrSkip, which } from '../support/machine.ts';
import { ALL_PACKAGES } from '../support/packages.ts';
import { olderPythons, python, venv } from '../support/python.ts';
import { startRedis, type Redis } from '../support/redis.ts';
import { run } from '../support/run.ts';
import { SETUPS, start, type Running, type Setup } from '../support/servers.ts';
import { Tree } from '../support/tree.ts';
import { until } from '../support/until.ts';

const environment = await getOrSkip(() => venv('3.14', ALL_PACKAGES));
const watching = (await olderPythons())[0]?.path ?? (await python('3.14'));
const bin = join(environment ?? '', 'bin');
let redis: Redis | undefined;

beforeAll(async () => {
  redis = await getOrSkip(() => startRedis());
});

afterAll(async () => {
  await redis?.stop();
});

function workers(tree: Tree): ProcessInfo[] {
  return tree.classification().processes.filter((process) => process.role === 'worker');
}

/** Runs the body with the server and a watcher; both are gone afterwards. */
async function withServer(setup: Setup, body: (running: Running, tree: Tree) => Promise<void>): Promise<void> {
  const running = await start(setup, bin, redis?.url);
  const tree = new Tree(watching, { kind: 'descendants', roots: [running.pid] });
  try {
    await tree.until(() => workers(tree).length >= setup.workers, `${setup.name} has ${String(setup.workers)} workers`);
    await body(running, tree);
  } catch (error) {
    throw new Error(`${setup.name}: ${tree.describe()}\n${running.output()}`, { cause: error });
  } finally {
    await tree.close();
    await running.stop();
  }
}

/** Somebody answers, and that is a worker; with one worker, the chosen one. */
async function serves(setup: Setup, running: Running, tree: Tree): Promise<number> {
  const served = await until(
    async () => {
      if (setup.redis === true)
        await run(join(bin, 'celery'), ['-A', 'tasks', 'call', 'tasks.who'], {
          cwd: running.place.dir,
          env: { BROKER: running.place.redis },
        });
      const who = await running.who();
      return who !== null && workers(tree).some((worker) => worker.pid === who) ? who : null;
    },
    `${setup.name} is served by a worker`,
    30_000,
  );
  const { chosen } = tree.classification();
  expect(chosen).not.toBeNull();
  if (setup.workers === 1) expect(chosen?.pid).toBe(served);
  return served;
}

/** Makes the old worker go. A reloader watches only some time after its first worker serves: a file is saved again. */
async function provoke(running: Running, tree: Tree, worker: ProcessInfo): Promise<void> {
  const { reload } = running.setup;
  const ended = (): boolean => tree.events.some((event) => event.event === 'exited' && event.pid === worker.pid);
  if (reload === 'hup') process.kill(running.pid, 'SIGHUP');
  else if (reload === 'kill') process.kill(worker.pid, 'SIGKILL');
  else if (reload !== undefined) {
    let saved = -Infinity;
    await until(
      async () => {
        if (ended()) return true;
        if (performance.now() - saved < 2000) return false;
        saved = performance.now();
        await running.save(reload.save);
        return false;
      },
      'a reload',
      30_000,
    );
  }
}

describe.skipIf(environment === undefined)('real servers', () => {
  test.each(SETUPS.map((setup) => [setup.name, setup] as const))(
    '%s',
    async (_name, setup) => {
      if (setup.redis === true && redis === undefined) return;
      await withServer(setup, async (running, tree) => {
        await serves(setup, running, tree);
        const before = tree.followed;
        const known = new Set(tree.processes.map((process) => process.pid));
        if (setup.reload === undefined || before === null) return;
        await provoke(running, tree, before);
        const isNew = (worker: ProcessInfo | null): boolean => worker !== null && worker.startTime > before.startTime;
        const replaced = setup.workers === 1 || setup.reload === 'hup' || typeof setup.reload === 'object';
        await tree.until(
          ({ chosen }) => (replaced ? isNew(chosen) : chosen?.pid !== before.pid && workers(tree).some(isNew)),
          'the next worker',
        );
        // The old one ended before the new one was chosen, or, with gunicorn's HUP, soon after.
        await until(
          () => tree.events.some((e) => e.event === 'exited' && e.pid === before.pid),
          'the end of the old one',
          20_000,
        );
        await until(() => workers(tree).length >= setup.workers, 'as many workers as before');
        if (setup.reload === 'kill') {
          expect(tree.events.find((e) => e.event === 'exited' && e.pid === before.pid)).toMatchObject({ signal: 9 });
        }
        // Noticed at once: the kernel counts the start in steps of 10 ms.
        const next = workers(tree).map((worker) => worker.pid);
        // celery replaces a dead child whenever it gets to it: that fork is found by the next look, every 50 ms or so.
        const soon = setup.name.startsWith('celery') ? 250 : 100;
        expect(firstReport(tree, ({ pid }) => next.includes(pid) && !known.has(pid))).toBeLessThan(soon);
        await serves(setup, running, tree);
        const everChosen = new Set(tree.chosen.map((process) => process.pid));
        const supervisors = tree.classification().processes.filter((process) => process.role !== 'worker');
        // A script of its own cannot be told from a supervisor before it has its first worker.
        if (!/script|honcho|^fork|launcher/.test(setup.name))
          for (const one of supervisors) expect(everChosen).not.toContain(one.pid);
      });
    },
    90_000,
  );
});

/** Age in ms of the youngest such process when it was first told. */
function firstReport(tree: Tree, wanted: (process: ProcessInfo) => boolean): number {
  for (const event of tree.events) {
    if (event.event !== 'processes') continue;
    const found = event.processes.find(wanted);
    if (found !== undefined) return found.ageMs;
  }
  return Infinity;
}

describe.skipIf(environment === undefined)('figures', () => {
  test.skipIf(which('ps') === undefined)(
    'CPU and memory are those of ps',
    async () => {
      const setup = SETUPS.find(({ name }) => name === 'uvicorn-workers');
      if (setup === undefined) throw new Error('no such row');
      await withServer(setup, async (running, tree) => {
        await serves(setup, running, tree);
        const steady = (): boolean => tree.processes.every((p) => p.ageMs > 3000);
        await until(steady, 'CPU time of the start matters less', 20_000);
        for (const process of tree.processes) {
          const line = await run('ps', ['-o', 'rss=,pcpu=,args=', '-p', String(process.pid)]);
          const [rss = '', percent = '', ...args] = line.trim().split(/\s+/);
          expect(Math.abs(Number(rss) * 1024 - process.rssBytes)).toBeLessThan(3 * 1024 * 1024);
          expect(Math.abs(Number(percent) - cpuPercent(process.cpuSeconds, process.ageMs))).toBeLessThan(8);
          expect(args.join(' ')).toBe(process.cmdline.join(' '));
        }
      });
    },
    60_000,
  );
});
