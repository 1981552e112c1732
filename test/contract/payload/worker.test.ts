// What happens inside a worker once the doorbell rang: the real payload and the real debugpy in real processes.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DapClient } from '../../support/dap-client.ts';
import { debugpyRequirement } from '../../support/debugpy-requirement.ts';
import { python, venv } from '../../support/python.ts';
import { until } from '../../support/until.ts';
import { BREAKPOINT_LINE, unpackDebugpy, type Visit, WorkerStage } from '../../support/worker-stage.ts';

/** Attaches with a breakpoint in `work`. Gives the client; the breakpoint was verified. */
async function attach(stage: WorkerStage, port: unknown): Promise<DapClient> {
  const dap = await DapClient.connect(Number(port));
  const set = await dap.attach({ [stage.file]: [{ line: BREAKPOINT_LINE }] });
  expect(set.get(stage.file)).toMatchObject({ breakpoints: [{ verified: true }] });
  return dap;
}

/** Calls `work` and waits for the stop. Gives the thread's id. */
async function stopAtWork(stage: WorkerStage, dap: DapClient, number: number): Promise<unknown> {
  const stopped = dap.next('stopped');
  stage.work(number);
  const { body } = await stopped;
  expect(body).toMatchObject({ reason: 'breakpoint' });
  return (body as { threadId: unknown }).threadId;
}

/** The interpreter looks as it did before anybody came. */
async function expectNoTrace(stage: WorkerStage, before: unknown): Promise<void> {
  await until(async () => JSON.stringify(await stage.look()) === JSON.stringify(before), 'no trace of us').catch(
    async () => {
      expect(await stage.look()).toEqual(before);
    },
  );
}

async function listening(visit: Visit): Promise<{ port: unknown; origin: unknown; debugpy: unknown }> {
  const { port, origin, debugpy } = await visit.event('listening');
  return { port, origin, debugpy };
}

describe.each(['3.14', '3.15'] as const)('inside a worker on Python %s', (version) => {
  let interpreter = '';
  let folder: Awaited<ReturnType<typeof unpackDebugpy>>;
  beforeAll(async () => {
    interpreter = await python(version);
    folder = await unpackDebugpy(interpreter);
  });
  afterAll(async () => {
    await folder.remove();
  });

  test('stops, steps, shows variables, and leaves no trace when it is released', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const before = await stage.look();
    const visit = await stage.ring({ debugpy: folder.path });
    expect(visit.hello).toMatchObject({ pid: stage.pid, status: 'here', present: false });
    expect(await listening(visit)).toMatchObject({ origin: 'ours', debugpy: '1.8.22' });
    const { port } = await listening(visit);
    const dap = await attach(stage, port);
    const threadId = await stopAtWork(stage, dap, 5);
    const { stackFrames } = await dap.request<{ stackFrames: { id: number; name: string }[] }>('stackTrace', {
      threadId,
    });
    expect(stackFrames[0]?.name).toBe('work');
    const value = await dap.request('evaluate', { expression: 'number + 1', frameId: stackFrames[0]?.id });
    expect(value).toMatchObject({ result: '6' });
    const stopped = dap.next('stopped');
    await dap.request('next', { threadId });
    expect((await stopped).body).toMatchObject({ reason: 'step' });
    visit.command('release');
    await visit.event('released');
    expect(await stage.result(1)).toBe(25);
    await until(() => dap.closed, 'the end of the connection');
    await expectNoTrace(stage, before);
    expect(stage.stderr).toBe('');
  });

  test('imports no part of Django into an app that has none of it', async () => {
    await using stage = await WorkerStage.start(interpreter);
    await stage.exec(`
import importlib.abc, importlib.machinery
class Installed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    "Django as far as an import can tell."
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.split(".")[0] == "django" else None
    def exec_module(self, module): pass
sys.meta_path.append(Installed())`);
    const dap = await attach(stage, (await listening(await stage.ring({ debugpy: folder.path }))).port);
    const threadId = await stopAtWork(stage, dap, 5);
    const { stackFrames } = await dap.request<{ stackFrames: { id: number }[] }>('stackTrace', { threadId });
    const frameId = stackFrames[0]?.id;
    const { scopes } = await dap.request<{ scopes: { variablesReference: number }[] }>('scopes', { frameId });
    const { variables } = await dap.request<{ variables: { name: string }[] }>('variables', {
      variablesReference: scopes[0]?.variablesReference,
    });
    expect(variables.map(({ name }) => name)).toContain('number');
    const expression = '[name for name in __import__("sys").modules if name.startswith("django.")]';
    expect(await dap.request('evaluate', { expression, frameId })).toMatchObject({ result: '[]' });
    dap.destroy();
  });

  test('a step of the main thread does not sit out the 200 ms of pydevd', async () => {
    await using stage = await WorkerStage.start(interpreter);
    // pydevd wakes one thread of all it knows: with many, hardly ever the right one.
    await stage.exec('for _ in range(20): threading.Thread(target=beat, daemon=True).start()');
    const dap = await attach(stage, (await listening(await stage.ring({ debugpy: folder.path }))).port);
    const threadId = await stopAtWork(stage, dap, 5);
    const times: number[] = [];
    for (let step = 0; step < 5; step += 1) {
      const started = performance.now();
      const stopped = dap.next('stopped');
      // At the same place again: the way back and forth costs the same each time.
      await dap.request(step % 2 === 0 ? 'next' : 'stepIn', { threadId });
      await stopped;
      times.push(performance.now() - started);
    }
    expect(Math.min(...times)).toBeLessThan(150);
    dap.destroy();
  });

  test('a released worker can be entered again, on another port', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const before = await stage.look();
    for (const origin of ['ours', 'ours-before', 'ours-before']) {
      const visit = await stage.ring({ debugpy: folder.path });
      const found = await listening(visit);
      expect(found.origin).toBe(origin);
      const dap = await attach(stage, found.port);
      await stopAtWork(stage, dap, 1);
      const done = stage.results.length + 1;
      await dap.request('continue', { threadId: '*' });
      expect(await stage.result(done)).toBe(5);
      visit.command('release');
      await visit.event('released');
      await expectNoTrace(stage, before);
    }
  });

  test('a clean disconnect lets the app run untraced, and the same port serves the next editor', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const { port } = await listening(await stage.ring({ debugpy: folder.path }));
    const first = await attach(stage, port);
    await stopAtWork(stage, first, 5);
    await first.request('disconnect', { terminateDebuggee: false });
    first.destroy();
    expect(await stage.result(1)).toBe(25);
    await until(async () => (await stage.look())['tool'] === null, 'monitoring is off');
    expect(await stage.look()).toMatchObject({ events: 0, localEvents: 0 });
    const second = await attach(stage, port);
    await stopAtWork(stage, second, 6);
    second.destroy();
    expect(await stage.result(2)).toBe(30);
  });

  test('an editor that vanishes while the app is stopped lets it run on', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const { port } = await listening(await stage.ring({ debugpy: folder.path }));
    const dap = await attach(stage, port);
    await stopAtWork(stage, dap, 5);
    const cut = performance.now();
    dap.destroy();
    expect(await stage.result(1)).toBe(25);
    expect(performance.now() - cut).toBeLessThan(5_000);
    stage.work(6);
    expect(await stage.result(2)).toBe(30);
  });

  test('an editor that takes over finds a running app, and the former one cannot disturb it', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const { port } = await listening(await stage.ring({ debugpy: folder.path }));
    const former = await attach(stage, port);
    await stopAtWork(stage, former, 5);
    const present = await attach(stage, port);
    expect(await stage.result(1)).toBe(25);
    const threadId = await stopAtWork(stage, present, 6);
    former.destroy();
    const { stackFrames } = await present.request<{ stackFrames: { name: string }[] }>('stackTrace', { threadId });
    expect(stackFrames[0]?.name).toBe('work');
    expect(stage.results).toHaveLength(1);
    await present.request('continue', { threadId });
    expect(await stage.result(2)).toBe(30);
    present.destroy();
  });

  test('a newer agent takes the worker over without a disturbance of the session', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const older = await stage.ring({ debugpy: folder.path });
    const { port } = await listening(older);
    const dap = await attach(stage, port);
    const newer = await stage.ring({ debugpy: folder.path });
    expect(newer.hello).toMatchObject({ present: true });
    expect(await listening(newer)).toMatchObject({ port, origin: 'ours-before' });
    await until(() => older.ended, 'the older agent was hung up on');
    await stopAtWork(stage, dap, 5);
    await dap.request('continue', { threadId: '*' });
    expect(await stage.result(1)).toBe(25);
    dap.destroy();
  });

  test('an agent that is gone for good means a release, also while the app is stopped', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const before = await stage.look();
    const visit = await stage.ring({ debugpy: folder.path });
    const dap = await attach(stage, (await listening(visit)).port);
    await stopAtWork(stage, dap, 5);
    visit.drop();
    expect(await stage.result(1)).toBe(25);
    await expectNoTrace(stage, before);
    expect(dap.closed).toBe(true);
  });

  test('a forked child runs past the breakpoints of its parent', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const dap = await attach(stage, (await listening(await stage.ring({ debugpy: folder.path }))).port);
    stage.tell({ do: 'fork', number: 3 });
    expect(await stage.result(1)).toBe(15);
    await stopAtWork(stage, dap, 4);
    dap.destroy();
  });

  test('threads that come and go stay debuggable while breakpoints change', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const dap = await attach(stage, (await listening(await stage.ring({ debugpy: folder.path }))).port);
    // Its answer has to wait for the end of the first stop.
    stage.tell({
      do: 'exec',
      source: `
def _requests():
    for number in range(12):
        thread = threading.Thread(target=work, args=(number,), name="request %d" % number)
        thread.start()
        thread.join()
    results.put(12)
threading.Thread(target=_requests, daemon=True).start()`,
    });
    for (let stops = 1; stops <= 12; stops += 1) {
      await until(() => dap.events('stopped').length >= stops, `stop ${String(stops)}`);
      // The same again: pydevd looks at all running code anew.
      await dap.request('setBreakpoints', { source: { path: stage.file }, breakpoints: [{ line: BREAKPOINT_LINE }] });
      await dap.request('continue', { threadId: '*' });
    }
    expect(await stage.result(1)).toBe(12);
    dap.destroy();
  });

  test('a thread that is late to leave a stop does not speak for the next one', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const dap = await attach(stage, (await listening(await stage.ring({ debugpy: folder.path }))).port);
    const continued = dap.events('continued').length;
    stage.tell({
      do: 'exec',
      source: `
from _pydevd_bundle.pydevd_comm_constants import CMD_SET_BREAK, CMD_THREAD_SUSPEND
from _pydevd_bundle.pydevd_constants import get_global_debugger
_stops = get_global_debugger().threads_suspended_single_notification
def _suspend(name, reason):
    _stops.on_thread_suspend(name, threading.current_thread(), reason)
def _resume(name):
    _stops.on_thread_resume(name, threading.current_thread())
_stops.increment_suspend_time()
_suspend("request 1", CMD_SET_BREAK)
_suspend("beat", CMD_THREAD_SUSPEND)
_resume("request 1")
_stops.increment_suspend_time()
_suspend("request 2", CMD_SET_BREAK)
_resume("beat")
_stops.add_on_resumed_callback(lambda: results.put(2))
_resume("request 2")
results.put(1)`,
    });
    // The end of the second stop is told by the thread that was stopped in it.
    await until(() => stage.results.length === 2, 'both results', 5_000).catch(() => undefined);
    expect(stage.results).toEqual([2, 1]);
    await until(() => dap.events('continued').length >= continued + 2, 'the end of both stops');
    expect(dap.events('continued')).toHaveLength(continued + 2);
    dap.destroy();
  });

  test('the app ends as fast as ever, with its exit status', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const dap = await attach(stage, (await listening(await stage.ring({ debugpy: folder.path }))).port);
    const started = performance.now();
    expect(await stage.end()).toBe(0);
    // pydevd alone takes 500 ms and more as long as the editor does not hang up.
    expect(performance.now() - started).toBeLessThan(400);
    await until(() => dap.closed, 'the end of the connection');
  });

  test.each([
    ['raise ValueError("no such\\n  user")', 'ValueError: no such user'],
    ['raise ExceptionGroup("group", [KeyError("k")])', "KeyError: 'k'"],
    ['compile("def x(:", "app.py", "exec")', 'SyntaxError: invalid syntax (app.py, line 1)'],
    ['import json; json.loads("x")', 'json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)'],
    ['class Odd(Exception):\n  def __str__(self): raise KeyError\nraise Odd', 'Odd: <its text cannot be made>'],
    [`raise ValueError("x" * 9999)`, `ValueError: ${'x'.repeat(388)}…`],
    // No crash of the worker's.
    ['sys.exit(3)', null],
    ['raise KeyboardInterrupt', null],
    ['def f():\n  try: 1 / 0\n  except ArithmeticError as error: sys.last_exc = error\nf(); sys.exit()', null],
  ])('what ends it is told: %s', async (source, text) => {
    await using stage = await WorkerStage.start(interpreter);
    const visit = await stage.ring({ debugpy: folder.path });
    await listening(visit);
    stage.main(source);
    await stage.exit();
    await until(() => visit.ended, 'the end of the conversation');
    const raised = visit.lines.filter(({ event }) => event === 'raised');
    expect(raised).toEqual(text === null ? [] : [{ event: 'raised', text }]);
    // The app's own words come as ever.
    if (text?.startsWith('ValueError') === true) expect(stage.stderr).toMatch(/^Traceback .*ValueError: /s);
  });

  test('what ends a child of multiprocessing is told, although multiprocessing catches it', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const visit = await stage.ring({ debugpy: folder.path });
    await listening(visit);
    // As in the process that multiprocessing starts: the same function, and the end that it leads to.
    stage.main(`
import multiprocessing.process, multiprocessing.util
multiprocessing.util._close_stdin = lambda: None  # a thread of the stage reads it
class Child(multiprocessing.process.BaseProcess):
    _start_method = None
    def run(self): raise ValueError("in a child")
Child.__module__ = "__main__"
os._exit(Child()._bootstrap())`);
    expect(await stage.exit()).toBe(1);
    expect(await visit.event('raised')).toMatchObject({ text: 'ValueError: in a child' });
    expect(stage.stderr).toContain('Traceback');
  });

  test('after a release its end is its own affair', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const before = await stage.look();
    const visit = await stage.ring({ debugpy: folder.path });
    await listening(visit);
    visit.command('release');
    await visit.event('released');
    await expectNoTrace(stage, before);
    stage.main('raise ValueError("later")');
    expect(await stage.exit()).toBe(1);
    expect(visit.lines.map(({ event }) => event)).toEqual(['listening', 'released']);
    expect(stage.stderr).toMatch(/^Traceback .*ValueError: later\n$/s);
  });

  test('an app that exchanges sys.path while debugpy is imported', async () => {
    await using stage = await WorkerStage.start(interpreter);
    await stage.exec(`
class Spawned:
    "Does what the start of a child of multiprocessing does, at the worst moment."
    def find_spec(self, name, path=None, target=None):
        if name == "pydevd":
            sys.meta_path.remove(self)
            sys.path = _path
_path = list(sys.path)
sys.meta_path.insert(0, Spawned())`);
    const visit = await stage.ring({ debugpy: folder.path });
    expect(await listening(visit)).toMatchObject({ origin: 'ours' });
    expect(await stage.look()).toMatchObject({ path: [] });
  });

  test('holds the main thread until it is let go', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const visit = await stage.ring({ debugpy: folder.path, holdAtStart: true }, { main: true, hold: 3 });
    await visit.event('holding');
    stage.work(5);
    const dap = await attach(stage, (await listening(visit)).port);
    expect(stage.results).toEqual([]);
    const stopped = dap.next('stopped');
    visit.command('unhold');
    await stopped;
    dap.destroy();
    expect(await stage.result(1)).toBe(25);
  });

  test('without holdAtStart the main thread goes on once debugpy listens', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const visit = await stage.ring({ debugpy: folder.path, holdAtStart: false }, { main: true, hold: 3 });
    stage.work(5);
    await visit.event('holding');
    await visit.event('listening');
    expect(await stage.result(1)).toBe(25);
  });

  test('a file that is not there is named, and nothing is left behind', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const visit = await stage.ring({ debugpy: '/nowhere' });
    await expect(visit.event('listening')).rejects.toThrow(/nowhere/);
    expect(await stage.look()).toMatchObject({ tool: null, environ: {}, finders: [] });
    const again = await stage.ring({ debugpy: folder.path });
    expect(await listening(again)).toMatchObject({ origin: 'ours' });
  });
});

describe('a debugpy that the app has', () => {
  let interpreter = '';
  beforeAll(async () => {
    interpreter = `${await venv('3.14', [debugpyRequirement()])}/bin/python`;
  });

  test('is imported, not doubled', async () => {
    await using stage = await WorkerStage.start(interpreter);
    const visit = await stage.ring({ debugpy: '/nowhere' });
    const found = await listening(visit);
    expect(found.origin).toBe('app');
    const dap = await attach(stage, found.port);
    await stopAtWork(stage, dap, 5);
    dap.destroy();
    expect(await stage.look()).toMatchObject({ environ: {}, path: [] });
  });

  test('is used when it was imported before, and its listen does not raise later', async () => {
    await using stage = await WorkerStage.start(interpreter);
    await stage.exec('import debugpy; debugpy.configure(subProcess=False)');
    const { port, origin } = await listening(await stage.ring({ debugpy: '/nowhere' }));
    expect(origin).toBe('app');
    await stage.exec('results.put(debugpy.listen(("127.0.0.1", 0))[1])');
    expect(await stage.result(1)).toBe(port);
  });

  test.each(['debugpy.listen(0)', 'debugpy.listen(("127.0.0.1", 0), in_process_debug_adapter=True)'])(
    'is found where it listens already: %s',
    async (call) => {
      await using stage = await WorkerStage.start(interpreter, { PYDEVD_DISABLE_FILE_VALIDATION: '1' });
      await stage.exec(`import debugpy; results.put(${call}[1])`);
      const visit = await stage.ring({ debugpy: '/nowhere' });
      expect(await listening(visit)).toMatchObject({ port: await stage.result(1), origin: 'app-listening' });
      visit.command('release');
      await visit.event('released');
      const again = await stage.ring({ debugpy: '/nowhere' });
      expect(await listening(again)).toMatchObject({ port: await stage.result(1), origin: 'app-listening' });
    },
  );

  test('another debugger in the process is named', async () => {
    await using stage = await WorkerStage.start(interpreter);
    await stage.exec('import types; sys.modules["pydevd"] = types.ModuleType("pydevd")');
    const visit = await stage.ring({ debugpy: '/nowhere' });
    await expect(visit.event('listening')).rejects.toThrow(/another debugger/);
  });
});

describe('where compiled modules cannot be used', () => {
  test('the plain ones do the same', async () => {
    const interpreter = await python('3.14');
    const folder = await unpackDebugpy(interpreter, 'pure');
    try {
      await using stage = await WorkerStage.start(interpreter);
      const before = await stage.look();
      const visit = await stage.ring({ debugpy: folder.path });
      const dap = await attach(stage, (await listening(visit)).port);
      await stopAtWork(stage, dap, 5);
      visit.command('release');
      await visit.event('released');
      expect(await stage.result(1)).toBe(25);
      await expectNoTrace(stage, before);
    } finally {
      await folder.remove();
    }
  });
});
