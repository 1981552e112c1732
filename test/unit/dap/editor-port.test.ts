import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { EditorPort } from '../../../src/dap/editor-port.ts';

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
