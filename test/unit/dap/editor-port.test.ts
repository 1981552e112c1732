import { createServer } from 'node:net';
import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { EditorPort } from '../../../src/dap/editor-port.ts';
import { Keeper } from '../../support/keeper.ts';
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
    // A debugpy that takes everything and answers nothing.
    const debugpy = new Duplex({ read: () => undefined, write: (_bytes, _encoding, done) => done() });
    const facts = { name: 'worker 7', pid: 7, generation: 1, pathMappings: [], seenAt: 0, startedAt: 0 };
    let opened = false;
    const open = (): Promise<Duplex> => {
      opened = true;
      return Promise.resolve(debugpy);
    };
    keeper.port.workerUp({ ...facts, open }, 1);
    const further = await keeper.editor();
    await further.request('initialize', { clientID: 'x' });
    const joining = further.ask('attach', { subProcessId: 1 });
    await until(() => opened, 'the connection to the worker');
    before(keeper.port);
    await keeper.port.close();
    expect(debugpy.destroyed).toBe(true);
    await Promise.allSettled([attaching, joining]);
  });
});
