/** The commands that talk to a running daemon, and those that look for themselves. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { lockPath, socketPath } from '../../src/lib/paths.ts';
import { folder } from '../support/folder.ts';
import { python } from '../support/python.ts';
import { Rig } from '../support/rig.ts';
import { run } from '../support/run.ts';
import { startLocalApp, type SampleApp } from '../support/sample-app.ts';
import { Terminal } from '../support/terminal.ts';
import { until } from '../support/until.ts';
import { bin, wand, type WandResult } from '../support/wand.ts';

/** Version 1, as issue and README promise it: fields may come, none may go. */
const PROCESS = z.object({
  pid: z.int(),
  ppid: z.int(),
  replica: z.string(),
  role: z.enum(['worker', 'supervisor', 'helper', 'wrapper', 'tool']),
  reason: z.string(),
  chosen: z.boolean(),
  cpuPercent: z.number(),
  rssBytes: z.number(),
  python: z.string().nullable(),
  command: z.string(),
});
const REATTACH = z.object({
  at: z.number(),
  ms: z.number(),
  reason: z.enum(['reload', 'restart', 'crash', 'rollout']),
});
const STATUS = z.object({
  version: z.literal(1),
  daemon: z.object({ pid: z.int(), startedAt: z.number(), config: z.string().nullable() }),
  targets: z.array(
    z.object({
      name: z.string(),
      kind: z.enum(['local', 'docker', 'kubernetes']),
      port: z.int(),
      phase: z.enum(['waiting', 'entering', 'attached', 'stopped', 'blocked']),
      ready: z.boolean(),
      worker: PROCESS.omit({ ppid: true, chosen: true }).extend({ generation: z.int() }).nullable(),
      workers: z.array(
        z.object({
          slot: z.int().nullable(),
          pid: z.int().nullable(),
          session: z.boolean(),
          stoppedAt: z.string().nullable(),
          reattach: z.object({ count: z.int(), last: REATTACH.nullable() }),
          message: z.string(),
        }),
      ),
      processes: z.array(PROCESS),
      entry: z
        .object({ rung: z.string(), skipped: z.array(z.object({ rung: z.string(), why: z.string() })) })
        .nullable(),
      editor: z.object({ connected: z.boolean(), client: z.string().nullable() }),
      reattach: z.object({ count: z.int(), last: REATTACH.nullable(), history: z.array(REATTACH) }),
      error: z.object({ code: z.string(), message: z.string(), fix: z.string() }).nullable(),
    }),
  ),
});

describe('commands beside a daemon', () => {
  let app: SampleApp;
  let rig: Rig;
  const ask = (...args: readonly string[]): Promise<WandResult> => wand(args, { cwd: app.folder });

  beforeAll(async () => {
    app = await startLocalApp();
    rig = await Rig.start(app, Rig.processOf(app));
    await rig.attached();
    await rig.attach();
    await rig.reattached(() => app.setFactor(4));
  });

  afterAll(async () => {
    await rig.stop();
  });

  it('status --json keeps its shape', async () => {
    const { code, stdout } = await ask('status', '--json');
    expect(code).toBe(0);
    const { daemon, targets } = STATUS.parse(JSON.parse(stdout));
    expect(daemon).toMatchObject({ pid: rig.daemon.child.pid, config: join(app.folder, 'debugwand.config.json') });
    expect(targets[0]).toMatchObject({
      name: 'app',
      kind: 'local',
      phase: 'attached',
      ready: true,
      editor: { connected: true, client: 'a test' },
      reattach: { count: 1, last: { reason: 'reload' } },
    });
    const { ms = 0 } = targets[0]?.reattach.last ?? {};
    expect(ms).toBeGreaterThan(0);
    expect(ms).toBeLessThan(5_000);
  });

  it('status --ready is one line', async () => {
    expect(await ask('status', '--ready')).toEqual({ code: 0, stdout: 'ready\n', stderr: '' });
  });

  it('status for people has no colours where there is no terminal', async () => {
    const { code, stdout } = await wand(['status'], { cwd: app.folder, env: { FORCE_COLOR: '0' } });
    expect(code).toBe(0);
    expect(stdout).toMatch(/app/);
    expect(stdout).not.toContain('\u001B');
  });

  it('works from a folder below the project', async () => {
    const folder = join(app.folder, 'src');
    await mkdir(folder);
    expect((await wand(['status', '--ready'], { cwd: folder })).stdout).toBe('ready\n');
  });

  it('ps shows what ps shows', async () => {
    const listed = async (): Promise<readonly z.infer<typeof PROCESS>[]> => {
      const { stdout } = await ask('ps', '--json');
      return z.array(PROCESS.extend({ target: z.literal('app') })).parse(JSON.parse(stdout));
    };
    const worker = (await listed()).find(({ chosen }) => chosen);
    expect(worker).toMatchObject({ role: 'worker', python: '3.14.8' });
    expect(worker?.reason).toMatch(/^spawned by the uvicorn reloader \d+$/);
    // Figures come every two seconds; the worker is young and grows.
    await until(async () => {
      const processes = await listed();
      const pids = processes.map(({ pid }) => String(pid)).join(',');
      const real = (await run('ps', ['-o', 'pid=,ppid=,rss=,pcpu=', '-p', pids])).trim().split('\n');
      return real.every((line) => {
        const [pid, ppid, rss = 0, cpu = 0] = line.trim().split(/\s+/).map(Number);
        const mine = processes.find((process) => process.pid === pid);
        if (mine === undefined) return false;
        const megabytes = Math.abs(mine.rssBytes / 1024 - rss) / 1024;
        return mine.ppid === ppid && megabytes < 4 && Math.abs(mine.cpuPercent - cpu) < 5;
      });
    }, 'the figures of ps');
    const table = await ask('ps');
    expect(table.stdout).toMatch(new RegExp(`\\b${String(worker?.pid)}\\b.*worker`));
  });

  it('inject runs a script inside the worker, beside the debugger', async () => {
    const worker = await rig.worker();
    // Elsewhere: a file that is saved in the project is a reload.
    await using scripts = await folder();
    const script = scripts.at('script.py');
    const inject = async (source: string, ...args: readonly string[]): Promise<WandResult> => {
      await writeFile(script, source);
      return ask('inject', script, ...args);
    };
    expect(
      await inject(
        'import os, sys\nprint(os.getpid(), args, __name__)\nprint("aside", file=sys.stderr)\n',
        '--',
        'one',
        '--two',
      ),
    ).toEqual({ code: 0, stdout: `${String(worker)} ['one', '--two'] __main__\n`, stderr: 'aside\n' });
    const raised = await inject('import app\nprint(app.app.title)\n1 / 0\n');
    expect(raised).toMatchObject({ code: 1, stdout: 'FastAPI\n' });
    expect(raised.stderr).toMatch(/script\.py", line 3.*\n.*1 \/ 0[\s\S]*ZeroDivisionError: division by zero/);
    expect(await inject('raise SystemExit(7)\n')).toMatchObject({ code: 7 });
    expect(await inject('this is no Python\n')).toMatchObject({ code: 1 });
    expect(await ask('inject', 'not-there.py')).toMatchObject({ code: 2 });
    expect(await wand(['inject', '-'], { cwd: app.folder, input: 'print("from stdin")' })).toMatchObject({
      code: 0,
      stdout: 'from stdin\n',
    });
    // The session was not disturbed.
    expect(await rig.hit(5)).toMatchObject({ total: 20 });
  });

  it('logs tells what happened', async () => {
    const { code, stdout } = await ask('logs');
    expect(code).toBe(0);
    expect(stdout).toMatch(/app: attached to worker \d+/);
    const lines = (await ask('logs', '--json')).stdout.trim().split('\n');
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ msg: expect.any(String) as unknown });
  });

  it('restart takes the debugger out and in again, the session stays', async () => {
    const worker = await rig.worker();
    await rig.reattached(async () => expect(await ask('restart', 'app')).toMatchObject({ code: 0 }));
    expect(await rig.worker()).toBe(worker);
    expect(await rig.hit(5)).toMatchObject({ total: 20 });
    const wrong = await ask('restart', 'ap');
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.stderr).toMatch(/did you mean app\?/);
  });

  it('doctor finds all in order', async () => {
    const { code, stdout } = await ask('doctor', '--json');
    const report = z
      .object({ version: z.literal(1), ok: z.boolean(), checks: z.array(z.looseObject({ name: z.string() })) })
      .parse(JSON.parse(stdout));
    expect({ code, ok: report.ok, failed: report.checks.filter(({ state }) => state === 'fail') }).toEqual({
      code: 0,
      ok: true,
      failed: [],
    });
  });

  it('stop ends the daemon, and nothing of it stays', async () => {
    const files = [socketPath(app.folder), lockPath(app.folder)];
    expect(files.map((file) => existsSync(file))).toEqual([true, true]);
    const mode = run('stat', ['-c', '%a', files[0] ?? '']);
    expect((await mode).trim()).toBe('600');
    const stopped = await ask('stop');
    expect(stopped).toMatchObject({ code: 0, stdout: `stopped (pid ${String(rig.daemon.child.pid)})\n` });
    expect(await rig.daemon.exited).toBe(0);
    await until(() => rig.editor.closed, 'the editor is told');
    expect(files.map((file) => existsSync(file))).toEqual([false, false]);
    expect(await app.price(5)).toEqual({ total: 20 });
    const listening = readFileSync('/proc/net/tcp', 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
    const port = rig.port.toString(16).toUpperCase().padStart(4, '0');
    expect(
      listening.filter(([, address, , state]) => address?.endsWith(`:${port}`) === true && state === '0A'),
    ).toEqual([]);
    expect(await ask('stop')).toMatchObject({ code: 1 });
    const gone = await ask('status');
    expect(gone).toMatchObject({ code: 1, stdout: '' });
    expect(gone.stderr).toMatch(/no wand daemon is running[\s\S]*fix: start it with `wand watch`/);
  });

  it('ps and inject also work without a daemon', async () => {
    const { code, stdout } = await ask('ps', '--json');
    expect(code).toBe(0);
    const { pid = 0 } =
      z
        .array(PROCESS)
        .parse(JSON.parse(stdout))
        .find(({ chosen }) => chosen) ?? {};
    expect(await wand(['inject', '-', '--process', String(pid)], { cwd: app.folder, input: 'print(1 + 1)' })).toEqual({
      code: 0,
      stdout: '2\n',
      stderr: '',
    });
  });
});

describe('inject into a process that runs no Python code', () => {
  // `read` in one C call, until the test writes to it; and then Python code.
  const BLOCKED = 'import os; print(1, flush=True); os.read(0, 1); print(2, flush=True)\nfor _ in range(10**9): pass';

  it('says what it waits for, to a user, and goes on when it comes', async () => {
    const app = spawn(await python('3.14'), ['-c', BLOCKED], { stdio: ['pipe', 'pipe', 'inherit'] });
    onTestFinished(() => void app.kill('SIGKILL'));
    await once(app.stdout, 'data');
    await using project = await folder({ 'script.py': 'print("inside", 6 * 7)' });
    await using terminal = await Terminal.start(
      [process.execPath, bin(), 'inject', 'script.py', '--pid', String(app.pid)],
      { cwd: project.path },
    );
    await terminal.shows(/wand: .*runs no Python code just now.*it is waited for/s);
    expect(terminal.output).not.toContain('inside');
    app.stdin.write('x');
    await terminal.shows('inside 42');
    expect(await terminal.exited).toBe(0);
  });
});
