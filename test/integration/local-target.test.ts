/** The local target on real processes: commands, pids, and that nothing outlives us. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import { createTarget, type TargetContext } from '../../src/targets/index.ts';
import { LocalTarget } from '../../src/targets/local.ts';
import { isAlive } from '../../src/targets/local-proc.ts';
import type { TargetSource } from '../../src/core/types.ts';
import type { CommandChild, Target } from '../../src/targets/target.ts';
import { folder } from '../support/folder.ts';
import { isRoot, which } from '../support/machine.ts';
import { python } from '../support/python.ts';
import { targetConfig } from '../support/target-config.ts';
import { until } from '../support/until.ts';
import { outputOf, Watching } from '../support/watching.ts';

const never = new AbortController().signal;
const interpreter = await python('3.14');
const SLEEP = 'import time; time.sleep(1e6)';
/** Prints its own pid and that of a child, and lives on. */
const FAMILY = `import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1e6)"])
import os; print(os.getpid(), child.pid, flush=True)
time.sleep(1e6)`;

const cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const undo of cleanUp.splice(0).toReversed()) await undo();
});

interface Made {
  readonly target: Target;
  readonly watch: Watching;
  readonly child: CommandChild;
  readonly lines: string[];
}

async function make(source: TargetSource, context: Partial<TargetContext> = {}): Promise<Made> {
  const lines: string[] = [];
  const target = await createTarget(targetConfig(source, 'api'), {
    log: { info: () => undefined },
    projectRoot: '/',
    inheritStdio: false,
    onLine: (stream, line) => lines.push(`${stream}: ${line}`),
    ...context,
  });
  const watch = new Watching(target);
  cleanUp.push(async () => {
    await watch.stop();
    await target.close();
  });
  const none: CommandChild = {
    exited: Promise.reject(new Error('no command')),
    running: true,
    signal: () => undefined,
    toldToEnd: () => undefined,
    restart: () => Promise.resolve(),
  };
  none.exited.catch(() => undefined);
  return { target, watch, child: target.child ?? none, lines };
}

const command = (code: string, ...args: readonly string[]): TargetSource => ({
  kind: 'local',
  command: [interpreter, '-u', '-c', code, ...args],
  cwd: '/',
});

async function pidsOf(lines: readonly string[]): Promise<readonly number[]> {
  const line = await until(() => lines.find((text) => /^stdout: \d+ \d+$/.test(text)), 'the pids of the family');
  return line.replace('stdout: ', '').split(' ').map(Number);
}

describe('a command', () => {
  test('is followed by its pid, in its folder', async () => {
    await using place = await folder();
    const { watch } = await make({ kind: 'local', command: [interpreter, '-c', SLEEP], cwd: place.path });
    const replica = await watch.running();
    expect(replica).toMatchObject({ id: 'host', name: 'this machine', workingDir: place.path });
    const [root = 0] = replica.scope.kind === 'descendants' ? replica.scope.roots : [];
    expect(readFileSync(`/proc/${String(root)}/cmdline`, 'utf8')).toContain(SLEEP);
  });

  test('has its output told line by line', async () => {
    const { lines, child } = await make(
      command('import sys; print("one\\ntwo"); sys.stderr.write("three\\n"); sys.stdout.write("no end"); sys.exit(5)'),
    );
    expect(await child.exited).toEqual({ code: 5, signal: null });
    await until(() => lines.length === 4, `four lines, not ${JSON.stringify(lines)}`);
    expect(lines.toSorted()).toEqual(['stderr: three', 'stdout: no end', 'stdout: one', 'stdout: two']);
  });

  test('that ends is waited for, in words, and starts again only on request', async () => {
    const { watch, child } = await make(command('import sys, os; sys.exit(1 if "x" else 0)'));
    await watch.waiting('it ended', /exited with 1, \d s ago; start it again: `wand restart api`/);
    const first = child.exited;
    await child.restart();
    expect(child.exited).not.toBe(first);
    expect(await child.exited).toEqual({ code: 1, signal: null });
  });

  test('restarted: another start of the same replica, and no end of it', async () => {
    const { watch, child, target } = await make(command(SLEEP));
    const before = await watch.running();
    let ended = false;
    void child.exited.then(() => {
      ended = true;
    });
    await child.restart();
    const after = await watch.until(
      ({ replicas }) => replicas[0]?.state === 'running' && replicas[0].startedAt !== before.startedAt,
      'the next start',
    );
    expect(after.replicas[0]?.id).toBe(before.id);
    expect(ended).toBe(false);
    await expect(target.exec(before, ['true'], {}, never)).rejects.toMatchObject({ code: 'replica-gone' });
    child.signal('SIGTERM');
    expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' });
    expect(watch.last?.replicas.length).toBeLessThan(2);
    await watch.waiting('it was ended', /was ended by SIGTERM/);
  });

  test.each([
    ['that ends when asked', FAMILY],
    ['that does not listen', `import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n${FAMILY}`],
    [
      'that is stopped',
      `${FAMILY.replace('time.sleep(1e6)', '')}\nimport signal; os.kill(os.getpid(), signal.SIGSTOP)`,
    ],
  ])('%s is gone with its children after the close, within 2 s', async (_name, code) => {
    const { target, lines } = await make(command(code));
    const pids = await pidsOf(lines);
    const begin = performance.now();
    await target.close();
    expect(performance.now() - begin).toBeLessThan(2_000);
    await until(() => !pids.some(isAlive), 'all of it is gone');
  });

  test.each([
    ['that is not there', ['no-such-command'], /`no-such-command` was not found/, /virtual environment/],
    ['that is not there, by path', ['./no/such'], /`\.\/no\/such` was not found/, /relative to/],
  ])('%s is an error with a fix', async (_name, argv, words, fix) => {
    const { watch, child } = await make({ kind: 'local', command: argv, cwd: '/' });
    const { error } = await watch.failing('command-not-found');
    expect(error?.message).toMatch(words);
    expect(error?.fix).toMatch(fix);
    expect(await child.exited).toEqual({ code: 127, signal: null, error });
  });

  test('that was mended starts on request', async () => {
    await using place = await folder();
    const { watch, child } = await make({ kind: 'local', command: ['./run', 'x'], cwd: place.path });
    await watch.failing('command-not-found');
    writeFileSync(place.at('run'), '#!/bin/sh\nexec sleep 1000\n');
    chmodSync(place.at('run'), 0o755);
    await child.restart();
    await watch.running();
  });

  test.skipIf(which('setpriv') === undefined)('ends even when wand is killed with -9', async () => {
    const wand = spawn(
      process.execPath,
      [join(import.meta.dirname, '../fixtures/wand-command.ts'), interpreter, '-c', FAMILY],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const [line] = (await once(createInterface({ input: wand.stdout }), 'line')) as [string];
    const pids = line.split(' ').map(Number);
    cleanUp.push(() => {
      for (const pid of pids.filter(isAlive)) process.kill(pid, 'SIGKILL');
    });
    expect(pids.map(isAlive)).toEqual([true, true]);
    wand.kill('SIGKILL');
    await until(() => !isAlive(pids[0] ?? 0), 'the command ended');
  });

  test('with our own streams: output and exit code pass through', async () => {
    const code = 'import sys; print(sys.stdin.read().upper()); sys.exit(9)';
    const wand = spawn(
      process.execPath,
      [join(import.meta.dirname, '../fixtures/wand-command.ts'), interpreter, '-c', code],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    wand.stdin.end('through');
    let output = '';
    wand.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const [exit] = (await once(wand, 'close')) as [number];
    expect([output.trim(), exit]).toEqual(['THROUGH', 9]);
  });

  test.skipIf(which('script') === undefined)(
    'with our own terminal: it has it too, and Ctrl-C reaches it once',
    async () => {
      const code =
        'import os, signal, sys, time\ndef caught(*_): print("caught", flush=True)\nsignal.signal(signal.SIGINT, caught)\n' +
        'print("tty", sys.stdin.isatty(), sys.stdout.isatty(), os.getpgrp() == os.tcgetpgrp(0), flush=True)\nsignal.pause(); time.sleep(.3); sys.exit(4)';
      await using place = await folder({ 'app.py': code });
      // Without `exec`, a shell that stays would answer Ctrl-C in wand's place: dash does, bash does not stay.
      const line = `exec ${process.execPath} ${join(import.meta.dirname, '../fixtures/wand-command.ts')} ${interpreter} ${place.at('app.py')}`;
      const terminal = spawn('script', ['-qefc', line, '/dev/null'], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      let output = '';
      terminal.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
      await until(() => /tty [^\n]*\n/.test(output), 'the app is up');
      expect(output).toContain('tty True True True');
      terminal.stdin.write('\x03');
      const [exit] = (await once(terminal, 'close')) as [number];
      expect(output.match(/caught/g)).toHaveLength(1);
      expect(exit).toBe(4);
    },
  );
});

describe('a pid', () => {
  const start = (): ChildProcess & { pid: number } => {
    const child = spawn(interpreter, ['-c', SLEEP], { stdio: 'ignore', cwd: '/usr' });
    if (child.pid === undefined) throw new Error('not started');
    cleanUp.push(() => {
      child.kill('SIGKILL');
    });
    return Object.assign(child, { pid: child.pid });
  };

  test('is followed until it ends, and never again', async () => {
    const process = start();
    const { watch, target } = await make({ kind: 'local', pid: process.pid });
    const replica = await watch.running();
    expect(replica).toMatchObject({ workingDir: '/usr', scope: { kind: 'descendants', roots: [process.pid] } });
    expect((await target.interpreters(replica, never))[0]).toContain('python3.14');
    process.kill('SIGKILL');
    await watch.waiting('it ended', new RegExp(`^process ${String(process.pid)} ended`));
    expect(target.child).toBeUndefined();
  });

  test('that is not there is said', async () => {
    const { watch } = await make({ kind: 'local', pid: 4_194_305 });
    await watch.waiting('nobody', /there is no process 4194305/);
  });
});

describe('agents', () => {
  test('lose their stdin when the target is closed, and are killed if they do not leave', async () => {
    await using place = await folder();
    const { target, watch } = await make(command(SLEEP));
    const replica = await watch.running();
    const run = (code: string) => target.exec(replica, [interpreter, '-c', code], {}, never);
    const polite = await run(`import sys; print("up", flush=True); sys.stdin.read(); open("${place.at('left')}", "w")`);
    const deaf = await run('import os, time; print(os.getpid(), flush=True); time.sleep(1e6)');
    await until(() => polite.stdout.readableLength > 0 && deaf.stdout.readableLength > 0, 'both are up');
    const pid = Number(String(deaf.stdout.read()));
    await target.close();
    expect(existsSync(place.at('left'))).toBe(true);
    expect(isAlive(pid)).toBe(false);
  });

  test.skipIf(!isRoot)('of another user', async () => {
    const { target, watch } = await make(command(SLEEP));
    const replica = await watch.running();
    const id = await target.exec(replica, ['/usr/bin/id'], { user: '65534:65534' }, never);
    expect(await outputOf(id)).toMatch(/uid=65534.* gid=65534[^ ]*( groups=65534[^,]*)?$/);
  });

  test.skipIf(!isRoot)('of another user are refused to those who are not root', async () => {
    const { target, watch } = await make(command(SLEEP));
    const replica = await watch.running();
    process.seteuid?.(65534);
    try {
      const refused = target.exec(replica, ['/usr/bin/id'], { user: '1234:1234' }, never);
      await expect(refused).rejects.toMatchObject({ code: 'exec-denied' });
    } finally {
      process.seteuid?.(0);
    }
  });
});

test.each(['darwin', 'win32'] as const)('on %s it says what works instead', async (platform) => {
  const source = { kind: 'local', command: ['true'], cwd: '/' } as const;
  const target = new LocalTarget(source, { name: 'api', inheritStdio: false, onLine: () => undefined, platform });
  await target.start();
  const watch = new Watching(target);
  const { error } = await watch.failing('local-unsupported');
  expect(error).toMatchObject({ permanent: true });
  expect(error?.fix).toContain('docker');
  await watch.stop();
  await target.close();
});
