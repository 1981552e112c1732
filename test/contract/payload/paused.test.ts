// What a worker does for probes and clients while the debugger has stopped it: the real payload in real servers.
import { describe, expect, test } from 'vitest';
import { get, PausedStage, PROBE_HEADERS, server } from '../../support/paused-stage.ts';
import { until } from '../../support/until.ts';

const UVICORN = server('uvicorn', 'asgi', 1, 'uvicorn', 'app:app', '--port', '$PORT');
const GUNICORN = server('gunicorn', 'wsgi', 1, 'gunicorn', '-w', '1', '-b', '127.0.0.1:$PORT', 'app:app');
const GUNICORN_UVICORN = server(
  'gunicorn-uvicorn',
  'asgi',
  1,
  ...'gunicorn -w 1 -k uvicorn_worker.UvicornWorker -b 127.0.0.1:$PORT app:app'.split(' '),
);
const FLASK = server('flask', 'flask', 1, 'flask', 'run', '--port', '$PORT');
const ANSWERS = { '/healthz': 200, '/readyz': 503 };

function post(path: string, size: number): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nHost: pod\r\nConnection: close\r\nContent-Length: ${String(size)}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.alloc(size, 'x')]);
}

describe.each([UVICORN, GUNICORN, GUNICORN_UVICORN, FLASK])('$name, stopped by the debugger', (setup) => {
  test('answers probes, holds all others, and gives them to the app when it runs again', async () => {
    await using stage = await PausedStage.start(setup, ANSWERS);
    expect(await stage.probe('/healthz')).toBe('200 app');
    const before = stage.sockets;
    const { client, threadId } = await stage.stop();
    const seen: string[] = [];
    for (let i = 0; i < 5; i += 1) seen.push(await stage.probe('/healthz'), await stage.probe('/readyz'));
    expect(seen).toEqual(Array.from({ length: 5 }, () => ['200 paused', '503 paused']).flat());

    const held = Array.from({ length: 20 }, (_, i) =>
      stage.client(
        i % 2 === 0 ? get(`/held/${String(i)}`, { Connection: 'close' }) : post(`/held/${String(i)}`, 1_000_000),
      ),
    );
    const halfClosed = stage.client('not HTTP\r\n\r\n', { halfClose: true });
    const gone = Array.from({ length: 5 }, () => stage.client(get('/gone')));
    const other = stage.client(get('/elsewhere', PROBE_HEADERS));
    await until(() => stage.sockets >= before + 27, 'all are held');
    for (const one of gone) one.destroy();
    await until(() => stage.sockets <= before + 24, 'those that hung up are dropped');
    expect(await stage.probe('/healthz')).toBe('200 paused');
    expect([client, other, halfClosed, ...held].map(({ text }) => text)).toEqual(Array(23).fill(''));

    await stage.goOn(threadId);
    const pid = String(stage.worker);
    expect(await client.answer()).toBe(`200 ${pid} /stop 0 stopped and went on`);
    expect(await Promise.all(held.map((one) => one.answer()))).toEqual(
      held.map((_, i) => `200 ${pid} /held/${String(i)} ${i % 2 === 0 ? '0' : '1000000'}`),
    );
    expect(await other.answer()).toBe(`200 ${pid} /elsewhere 0`);
    await until(() => halfClosed.ended, 'the app has ended what is no HTTP');
    expect(halfClosed.text).toContain('400');
    for (const one of [client, other, ...held, halfClosed]) one.destroy();
    await until(() => stage.sockets <= before, 'no connection is left');
    expect(await stage.probe('/healthz')).toBe('200 app');
  });

  test('a client that keeps its connection goes on with it, and steps lose nobody', async () => {
    await using stage = await PausedStage.start(setup, ANSWERS);
    const { client, threadId } = await stage.stop();
    const held = stage.client(get('/one'));
    const silent = stage.client('');
    expect(await stage.probe('/healthz')).toBe('200 paused');
    const after = stage.editor.mark();
    await stage.editor.request('next', { threadId });
    await stage.editor.waitFor('stopped', undefined, { after });
    await until(async () => (await stage.probe('/healthz')) === '200 paused', 'it is answered for again');
    expect(held.text).toBe('');
    await stage.goOn(threadId);
    await client.answer();
    expect(await held.answer()).toMatch(/^200 \d+ \/one 0$/);
    silent.socket.write(get('/late', { Connection: 'close' }));
    expect(await silent.answer()).toMatch(/^200 \d+ \/late 0$/);
    if (!/connection: close/i.test(held.text)) {
      held.text = '';
      held.socket.write(get('/two'));
      expect(await held.answer()).toMatch(/^200 \d+ \/two 0$/);
    }
  });
});
