/** Every worker of the real servers at once: a session for each, which outlives its worker. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Crew, sessionsOf } from '../support/crew.ts';
import { DapClient, type Answer } from '../support/dap-client.ts';
import { EditorTree } from '../support/editor-tree.ts';
import { assertGoodSession, connectEditor, dapSchema } from '../support/invariants.ts';
import { getOrSkip } from '../support/machine.ts';
import { ALL_PACKAGES } from '../support/packages.ts';
import { venv } from '../support/python.ts';
import { lookAt, writeConfig } from '../support/rig.ts';
import { attempt } from '../support/run.ts';
import { startRedis, type Redis } from '../support/redis.ts';
import { SETUPS, start, type Running, type Setup } from '../support/servers.ts';
import { until } from '../support/until.ts';
import { wand, WandDaemon } from '../support/wand.ts';

const environment = await getOrSkip(() => venv('3.14', ALL_PACKAGES));
const bin = join(environment ?? '', 'bin');

/** Threads, so that a worker that is stopped in one request can still be asked; and it ticks, so that it is never asleep. */
const WSGI = `import os, threading, time
def tick():
    while True:
        time.sleep(0.05)
threading.Thread(target=tick, daemon=True).start()
def app(environ, start_response):
    pid = str(os.getpid())
    start_response("200 OK", [("Connection", "close")])
    return [pid.encode()]
`;
const ASGI = `import os
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    pid = str(os.getpid())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": pid.encode()})
`;
const LINE = { wsgi: 8, asgi: 9 };

function gunicorn(workers: number, ...more: string[]): Setup {
  const command: Setup['command'] = ({ port }) => [
    `${bin}/gunicorn`,
    '-w',
    String(workers),
    '-b',
    `127.0.0.1:${String(port)}`,
    ...more,
    'app:app',
  ];
  return { name: 'gunicorn', files: { 'app.py': WSGI }, command, workers, http: true };
}

function uvicorn(workers: number): Setup {
  const command: Setup['command'] = ({ port }) => [
    `${bin}/uvicorn`,
    'app:app',
    '--workers',
    String(workers),
    '--port',
    String(port),
  ];
  return { name: 'uvicorn', files: { 'app.py': ASGI }, command, workers, http: true };
}

/** A server, the daemon, and editors on it. */
class Scene extends Crew {
  readonly running: Running;
  readonly daemon: WandDaemon;
  readonly port: number;
  readonly editors: EditorTree[] = [];
  protected override readonly oneByOne: boolean;

  private constructor(running: Running, daemon: WandDaemon, port: number) {
    super();
    this.running = running;
    this.daemon = daemon;
    this.port = port;
    // Each task is a process of its own that waits for nothing.
    this.oneByOne = running.setup.redis === true;
  }

  static async start(setup: Setup, settings: object = {}, redis = ''): Promise<Scene> {
    const running = await start(setup, bin, redis);
    const ports = await writeConfig(running.place.dir, { app: { process: { pid: running.pid }, ...settings } });
    const scene = new Scene(
      running,
      new WandDaemon(['watch', '--plain'], { cwd: running.place.dir }),
      ports['app'] ?? 0,
    );
    // celery's children sleep until there is a task.
    await scene.daemon.target('found', ({ phase, worker }) => phase === 'attached' || worker !== null, {
      timeoutMs: 60_000,
    });
    if (setup.http === true) await until(() => running.who(), 'the app answers', 30_000);
    return scene;
  }

  get file(): string {
    const [name = ''] = Object.keys(this.running.setup.files);
    return join(this.running.place.dir, name);
  }

  /** Changes settings of the target while wand runs. */
  async set(settings: object): Promise<void> {
    await writeFile(
      join(this.running.place.dir, 'debugwand.config.json'),
      JSON.stringify({
        targets: { app: { port: this.port, process: { pid: this.running.pid }, ...settings } },
        notify: false,
      }),
    );
  }

  /** Has somebody serve. */
  async ask(): Promise<void> {
    const { setup, place } = this.running;
    if (setup.redis !== true) await this.running.who();
    else
      await attempt(join(bin, 'celery'), ['-A', 'tasks', 'call', 'tasks.who'], {
        cwd: place.dir,
        env: { BROKER: place.redis },
      });
  }

  /** Sends a request, and waits for its answer, however long it takes: the pid of who answered. */
  async answer(): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${String(this.running.place.port)}/`);
    return Number(await response.text());
  }

  /** `line`: null, no breakpoint. */
  async editor(line: number | null, options: { readonly event?: boolean } = {}): Promise<EditorTree> {
    const editor = await EditorTree.attach(this.port, { [this.file]: line === null ? [] : [{ line }] }, options);
    this.editors.push(editor);
    return editor;
  }

  /** Sends a request, which stops; gives the session and its worker. */
  async stop(editor: EditorTree): Promise<{ session: DapClient; threadId: number; pid: number }> {
    const marks = editor.marks();
    void this.running.who();
    const { session, threadId } = await editor.stopped(marks);
    const { frameId } = await lookAt(session, { body: { threadId, reason: 'breakpoint' } });
    const { result } = await session.request<{ result: string }>('evaluate', { expression: 'pid', frameId });
    return { session, threadId, pid: Number(result.replaceAll("'", '')) };
  }

  async end(): Promise<void> {
    for (const editor of this.editors) editor.destroy();
    await this.daemon.stop();
    await this.running.stop();
  }
}

describe.skipIf(environment === undefined)('every worker', () => {
  let scene: Scene | null = null;
  let redis: Redis | undefined;

  beforeAll(async () => {
    redis = await getOrSkip(() => startRedis());
  });

  afterAll(async () => {
    await redis?.stop();
  });

  afterEach(async () => {
    await scene?.end();
    scene = null;
  });

  async function staged(setup: Setup, settings: object = {}): Promise<Scene> {
    scene = await Scene.start(setup, settings, redis?.url);
    return scene;
  }

  it('of gunicorn has a session: a stop in one lets the others run', async () => {
    const app = await staged(gunicorn(3));
    const editor = await app.editor(LINE.wsgi);
    await editor.attached(3);
    const slots = await app.slots(3);
    expect(new Set(slots.values()).size).toBe(3);
    const pids = await app.stopInEach(editor, 'pid');
    expect(new Set(pids.values())).toEqual(new Set(slots.values()));
    await editor.assertGood();
  });

  it('of gunicorn keeps its session through HUP, kills, scaling up and down', async () => {
    const app = await staged(gunicorn(2));
    const editor = await app.editor(LINE.wsgi);
    await editor.attached(2);
    const before = await app.slots(2);

    const after = await app.anew(() => process.kill(app.running.pid, 'SIGHUP'));
    await editor.attached(2);
    expect([...after.keys()]).toEqual([...before.keys()]);

    const killed = after.get(1) ?? 0;
    const later = await app.anew(() => process.kill(killed, 'SIGKILL'), [1]);
    expect(later.get(0)).toBe(after.get(0));

    const first = later.get(0) ?? 0;
    const last = await app.anew(() => process.kill(first, 'SIGKILL'), [0]);
    // The first session waited for its own replacement.
    expect(last.get(1)).toBe(later.get(1));
    await editor.attached(2);
    expect(editor.asked).toHaveLength(1);
    const counted = await app.daemon.target('re-attachments of both', ({ workers: rows }) =>
      rows.every(({ reattach }) => reattach.count === 2),
    );
    for (const { reattach } of counted.workers) {
      expect(reattach.last).toMatchObject({ reason: 'crash', ms: expect.any(Number) as number });
      expect(reattach.last?.phases?.verified).toBe(reattach.last?.ms);
    }

    process.kill(app.running.pid, 'SIGTTIN');
    await app.slots(3);
    await editor.attached(3);
    expect(editor.asked.map(({ subProcessId }) => subProcessId)).toEqual([1, 2]);
    await editor.assertGood();

    process.kill(app.running.pid, 'SIGTTOU');
    await app.slots(2);
    await until(() => editor.open.length === 2, 'the end of one session');
    const ended = [...editor.children.values()].find((child) => child.closed);
    expect(ended?.events('terminated')).toHaveLength(1);
    await editor.attached(2);
    const pids = await app.stopInEach(editor, 'pid');
    expect(new Set(pids.values())).toEqual(new Set((await app.slots(2)).values()));
    await editor.assertGood();
  });

  it('of gunicorn that recycles its workers keeps its session', async () => {
    const app = await staged(gunicorn(2, '--max-requests', '20'));
    const editor = await app.editor(null);
    await editor.attached(2);
    const slots = await app.slots(2);
    const asking = app.asking();
    const recycled = await app.anew(() => undefined).finally(() => asking.end());
    expect([...recycled.values()].filter((pid) => [...slots.values()].includes(pid))).toEqual([]);
    await editor.attached(2);
    expect(editor.asked).toHaveLength(1);
    await editor.assertGood();
  });

  it('of uvicorn: a child that leaves lets its worker run, and is not asked for again', async () => {
    const app = await staged(uvicorn(3));
    const editor = await app.editor(LINE.asgi, { event: true });
    await editor.attached(3);
    expect(editor.asked[0]).toMatchObject({ name: expect.stringMatching(/^worker \d+ of app$/) as string });
    const { session, threadId, pid } = await app.stop(editor);
    await app.breakAt(editor, null);
    // Whoever is not stopped serves.
    expect(await until(() => app.running.who(), 'an answer')).not.toBe(pid);
    await session.request('continue', { threadId });

    const [slot, child] = [...editor.children][0] ?? [];
    await child?.disconnect();
    const target = await app.daemon.target('two sessions', ({ workers }) =>
      workers.some((one) => one.slot === slot && !one.session && one.phase === null),
    );
    const left = target.workers.find((one) => one.slot === slot);
    process.kill(left?.pid ?? 0, 'SIGKILL');
    await app.daemon.target('another worker', ({ workers }) =>
      workers.some((one) => one.slot === slot && one.pid !== null && one.pid !== left?.pid),
    );
    expect(editor.asked).toHaveLength(2);
    await editor.attached(2);
    await editor.assertGood();

    await editor.root.disconnect();
    await until(() => editor.open.every((one) => one.closed || one === editor.root), 'the end of the others');
    await app.daemon.target(
      'nobody',
      ({ editor: { connected }, workers }) => !connected && !workers.some((one) => one.session),
    );
  });

  it.each([
    ['celery-prefork', /print\(os.getpid/, 2],
    ['forkserver', /print\(os.getpid/, 2],
    ['hypercorn-workers', /body": str\(os.getpid/, 2],
    ['gunicorn-uvicorn', /body": str\(os.getpid/, 2],
  ] as const)('of %s has a session, and the next one in its place', async (name, place, count) => {
    const setup = SETUPS.find((one) => one.name === name);
    if (setup === undefined) throw new Error(`no setup ${name}`);
    const app = await staged(setup);
    const text = Object.values(setup.files)[0] ?? '';
    const editor = await app.editor(text.split('\n').findIndex((line) => place.test(line)) + 1);
    await until(() => editor.open.length === count, 'its sessions', 60_000);
    const pids = await app.stopInEach(editor, '__import__("os").getpid()');
    const slots = await app.slots(count);
    expect(new Set(pids.values())).toEqual(new Set(slots.values()));
    const killed = slots.get(1) ?? 0;
    process.kill(killed, 'SIGKILL');
    if (setup.reload === 'kill') {
      await app.daemon.target('another worker', ({ workers }) =>
        workers.some(({ slot, pid, session }) => slot === 1 && session && pid !== null && pid !== killed),
      );
    } else {
      await app.daemon.target('no worker', ({ workers }) => !workers.some(({ pid }) => pid === killed));
    }
    await editor.assertGood();
    expect(editor.asked).toHaveLength(count - 1);
  });

  it("of a worker's own pool comes when it has stayed a while", async () => {
    const setup = SETUPS.find((one) => one.name === 'uvicorn-pool');
    if (setup === undefined) throw new Error('no setup uvicorn-pool');
    const app = await staged(setup);
    const editor = await app.editor(null);
    await until(() => editor.open.length >= 2, 'the session of a child', 30_000);
    expect((await app.daemon.target('chosen', ({ worker }) => worker !== null)).worker?.reason).toContain(
      'uvicorn reloader',
    );
    await editor.assertGood();
  });

  it('stops together where the config says so', async () => {
    const app = await staged(gunicorn(2), { stopAll: true });
    const editor = await app.editor(LINE.wsgi);
    await editor.attached(2);
    const marks = editor.marks();
    const { session, threadId } = await app.stop(editor);
    const other = editor.open.find((one) => one !== session);
    if (other === undefined) throw new Error('there is one session');
    await other.waitFor('stopped', ({ reason }) => reason === 'pause', { after: marks.get(other) ?? 0 });
    const both = await app.daemon.target('both stopped', ({ workers }) =>
      workers.every(({ phase }) => phase === 'stopped'),
    );
    const stop = both.workers.find(({ stoppedAlong }) => stoppedAlong !== true);
    expect(both.workers.filter(({ stoppedAlong }) => stoppedAlong === true)).toHaveLength(1);
    expect(both.stoppedAt).toMatch(/\bbreakpoint\b/);
    expect(both.message).toBe(`worker ${String(stop?.pid)} stopped at ${both.stoppedAt ?? ''}`);
    await app.breakAt(editor, null);
    await session.request('continue', { threadId });
    await app.daemon.target('both run', ({ workers }) => workers.every(({ phase }) => phase === 'attached'));
    expect(await until(() => app.running.who(), 'an answer')).toBeGreaterThan(0);
    await editor.assertGood();
  });

  it.each([
    ['says no', (): Answer => ({ success: false, message: 'no room' }), /no room/],
    ['never answers', (): Answer => null, /did not within/],
    ['says yes and does not come', (): Answer => ({ success: true }), /did not within/],
  ] as const)('an editor that %s is asked once and goes on; switch moves its session', async (_name, answer, why) => {
    const app = await staged(gunicorn(3));
    let asked = 0;
    const editor = await DapClient.connect(app.port, {
      schema: await dapSchema(),
      timeoutMs: 30_000,
      onRequest: () => {
        asked += 1;
        return answer();
      },
    });
    await editor.attach({}, { initialize: { supportsStartDebuggingRequest: true } });
    await editor.waitFor('output', ({ output }) => why.test(String(output)), { timeoutMs: 40_000 });
    const before = await app.daemon.target(
      'one session',
      ({ workers }) => workers.filter((one) => one.slot !== null).length === 1,
    );
    expect(before.workers).toHaveLength(3);
    const wanted = before.workers.find((one) => one.slot === null)?.pid ?? 0;
    const after = editor.mark();
    expect(await wand(['switch', String(wanted)], { cwd: app.running.place.dir })).toMatchObject({ code: 0 });
    await editor.waitFor('output', ({ output }) => String(output).startsWith(`attached to worker ${String(wanted)}`), {
      after,
    });
    expect(asked).toBe(1);
    await assertGoodSession(editor);
    editor.destroy();
  });

  it("an editor that has one session moves it with 'switch', round and round", async () => {
    const app = await staged(uvicorn(2));
    const editor = await connectEditor(app.port, 30_000);
    await editor.attach({ [app.file]: [{ line: LINE.asgi }] });
    const first = await app.daemon.target('a worker', ({ phase }) => phase === 'attached');
    for (const expected of ['another', 'the first'] as const) {
      const after = editor.mark();
      expect(await wand(['switch', 'app'], { cwd: app.running.place.dir })).toMatchObject({ code: 0 });
      await editor.waitFor('output', ({ output }) => String(output).startsWith('attached to worker'), { after });
      const now = await app.daemon.target('moved', ({ phase }) => phase === 'attached');
      expect(now.worker?.pid === first.worker?.pid).toBe(expected === 'the first');
      expect(now.message).toContain('chosen by `wand switch');
    }
    const wrong = await wand(['switch', 'app', '1'], { cwd: app.running.place.dir });
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.stderr).toMatch(/no process 1|is no worker/);
    await assertGoodSession(editor);
    editor.destroy();
  });

  it('keeps strangers out of the sessions of others', async () => {
    const app = await staged(gunicorn(2));
    const editor = await app.editor(LINE.wsgi);
    await editor.attached(2);
    for (const args of [{}, { subProcessId: 1 }, { subProcessId: 99 }]) {
      const stranger = await connectEditor(app.port);
      await stranger.request('initialize', { adapterID: 'debugpy', clientID: 'stranger' });
      expect(await stranger.ask('attach', args)).toMatchObject({ success: false });
      await until(() => stranger.closed, 'the end of the stranger');
    }
    await app.stopInEach(editor, 'pid');
    await editor.assertGood();
  });

  it('says so when there are more workers than sessions', async () => {
    const app = await staged(gunicorn(4), { maxWorkers: 2 });
    const editor = await app.editor(LINE.wsgi);
    await editor.attached(2);
    await editor.root.waitFor('output', ({ output }) =>
      // Those of the moment: workers that start one after the other are counted one after the other.
      /^2 of [34] workers have a debug session/.test(String(output)),
    );
    const { workers } = await app.daemon.target('two left out', ({ workersLeftOut }) => workersLeftOut === 2);
    expect([workers.length, workers.filter(({ slot }) => slot !== null).length]).toEqual([4, 2]);
    expect(editor.asked).toHaveLength(1);
  });

  it('follows a change of `workers` and `maxWorkers` at once, and those that it ends run on', async () => {
    const app = await staged(gunicorn(3));
    const editor = await app.editor(LINE.wsgi);
    await editor.attached(3);
    const before = await app.slots(3);
    const all = [...before.values()];

    // One of those that end is stopped: it goes on, and answers.
    await editor.root.request('setBreakpoints', { source: { path: app.file }, breakpoints: [] });
    const answers: Promise<number>[] = [];
    const marks = editor.marks();
    await until(
      () => {
        answers.push(app.answer());
        return editor.open.some((session) => session.events('stopped', marks.get(session) ?? 0).length > 0);
      },
      'a stop in a further session',
      30_000,
    );
    const children = [...editor.children.values()];
    await app.set({ workers: 'one' });
    await until(() => children.every((child) => child.closed), 'the end of the further sessions');
    for (const child of children) expect(child.events('terminated')).toHaveLength(1);
    const { workers, workersLeftOut } = await app.daemon.target(
      'one session',
      (target) => sessionsOf(target).length === 1 && target.workers.length === 3,
    );
    expect(workers.map(({ slot, pid }) => [slot, pid])).toEqual(
      expect.arrayContaining([
        [0, before.get(0)],
        ...all.filter((pid) => pid !== before.get(0)).map((pid) => [null, pid]),
      ]),
    );
    expect(workersLeftOut).toBe(0);
    for (const answer of answers) expect(all).toContain(await answer);
    await app.daemon.target('it runs', ({ phase, pause }) => phase === 'attached' && pause === null);
    await assertGoodSession(editor.root);

    await app.set({ maxWorkers: 2 });
    await app.slots(2);
    await editor.attached(2);
    await editor.root.waitFor('output', ({ output }) =>
      String(output).startsWith('2 of 3 workers have a debug session'),
    );
    await app.set({});
    expect(new Set((await app.slots(3)).values())).toEqual(new Set(all));
    await editor.attached(3);
    await editor.assertGood();
  });
});
