/** The payload's watcher by itself: on every Python it may meet, and with each way of noticing taken away. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { afterAll, describe, expect, test } from 'vitest';
import type { ProcessInfo, Scope } from '../../src/core/types.ts';
import { getOrSkip } from '../support/machine.ts';
import { olderPythons, python, type Interpreter } from '../support/python.ts';
import { Tree, type TreeEvent } from '../support/tree.ts';
import { until } from '../support/until.ts';

const target = await getOrSkip(() => python('3.14'));
const newer = await getOrSkip(async () => [
  { version: '3.14', path: await python('3.14') },
  { version: '3.15', path: await python('3.15') },
]);
const interpreters: Interpreter[] = [...(await olderPythons()), ...(newer ?? [])];

/** The program of family.py. */
class Family {
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  constructor(program: string) {
    this.#child = spawn(program, ['-W', 'ignore', join(import.meta.dirname, '../support/family.py')], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    });
    if (this.#child.stdout === null) throw new Error('stdout is a pipe');
    this.#lines = createInterface(this.#child.stdout);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  async does(command: string): Promise<number> {
    const answer = once(this.#lines, 'line');
    this.#child.stdin?.write(`${command}\n`);
    const [line] = (await answer) as [string];
    return Number(line);
  }

  stop(): void {
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // It is gone.
    }
  }
}

function find(tree: Tree, pid: number): ProcessInfo | undefined {
  return tree.processes.find((process) => process.pid === pid);
}

function exitOf(tree: Tree, pid: number): (TreeEvent & { event: 'exited' }) | undefined {
  return tree.events.flatMap((event) => (event.event === 'exited' && event.pid === pid ? [event] : []))[0];
}

const families: Family[] = [];
afterAll(() => {
  for (const family of families) family.stop();
});

async function watched(
  watcher: string,
  without: readonly string[],
  body: (family: Family, tree: Tree) => Promise<void>,
  scope: (family: Family) => Scope = ({ pid }) => ({ kind: 'descendants', roots: [pid] }),
): Promise<void> {
  const family = new Family(target ?? '');
  families.push(family);
  const tree = new Tree(watcher, scope(family), 'auto', without);
  try {
    await until(() => find(tree, family.pid), 'the family is seen');
    await body(family, tree);
  } finally {
    await tree.close();
    family.stop();
  }
}

const WITHOUT: readonly (readonly string[])[] = [
  ['pidfd'],
  ['inotify'],
  ['loadavg'],
  ['children'],
  ['loadavg', 'children'],
  ['pidfd', 'inotify', 'loadavg', 'children'],
];

const rows: [string, string, readonly string[]][] = [
  ...interpreters.map(({ version, path }): [string, string, readonly string[]] => [`Python ${version}`, path, []]),
  ...WITHOUT.map((without): [string, string, readonly string[]] => [
    `without ${without.join(', ')}`,
    target ?? '',
    without,
  ]),
];

describe.skipIf(target === undefined).each(rows)('%s', (_name, watcher, without) => {
  test('forks, spawns, ends, orphans', async () => {
    await watched(watcher, without, async (family, tree) => {
      for (const command of ['fork', 'fork in a thread', 'spawn']) {
        const pid = await family.does(command);
        const seen = await until(() => find(tree, pid), `${command}: ${String(pid)} is told`);
        expect(seen.ppid).toBe(family.pid);
        expect(seen.python).toMatchObject({ version: '3.14.8', remoteDebug: 'on', abi: 'cp314', libc: 'glibc' });
        process.kill(pid, 'SIGKILL'); // and is not reaped: a zombie has ended, too
        const exit = await until(() => exitOf(tree, pid), `${command}: the end of ${String(pid)} is told`);
        expect(exit.signal).toBe(9);
        expect(find(tree, pid)).toBeUndefined();
      }
      const parent = await family.does('chain');
      const child = await until(
        () => tree.processes.find((p) => p.ppid === parent && p.cmdline.includes('grandchild')),
        'a grandchild',
      );
      process.kill(parent, 'SIGTERM');
      await until(() => exitOf(tree, parent)?.signal === 15, 'the end of the parent');
      await until(() => find(tree, child.pid)?.ppid !== parent, 'the orphan stays, with another parent');
    });
  }, 30_000);

  test('programs that change', async () => {
    await watched(watcher, without, async (family, tree) => {
      const pid = await family.does('change');
      const before = await until(() => find(tree, pid), 'the first program');
      const after = await until(
        () => (find(tree, pid)?.cmdline.includes('changed') === true ? find(tree, pid) : null),
        'the second program',
      );
      expect(after.startTime).toBe(before.startTime);
      expect(after.execId).not.toBe(before.execId);
      expect(
        tree.events.some(
          (e) => e.event === 'processes' && e.changed && e.processes.some((p) => p.execId === after.execId),
        ),
      ).toBe(true);
      const shell = await family.does('shell');
      expect((await until(() => find(tree, shell), 'a shell that became a Python')).cmdline).toContain('late');
    });
  }, 30_000);
});

describe.skipIf(target === undefined)('what is told', () => {
  test('no agents, nothing of theirs, and no programs that are no Python', async () => {
    await watched(target ?? '', [], async (family, tree) => {
      const agent = await family.does('agent');
      const sleep = await family.does('sleep');
      await family.does('many');
      const last = await family.does('spawn');
      await until(() => find(tree, last), 'the last one');
      const everTold = tree.events.flatMap((event) => (event.event === 'processes' ? event.processes : []));
      const told = new Set(
        everTold.filter((process) => process.ageMs > 100 || process.cmdline.length === 0).map((process) => process.pid),
      );
      expect([...told].filter((pid) => pid === agent || pid === sleep)).toEqual([]);
      expect(everTold.some((process) => process.cmdline.includes('of the agent'))).toBe(false);
      expect(everTold.some((process) => process.cmdline.length === 0)).toBe(false);
    });
  }, 30_000);

  test('a pattern finds Python processes with all below, old ones and new ones, and nothing that only names it', async () => {
    const family = new Family(target ?? '');
    families.push(family);
    const editor = spawn('sh', ['-c', 'sleep 1000; true', 'grandchild'], { stdio: 'ignore', detached: true });
    const tree = new Tree(target ?? '', { kind: 'match', pattern: 'grandchild$' });
    try {
      const parent = await family.does('chain');
      await until(() => tree.processes.some((p) => p.ppid === parent), 'the match');
      expect(tree.processes.every((p) => p.python !== null && p.cmdline.at(-1) === 'grandchild')).toBe(true);
    } finally {
      await tree.close();
      family.stop();
      process.kill(-(editor.pid ?? NaN), 'SIGKILL');
    }
  }, 30_000);

  test('CPython as its file says: version, abi; older ones, switched-off ones', async () => {
    for (const { version, path } of interpreters) {
      for (const [args, env, expected] of [
        [[], {}, 'on'],
        [['-X', 'disable-remote-debug'], {}, 'off'],
        [[], { PYTHON_DISABLE_REMOTE_DEBUG: '1' }, 'off'],
      ] as const) {
        const child = spawn(path, [...args, '-c', 'import time; time.sleep(1000)'], {
          stdio: 'ignore',
          env: { ...process.env, ...env },
        });
        const tree = new Tree(target ?? '', { kind: 'descendants', roots: [child.pid ?? -1] });
        try {
          const seen = await until(() => find(tree, child.pid ?? -1), `Python ${version}`);
          expect(seen.python?.version).toMatch(new RegExp(`^${version.replace('.', '\\.')}(\\.|$)`));
          expect(seen.python?.abi).toBe(`cp${version.replace('.', '')}`);
          expect(seen.python?.remoteDebug).toBe(Number(version.slice(2)) < 14 ? 'unsupported' : expected);
        } finally {
          await tree.close();
          child.kill('SIGKILL');
        }
      }
    }
  }, 60_000);

  test('it costs nothing to speak of while nothing happens, and leaves no descriptors behind', async () => {
    const family = new Family(target ?? '');
    families.push(family);
    const tree = new Tree(target ?? '', { kind: 'descendants', roots: [family.pid] });
    for (let count = 0; count < 20; count += 1) {
      const pid = await family.does('fork');
      await until(() => find(tree, pid), 'a fork');
      process.kill(pid, 'SIGKILL');
      await until(() => exitOf(tree, pid), 'its end');
    }
    const cost = await tree.close();
    family.stop();
    expect(cost.descriptors).toBeLessThan(16);
  }, 30_000);

  test('watching thirty idle Pythons is no busy loop', async () => {
    const family = new Family(target ?? '');
    families.push(family);
    for (let count = 0; count < 30; count += 1) await family.does('fork');
    const tree = new Tree(target ?? '', { kind: 'descendants', roots: [family.pid] });
    await until(() => tree.processes.length === 31, 'all of them');
    const begun = tree.processes[0]?.ageMs ?? 0;
    await until(() => (tree.processes[0]?.ageMs ?? 0) > begun + 6000, 'six seconds of watching');
    const cost = await tree.close();
    family.stop();
    // The figure to reach is the bench's business; a loop that looks all the time would cost ten times this.
    expect(cost.share).toBeLessThan(0.05);
  }, 30_000);
});
