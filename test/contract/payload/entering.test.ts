// The real payload, run by each Python that is here, entering real scripts on 3.14 and 3.15.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { RunParams, RunResult } from '../../../src/agent/protocol.ts';
import { Script, startAgent, type AgentSetup, type RunningAgent } from '../../support/agent.ts';
import { isRoot, which } from '../../support/machine.ts';
import { olderPythons, python } from '../../support/python.ts';
import { until } from '../../support/until.ts';

const older = await olderPythons();
const supported = [
  { version: '3.14', path: await python('3.14') },
  { version: '3.15', path: await python('3.15') },
] as const;
const [current] = supported;
const everyAgent = [...older, ...supported];
const anAgent = older.at(-1)?.path ?? current.path;
const never = new AbortController().signal;

const agents: RunningAgent[] = [];
const scripts: Script[] = [];

async function agent(interpreter = anAgent, setup: AgentSetup = {}): Promise<RunningAgent> {
  const started = await startAgent(interpreter, setup);
  agents.push(started);
  return started;
}

function script(interpreter: string, code: string, env: NodeJS.ProcessEnv = {}, prefix: string[] = []): Script {
  const started = new Script([...prefix, interpreter, '-c', code], env);
  scripts.push(started);
  return started;
}

async function inject(
  { client }: RunningAgent,
  target: Script,
  source: string,
  more: Partial<RunParams> = {},
): Promise<RunResult> {
  const params = { run: 1, filename: 'probe.py', args: [], timeoutMs: 5_000, ...target.identity, source, ...more };
  return client.request('run', params, never);
}

/** Everything that the script of run 1 printed to that stream. */
function output({ events }: RunningAgent, stream: 'stdout' | 'stderr'): string {
  return events.map((one) => (one.event === 'output' && one.stream === stream ? one.text : '')).join('');
}

afterEach(async () => {
  await Promise.all(agents.splice(0).map(({ client }) => client.close()));
  await Promise.all(scripts.splice(0).map((one) => one.kill()));
});

const LOOP = 'import time\nprint("up")\nwhile True: time.sleep(0.01)';

describe.each(everyAgent)('an agent on Python $version', ({ path, version }) => {
  test('says who it is', async () => {
    const { client } = await agent(path);
    expect(client.hello.python.startsWith(`${version}.`)).toBe(true);
    await expect(client.request('ping', {}, never)).resolves.toEqual({});
  });

  test.each(supported)('enters Python $version', async (target) => {
    const inside = script(target.path, LOOP);
    await inside.says('up');
    const one = await agent(path);
    await expect(inject(one, inside, 'import sys\nprint(sys.version_info[:2])')).resolves.toEqual({
      exit: 0,
      exception: null,
    });
    expect(output(one, 'stdout')).toBe(`(3, ${target.version.slice(2)})\n`);
    expect(inside.stderr).toBe('');
  });
});

describe.each(supported)('a target on Python $version', ({ path }) => {
  test.each<[string, string]>([
    ['computes', 'print("up")\nwhile True: pass'],
    ['sleeps and wakes', LOOP],
    [
      'waits in accept',
      'import socket\ns = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()\nprint("up")\nwhile True: s.accept()[0].close()',
    ],
    [
      'waits in epoll, as asyncio does',
      'import asyncio\nasync def main():\n async with await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0) as s:\n  print("up"); await s.serve_forever()\nasyncio.run(main())',
    ],
    [
      'waits on a Unix socket',
      'import os, socket, tempfile\nd = tempfile.TemporaryDirectory()\ns = socket.socket(socket.AF_UNIX); s.bind(d.name + "/s"); s.listen()\nprint("up")\nwhile True: s.accept()[0].close()',
    ],
    [
      'waits for a lock in its main thread',
      'import threading, time\ndef work():\n print("up")\n while True: time.sleep(0.02)\nt = threading.Thread(target=work); t.start(); t.join()',
    ],
    [
      'starts and ends threads all the time',
      'import threading\nprint("up")\nwhile True:\n ts = [threading.Thread(target=sum, args=(range(100),)) for _ in range(4)]\n for t in ts: t.start()\n for t in ts: t.join()',
    ],
    [
      'runs within an import, for ever',
      'import sys, types\nsys.path.insert(0, "")\nimport importlib.abc, importlib.util\nclass F(importlib.abc.MetaPathFinder, importlib.abc.Loader):\n def find_spec(self, n, p, t=None): return importlib.util.spec_from_loader(n, self) if n == "myapp" else None\n def exec_module(self, m):\n  import time\n  print("up")\n  while True: time.sleep(0.01)\nsys.meta_path.insert(0, F())\nimport myapp',
    ],
  ])('is entered while it %s', async (_name, code) => {
    const inside = script(path, code);
    await inside.says('up');
    const one = await agent();
    for (const turn of [1, 2, 3]) {
      await expect(inject(one, inside, 'print(args)', { args: [String(turn)] })).resolves.toMatchObject({ exit: 0 });
    }
    expect(output(one, 'stdout')).toBe("['1']\n['2']\n['3']\n");
    expect(inside.stderr).toBe('');
  });

  test('is entered though the current frame lacks built-ins', async () => {
    const inside = script(
      path,
      'print("up")\nexec("while 1: f()", {"__builtins__": {}, "f": lambda: [0 for _ in range(30000)]})',
    );
    await inside.says('up');
    await expect(inject(await agent(), inside, 'print(1)')).resolves.toMatchObject({ exit: 0 });
  });

  test('is entered while it starts, and starts all the same', async () => {
    const one = await agent();
    for (let turn = 0; turn < 12; turn += 1) {
      const inside = script(path, 'import asyncio, http.server, json, logging.config, ssl, unittest\n' + LOOP);
      // It may not have exec'ed yet: then it is the same pid with another program a moment later.
      const result = await until(
        () =>
          inject(one, inside, 'print("in")').catch((error: unknown) => {
            if (codeOf(error) === 'changed') return null;
            throw error;
          }),
        'entering a process that starts',
      );
      expect(result.exit).toBe(0);
      await inside.says('up');
      // CPython itself complains when it hits a frame without built-ins: namedtuple makes some for a moment.
      expect(inside.stderr.replaceAll(/Can't open debugger script[^]*?KeyError: '__import__'\n/g, '')).toBe('');
      await inside.kill();
    }
    expect(output(one, 'stdout')).toBe('in\n'.repeat(12));
  });

  test('says that remote debugging is switched off', async () => {
    const inside = script(path, LOOP, { PYTHON_DISABLE_REMOTE_DEBUG: '1' });
    await inside.says('up');
    await expect(inject(await agent(), inside, '')).rejects.toMatchObject({ code: 'disabled' });
  });
});

/** A matcher whose type says nothing. */
function text(pattern: RegExp): unknown {
  return expect.stringMatching(pattern);
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

describe('what cannot be entered has a name', () => {
  test('asleep, and nothing is left armed', async () => {
    const inside = script(current.path, 'import time\nprint("up")\ntime.sleep(2)\nprint("woke")\ntime.sleep(60)');
    await inside.says('up');
    await expect(inject(await agent(), inside, '', { timeoutMs: 300 })).rejects.toMatchObject({
      code: 'asleep',
      facts: { wchan: text(/^$|nanosleep/) },
    });
    await inside.says('woke');
    expect(inside.stderr).toBe('');
  });

  test('frozen', async () => {
    const inside = script(current.path, LOOP);
    await inside.says('up');
    inside.child.kill('SIGSTOP');
    const one = await agent();
    await expect(inject(one, inside, '')).rejects.toMatchObject({ code: 'frozen', facts: { state: 'T' } });
    inside.child.kill('SIGCONT');
    await expect(inject(one, inside, '')).resolves.toMatchObject({ exit: 0 });
    expect(inside.stderr).toBe('');
  });

  test('gone, and changed', async () => {
    const inside = script('/bin/sh', '', {});
    await inside.ended;
    const other = script(current.path, LOOP);
    await other.says('up');
    const one = await agent();
    await expect(inject(one, other, '', { pid: inside.pid })).rejects.toMatchObject({ code: 'gone' });
    await expect(inject(one, other, '', { execId: '12' })).rejects.toMatchObject({ code: 'changed' });
    await expect(inject(one, other, '', { startTime: 12 })).rejects.toMatchObject({ code: 'changed' });
  });

  test('not Python', async () => {
    const inside = new Script(['/bin/sleep', '60']);
    scripts.push(inside);
    const one = await agent();
    await until(
      () =>
        inject(one, inside, '').then(
          () => false,
          (error: unknown) => codeOf(error) === 'not-python',
        ),
      'not-python',
    );
  });

  test.each(older)('Python $version is too old', async ({ path, version }) => {
    const inside = script(path, LOOP);
    await inside.says('up');
    await expect(inject(await agent(), inside, '')).rejects.toMatchObject({
      code: 'too-old',
      facts: { version: text(new RegExp(`^${version.replace('.', '\\.')}`)) },
    });
  });
});

describe.runIf(isRoot && which('setpriv') !== undefined)('rights', () => {
  const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  // The interpreters of the tests may lie in root's home.
  const reading = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
  const asNobody = [...nobody, ...reading];
  const lessPtrace = ['setpriv', '--bounding-set=-sys_ptrace,-sys_admin', '--inh-caps=-sys_ptrace,-sys_admin'];

  test('a process of another user is denied, with the facts', async () => {
    const inside = script(current.path, LOOP);
    await inside.says('up');
    await expect(inject(await agent('/usr/bin/python3', { prefix: nobody }), inside, '')).rejects.toMatchObject({
      code: 'denied',
      facts: { uid: 0, gid: 0, agentUid: 65534, needs: 'uid' },
    });
  });

  const sourceOf = (name: string): string => readFileSync(`${import.meta.dirname}/../../../payload/${name}.py`, 'utf8');

  test.each<[string, string]>([
    ['no process can hold it', '\n_shelf = lambda *_: None\n'],
    ['there are no anonymous files', '\nanonymous_file = lambda *_: None\n'],
  ])('the script goes by a plain file where %s, and the file goes again', async (_name, without) => {
    const files = (): string[] =>
      ['/dev/shm', '/tmp', '/var/tmp', '/run'].flatMap((folder) =>
        readdirSync(folder).filter((name) => name.startsWith('.debugwand-')),
      );
    const before = files();
    const target = new Script([...asNobody, current.path, '-c', LOOP]);
    scripts.push(target);
    await target.says('up');
    const one = await agent(anAgent, { replace: { _debugwand_delivery: sourceOf('_debugwand_delivery') + without } });
    await expect(inject(one, target, 'print(1)')).resolves.toMatchObject({ exit: 0 });
    expect(target.stderr).toBe('');
    await one.client.close();
    expect(files()).toEqual(before);
  });

  test.each<[string, string[]]>([
    ['another user', asNobody],
    ['fewer capabilities', lessPtrace],
  ])('root enters a process with %s', async (_name, prefix) => {
    const target = new Script([...prefix, current.path, '-c', LOOP]);
    scripts.push(target);
    await target.says('up');
    const one = await agent();
    await expect(inject(one, target, 'import os\nprint(os.getuid())')).resolves.toMatchObject({ exit: 0 });
    expect(output(one, 'stdout')).toBe(prefix === asNobody ? '65534\n' : '0\n');
    expect(target.stderr).toBe('');
    // Nobody of ours stays behind to hold the script.
    await until(() => childrenOf(one.child.pid ?? 0) === '', 'no children of the agent');
  });
});

function childrenOf(pid: number): string {
  return spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)])
    .stdout.toString()
    .trim();
}

describe('a script', () => {
  test('brings back what it prints and raises; the app keeps its own output', async () => {
    const inside = script(current.path, 'import time\nprint("up")\nwhile True:\n print("app")\n time.sleep(0.005)');
    await inside.says('up');
    const one = await agent();
    const source =
      'import sys, time\nprint("naïve 🙂", args)\nprint("warn", file=sys.stderr)\ntime.sleep(0.1)\nprint("no newline", end="")\n1 / 0';
    const result = await inject(one, inside, source, { filename: '/x/fix.py', args: ['a b', '"'] });
    expect(result.exit).toBe(1);
    expect(result.exception).toMatch(/^Traceback[^]*File "\/x\/fix.py", line 6, in <module>[^]*ZeroDivisionError/);
    expect(result.exception).not.toContain('_debugwand');
    expect(output(one, 'stdout')).toBe(`naïve 🙂 ['a b', '"']\nno newline`);
    expect(output(one, 'stderr')).toBe('warn\n');
    expect(inside.stdout).not.toContain('naïve');
    expect(inside.stderr).toBe('');
  });

  test.each<[string, number, string]>([
    ['raise SystemExit', 0, ''],
    ['raise SystemExit(3)', 3, ''],
    ['import sys; sys.exit("stop here")', 1, 'stop here\n'],
  ])('%s ends with %i', async (source, exit, said) => {
    const inside = script(current.path, LOOP);
    await inside.says('up');
    const one = await agent();
    await expect(inject(one, inside, source)).resolves.toEqual({ exit, exception: null });
    expect(output(one, 'stderr')).toBe(said);
    expect(inside.child.exitCode).toBeNull();
  });

  test('that takes long does not hold up the app', async () => {
    const inside = script(
      current.path,
      'import time\nprint("up")\nworst = 0\nwhile True:\n t = time.monotonic(); time.sleep(0.001); worst = max(worst, time.monotonic() - t)',
    );
    await inside.says('up');
    const one = await agent();
    await inject(
      one,
      inside,
      'import time, __main__\n__main__.worst = 0\ntime.sleep(0.5)\nprint(__main__.worst < 0.2)',
    );
    expect(output(one, 'stdout')).toBe('True\n');
  });
});
