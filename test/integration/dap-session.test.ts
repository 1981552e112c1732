// The keeper with real debugpy behind it, in real processes, and a client that checks all it hears against the official
// schema of the protocol.
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DapClient } from '../support/dap-client.ts';
import { DapSchema } from '../support/dap-schema.ts';
import { DapWorker, debugpyVenv, dial, WORKER_FILE, WORKER_LINE } from '../support/dap-worker.ts';
import { Keeper } from '../support/keeper.ts';
import { until } from '../support/until.ts';

interface Frames {
  readonly stackFrames: readonly {
    readonly id: number;
    readonly line: number;
    readonly source: { readonly path: string };
  }[];
}
interface Scopes {
  readonly scopes: readonly { readonly name: string; readonly variablesReference: number }[];
}
interface Variables {
  readonly variables: readonly { readonly name: string; readonly value: string; readonly variablesReference: number }[];
}
interface Breakpoints {
  readonly breakpoints: readonly {
    readonly id: number;
    readonly verified: boolean;
    readonly line?: number;
    readonly message?: string;
  }[];
}

const HERE = [{ line: WORKER_LINE }];

let venv = '';
let schema: DapSchema;
const workers: DapWorker[] = [];
const keepers: Keeper[] = [];
const editors: DapClient[] = [];

beforeAll(async () => {
  venv = await debugpyVenv();
  schema = await DapSchema.load(venv);
});

afterEach(async () => {
  for (const editor of editors) {
    expect(editor.violations).toEqual([]);
    editor.destroy();
  }
  await Promise.all(keepers.map((keeper) => keeper.port.close()));
  await Promise.all(workers.map((worker) => worker.kill()));
  for (const list of [editors, keepers, workers]) list.length = 0;
});

async function worker(kind?: 'in-process' | 'adapter'): Promise<DapWorker> {
  const started = await DapWorker.start(venv, kind);
  workers.push(started);
  return started;
}

async function keeper(): Promise<Keeper> {
  const started = await Keeper.start();
  keepers.push(started);
  return started;
}

async function editorOf(from: Keeper): Promise<DapClient> {
  const editor = await from.editor({ schema });
  editors.push(editor);
  return editor;
}

/** Where it stops next: thread, top frame, its locals. */
async function stop(
  editor: DapClient,
  after = 0,
): Promise<{ threadId: number; frameId: number; line: number; path: string; locals: number }> {
  const { body } = await editor.waitFor('stopped', undefined, { after });
  const { threadId } = body as { threadId: number };
  const { stackFrames } = await editor.request<Frames>('stackTrace', { threadId });
  const top = stackFrames[0];
  if (top === undefined) throw new Error('no frames');
  const { scopes } = await editor.request<Scopes>('scopes', { frameId: top.id });
  const locals = scopes.find(({ name }) => name === 'Locals')?.variablesReference ?? 0;
  return { threadId, frameId: top.id, line: top.line, path: top.source.path, locals };
}

describe('a session', () => {
  it('has all that a debugger has, in one worker and in the next', async () => {
    const held = await keeper();
    const editor = await editorOf(held);
    await editor.attach({ [WORKER_FILE]: HERE });
    let mark = editor.mark();
    for (const generation of [1, 2]) {
      const app = await worker();
      held.port.workerUp(app.link(generation));
      const at = await stop(editor, mark);
      expect(at).toMatchObject({ line: WORKER_LINE, path: WORKER_FILE });
      const { variables } = await editor.request<Variables>('variables', { variablesReference: at.locals });
      expect(variables.map(({ name }) => name)).toEqual(expect.arrayContaining(['number', 'doubled', 'items']));
      const items = variables.find(({ name }) => name === 'items');
      const inner = await editor.request<Variables>('variables', { variablesReference: items?.variablesReference });
      expect(inner.variables.map(({ name }) => name)).toEqual(expect.arrayContaining(["'doubled'", "'number'"]));
      await editor.request('setVariable', { variablesReference: at.locals, name: 'doubled', value: '4711' });
      expect(
        await editor.request('evaluate', { expression: 'doubled + 1', frameId: at.frameId, context: 'hover' }),
      ).toMatchObject({ result: '4712' });
      await editor.request('setExpression', { expression: 'number', value: '7', frameId: at.frameId });
      expect(
        await editor.request('evaluate', { expression: 'items', frameId: at.frameId, context: 'repl' }),
      ).toMatchObject({ type: 'dict' });
      const { targets } = await editor.request<{ targets: { label: string }[] }>('completions', {
        text: 'doub',
        column: 5,
        frameId: at.frameId,
      });
      expect(targets.map(({ label }) => label)).toContain('doubled');
      const { threads } = await editor.request<{ threads: { id: number; name: string }[] }>('threads');
      expect(threads.find(({ id }) => id === at.threadId)).toMatchObject({ name: 'MainThread' });
      expect(held.port.report()).toMatchObject({
        connected: true,
        client: 'a test',
        stoppedAt: `worker.py:${String(WORKER_LINE)} (breakpoint)`,
        breakpoints: 1,
        verified: 1,
      });

      const stepped = editor.mark();
      await editor.request('next', { threadId: at.threadId });
      expect((await stop(editor, stepped)).line).not.toBe(WORKER_LINE);
      const again = editor.mark();
      await editor.request('continue', { threadId: at.threadId });
      expect(await stop(editor, again)).toMatchObject({ line: WORKER_LINE, threadId: at.threadId });
      const info = await editor.request<{ process: { pid: number }; debugpy: { version: string } }>(
        'debugpySystemInfo',
      );
      expect([info.process.pid, info.debugpy.version]).toEqual([app.pid, '1.8.22']);

      mark = editor.mark();
      await app.kill();
      held.port.workerDown(generation, { text: `worker ${String(app.pid)} exited` });
      await editor.waitFor('thread', (body) => body['reason'] === 'exited' && body['threadId'] === at.threadId, {
        after: mark,
      });
      expect(await editor.ask('scopes', { frameId: at.frameId })).toMatchObject({ success: false });
    }
    expect(editor.closed).toBe(false);
    expect(editor.unanswered).toEqual([]);
  });

  it('carries conditions, hit conditions, log points, functions and exceptions into the next worker', async () => {
    const held = await keeper();
    const editor = await editorOf(held);
    await editor.attach();
    const path = WORKER_FILE;
    await editor.request('setBreakpoints', {
      source: { path },
      breakpoints: [
        { line: WORKER_LINE, condition: 'number == 40' },
        { line: WORKER_LINE - 5, logMessage: 'number is {number}' },
      ],
    });
    for (const generation of [1, 2]) {
      const mark = editor.mark();
      const app = await worker();
      held.port.workerUp(app.link(generation));
      const at = await stop(editor, mark);
      expect(await editor.request('evaluate', { expression: 'number', frameId: at.frameId })).toMatchObject({
        result: '40',
      });
      const logged = editor.events('output', mark).map((body) => String(body['output']));
      expect(logged.filter((text) => /^number is \d+/.test(text)).length).toBeGreaterThan(2);
      await app.kill();
      held.port.workerDown(generation, { text: 'it exited' });
    }
    await editor.request('setBreakpoints', { source: { path }, breakpoints: [] });
    await editor.request('setFunctionBreakpoints', { breakpoints: [{ name: 'double', condition: 'number > 3' }] });
    let mark = editor.mark();
    const third = await worker();
    held.port.workerUp(third.link(3));
    expect((await editor.waitFor('stopped', undefined, { after: mark })).body).toMatchObject({
      reason: 'function breakpoint',
    });
    await editor.request('setFunctionBreakpoints', { breakpoints: [] });
    await editor.request('setExceptionBreakpoints', { filters: ['raised'] });
    mark = editor.mark();
    await third.kill();
    held.port.workerDown(3, { text: 'it exited' });
    held.port.workerUp((await worker()).link(4));
    const at = await stop(editor, mark);
    expect(await editor.request('exceptionInfo', { threadId: at.threadId })).toMatchObject({
      exceptionId: 'ValueError',
    });
  });

  it('knows nothing of breakpoints that were taken away while no worker was there', async () => {
    const held = await keeper();
    const editor = await editorOf(held);
    const first = await worker();
    held.port.workerUp(first.link(1));
    await editor.attach({ [WORKER_FILE]: HERE });
    await stop(editor);
    await first.kill();
    held.port.workerDown(1, { text: 'it exited' });
    await editor.request('setBreakpoints', { source: { path: WORKER_FILE }, breakpoints: [], sourceModified: true });
    const next = await worker();
    held.port.workerUp(next.link(2));
    await held.verified(2);
    await next.runs();
    expect(held.port.report()).toMatchObject({ stoppedAt: null, breakpoints: 0 });
  });

  it('tells the truth about breakpoints: moved, in no file, waiting', async () => {
    const held = await keeper();
    const editor = await editorOf(held);
    const set = await editor.attach({ [WORKER_FILE]: [{ line: 1 }, ...HERE], '/nowhere/at/all.py': [{ line: 1 }] });
    const waiting = set.get(WORKER_FILE) as Breakpoints;
    expect(waiting.breakpoints.map(({ verified, message }) => [verified, message])).toEqual([
      [false, 'waiting for a worker'],
      [false, 'waiting for a worker'],
    ]);
    held.port.workerUp((await worker()).link(1));
    await held.verified(1);
    await editor.waitFor('breakpoint', (body) => (body['breakpoint'] as { id: number }).id === 3);
    const told = editor.events('breakpoint').map((body) => body['breakpoint'] as Breakpoints['breakpoints'][number]);
    expect(told.find(({ id }) => id === 2)).toMatchObject({ verified: true, line: WORKER_LINE });
    expect(told.find(({ id }) => id === 3)).toMatchObject({
      verified: false,
      message: expect.stringContaining('does not exist') as unknown,
    });
  });

  it('fills in path mappings that the editor does not bring', async () => {
    const held = await keeper();
    const app = await worker();
    held.port.workerUp(app.link(1, { pathMappings: [{ local: '/home/dev/shop', remote: dirname(WORKER_FILE) }] }));
    const editor = await editorOf(held);
    await editor.attach(
      { '/home/dev/shop/worker.py': HERE },
      { attach: { pathMappings: [{ localRoot: '/home/dev/shop', remoteRoot: '/home/dev/shop' }] } },
    );
    expect(await stop(editor)).toMatchObject({ path: '/home/dev/shop/worker.py', line: WORKER_LINE });
  });

  it.each(['in-process', 'adapter'] as const)(
    'leaves the app running (%s): by disconnect, and by vanishing',
    async (kind) => {
      const held = await keeper();
      const app = await worker(kind);
      held.port.workerUp(app.link(1, kind === 'adapter' ? { origin: 'app-listening' } : {}));
      for (const goodbye of ['disconnect', 'vanish', 'terminate']) {
        const editor = await editorOf(held);
        await editor.attach({ [WORKER_FILE]: HERE });
        await stop(editor);
        if (goodbye === 'terminate') await editor.request('terminate');
        if (goodbye === 'vanish') editor.destroy();
        else await editor.disconnect({ terminateDebuggee: true });
        await app.runs();
        expect(app.alive).toBe(true);
        await until(() => !held.port.report().connected, 'the end of the session');
      }
    },
  );

  it('takes the connection up again when only the connection was lost', async () => {
    const held = await keeper();
    const app = await worker();
    const streams: Duplex[] = [];
    const link = (): Parameters<typeof held.port.workerUp>[0] =>
      app.link(1, {
        open: async (signal) => {
          const stream = await dial(app.port, signal);
          streams.push(stream);
          return stream;
        },
      });
    held.port.workerUp(link());
    const editor = await editorOf(held);
    await editor.attach({ [WORKER_FILE]: HERE });
    await stop(editor);
    const mark = editor.mark();
    streams[0]?.destroy();
    await until(() => held.of('upstream-lost').length > 0, 'the news of the lost connection');
    held.port.workerDown(1, { text: 'late' });
    held.port.workerUp(link());
    await stop(editor, mark);
    expect(editor.unanswered).toEqual([]);
  });

  it('says so when a worker cannot be reached', async () => {
    const held = await keeper();
    const editor = await editorOf(held);
    await editor.attach();
    const app = await worker();
    held.port.workerUp(app.link(1, { open: () => Promise.reject(new Error('the agent is gone')) }));
    await until(() => held.of('upstream-lost').length > 0, 'the news');
    expect(held.of('upstream-lost')[0]).toMatchObject({ generation: 1, why: 'the agent is gone' });
    held.port.workerUp(app.link(1));
    await held.verified(1);
  });

  it('answers for debugpy when an answer is too long for the protocol', async () => {
    const held = await keeper();
    held.port.workerUp((await worker()).link(1));
    const editor = await editorOf(held);
    await editor.attach({ [WORKER_FILE]: HERE });
    const at = await stop(editor);
    const answer = await editor.ask('evaluate', {
      expression: "'x' * 20_000_000",
      frameId: at.frameId,
      context: 'clipboard',
    });
    expect(answer).toMatchObject({ success: false, message: expect.stringContaining('too long') as unknown });
    expect(await editor.request('evaluate', { expression: '1 + 1', frameId: at.frameId })).toMatchObject({
      result: '2',
    });
    const long = await editor.ask('evaluate', { expression: `'${'y'.repeat(16_777_100)}'`, frameId: at.frameId });
    expect(long).toMatchObject({ success: false, message: expect.stringContaining('too long') as unknown });
  });
});

describe('workers that die', () => {
  it('fifty in a row, running, stopped, attaching: one session, no request without its answer', async () => {
    const held = await keeper();
    const editor = await editorOf(held);
    await editor.attach({ [WORKER_FILE]: HERE });
    let next = worker();
    const answers: Promise<unknown>[] = [];
    for (let generation = 1; generation <= 50; generation++) {
      const app = await next;
      next = worker();
      const mark = editor.mark();
      held.port.workerUp(app.link(generation));
      const how = (['stopped', 'attaching', 'running', 'asked'] as const)[generation % 4];
      if (how === 'stopped' || how === 'asked') {
        const at = await stop(editor, mark);
        if (how === 'asked') {
          answers.push(editor.ask('evaluate', { expression: '__import__("time").sleep(5)', frameId: at.frameId }));
          answers.push(
            editor.ask('variables', { variablesReference: at.locals }),
            editor.ask('next', { threadId: at.threadId }),
          );
        }
      } else if (how === 'running') {
        await held.verified(generation);
        answers.push(
          editor.ask('setBreakpoints', { source: { path: WORKER_FILE }, breakpoints: HERE, sourceModified: true }),
        );
        answers.push(editor.ask('threads'));
      }
      const kill = app.kill();
      if (generation % 2 === 0) {
        await kill;
        held.port.workerDown(generation, { text: `worker ${String(app.pid)} exited` });
      } else {
        held.port.workerDown(generation, { text: `worker ${String(app.pid)} exited` });
        await kill;
      }
    }
    await Promise.all(answers);
    const mark = editor.mark();
    held.port.workerUp((await next).link(51));
    expect(await stop(editor, mark)).toMatchObject({ line: WORKER_LINE });
    expect(editor.closed).toBe(false);
    expect(editor.unanswered).toEqual([]);
    const started = editor
      .events('thread')
      .filter((body) => body['reason'] === 'started')
      .map((body) => body['threadId']);
    expect(new Set(started).size).toBe(started.length);
    const exited = new Set(
      editor
        .events('thread')
        .filter((body) => body['reason'] === 'exited')
        .map((body) => body['threadId']),
    );
    const { threads } = await editor.request<{ threads: { id: number }[] }>('threads');
    expect(threads.some(({ id }) => exited.has(id))).toBe(false);
    await editor.disconnect();
  });

  it('does not keep an app from ending: debugpy says goodbye, the keeper hangs up', async () => {
    const held = await keeper();
    const editor = await editorOf(held);
    await editor.attach();
    const app = await worker();
    let sawItsEnd: boolean | null = null;
    const open = async (signal: AbortSignal): Promise<Duplex> => {
      const stream = await dial(app.port, signal);
      stream.once('close', () => (sawItsEnd = stream.readableEnded));
      return stream;
    };
    held.port.workerUp(app.link(1, { open }));
    await held.verified(1);
    // A goodbye on a young connection is not believed.
    await app.runs();
    await app.runs();
    await app.runs();
    app.signal('SIGINT');
    await until(() => !app.alive, 'the end of the app');
    // pydevd would have waited half a second for us: we closed before it did.
    expect(sawItsEnd).toBe(false);
  });
});
