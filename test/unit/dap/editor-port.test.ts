import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { EditorPort } from '../../../src/dap/editor-port.ts';
import { Keeper } from '../../support/keeper.ts';
import { ScriptedDebugpy } from '../../support/scripted-debugpy.ts';
import { until } from '../../support/until.ts';

/** Binds the port as the next daemon would. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

async function freePort(): Promise<number> {
  const port = new EditorPort({ name: 'api', port: 0, terminateOnDisconnect: false }, () => undefined);
  await port.listen(new AbortController().signal);
  const number = port.port;
  await port.close();
  return number;
}

describe('a port that ends while it is bound', () => {
  it.each([
    ['closed', (port: EditorPort, _abort: AbortController) => port.close()],
    ['aborted', (_port: EditorPort, abort: AbortController) => Promise.resolve(abort.abort())],
  ] as const)('leaves nobody listening: %s', async (_name, end) => {
    const number = await freePort();
    const events: string[] = [];
    const abort = new AbortController();
    const port = new EditorPort({ name: 'api', port: number, terminateOnDisconnect: false }, ({ type }) =>
      events.push(type),
    );
    const listening = port.listen(abort.signal);
    await end(port, abort);
    await expect(listening).rejects.toThrow();
    expect(await isFree(number)).toBe(true);
    expect(events).not.toContain('listening');
    await expect(port.listen(new AbortController().signal)).rejects.toThrow('closed');
  });
});

describe('a port that closes', () => {
  it.each([
    ['while all are there', () => undefined],
    ['just after its slot ended', (port: EditorPort) => port.endChild(1)],
  ])('waits until the worker of a further session is let go: %s', async (_name, before) => {
    const keeper = await Keeper.start();
    const editor = await keeper.editor();
    await editor.request('initialize', { clientID: 'x' });
    const attaching = editor.ask('attach', {});
    const debugpy = new ScriptedDebugpy(['initialize', 'disconnect']);
    keeper.port.workerUp(debugpy.link(1), 1);
    const further = await keeper.editor();
    await further.request('initialize', { clientID: 'x' });
    const joining = further.ask('attach', { subProcessId: 1 });
    await until(() => debugpy.asked.includes('initialize'), 'the connection to the worker');
    before(keeper.port);
    await keeper.port.close();
    expect(debugpy.stream.destroyed).toBe(true);
    await Promise.allSettled([attaching, joining]);
  });
});

/** Two sessions of one editor, each attached to its worker. */
async function attachedToBoth(one: ScriptedDebugpy, two: ScriptedDebugpy) {
  const keeper = await Keeper.start({ stopAll: true });
  keeper.port.workerUp(one.link(1), 0);
  const editor = await keeper.editor();
  await editor.attach();
  keeper.port.workerUp(two.link(2), 1);
  const further = await keeper.editor();
  await further.attach({}, { attach: { subProcessId: 1 } });
  await until(() => keeper.of('verified').length === 2, 'both are attached');
  return { keeper, editor, further };
}

describe('stopAll', () => {
  it('does not take a stop for a new one that was on its way when all were let go', async () => {
    const [one, two] = [new ScriptedDebugpy(), new ScriptedDebugpy(['continue'])];
    const { keeper, editor, further } = await attachedToBoth(one, two);

    one.event('stopped', { reason: 'breakpoint', threadId: 1 });
    await until(() => two.asked.includes('pause'), 'the other one is told to stop');
    await editor.request('continue', { threadId: 1 });
    await until(() => two.asked.includes('continue'), 'the other one is told to run on');
    const stops = (): string[] =>
      keeper.of('stopped').map(({ where, along }) => `${where ?? 'runs'}${along ? ' along' : ''}`);
    // It had stopped by then, and runs on as it was told.
    two.event('stopped', { reason: 'pause', threadId: 1 });
    two.answer();
    two.event('continued', { threadId: 1, allThreadsContinued: true });
    await further.waitFor('continued');
    expect(one.asked).not.toContain('pause');
    expect(stops().filter((stop) => stop !== 'runs')).toEqual(['a breakpoint']);

    // The next one of its own counts.
    two.event('stopped', { reason: 'breakpoint', threadId: 1 });
    await until(() => one.asked.includes('pause'), 'the first one is told to stop');
    await keeper.port.close();
  });

  it('lets nobody go because one that was stopped for the sake of another ended', async () => {
    const [one, two] = [new ScriptedDebugpy(), new ScriptedDebugpy()];
    const { keeper, further } = await attachedToBoth(one, two);
    one.event('stopped', { reason: 'breakpoint', threadId: 1 });
    await until(() => two.asked.includes('pause'), 'the other one is told to stop');
    two.event('stopped', { reason: 'pause', threadId: 1 });
    await further.waitFor('stopped');
    expect(keeper.of('stopped')).toMatchObject([
      { where: 'a breakpoint', along: false },
      { where: 'a pause', along: true },
    ]);
    keeper.port.workerDown(2, { text: 'worker 2 exited' }, 1);
    await further.waitFor('continued');
    expect(one.asked).not.toContain('continue');
    await keeper.port.close();
  });

  it('tells of a breakpoint that another one came to meanwhile as of its own stop', async () => {
    const [one, two] = [new ScriptedDebugpy(), new ScriptedDebugpy()];
    const { keeper, editor, further } = await attachedToBoth(one, two);
    one.event('stopped', { reason: 'breakpoint', threadId: 1 });
    await until(() => two.asked.includes('pause'), 'the other one is told to stop');
    two.event('stopped', { reason: 'breakpoint', threadId: 1 });
    await further.waitFor('stopped');
    expect(keeper.of('stopped').map(({ along }) => along)).toEqual([false, false]);
    // All run on with the first one, at once for those who look.
    await editor.request('continue', { threadId: 1 });
    expect(keeper.of('stopped').slice(2)).toMatchObject([{ where: null }, { where: null }]);
    await keeper.port.close();
  });
});
