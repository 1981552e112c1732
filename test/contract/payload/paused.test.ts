// What a worker does for probes and clients while the debugger has stopped it: the real payload in real servers.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { get, PausedStage, PROBE_HEADERS, server } from '../../support/paused-stage.ts';
import { python } from '../../support/python.ts';
import { run } from '../../support/run.ts';
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

const PAYLOAD = join(import.meta.dirname, '../../../payload');

/** Asks as the kubelet does until `count` probes were answered in a row like that, a second and more of real time. */
async function survives(stage: PausedStage, answer: string, count: number): Promise<void> {
  let good = 0;
  await until(
    async () => {
      const said = await stage.probe('/healthz');
      if (said !== answer) throw new Error(`after ${String(good)} answers: ${said}\n${stage.running.output()}`);
      good += 1;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return good >= count;
    },
    `${String(count)} answers`,
    60_000,
  );
}

describe('servers that kill workers which do not beat', () => {
  const gunicorn = server('gunicorn', 'wsgi', 1, ...'gunicorn -w 1 --timeout 2 -b 127.0.0.1:$PORT app:app'.split(' '));

  test('gunicorn --timeout 2 spares a paused worker', async () => {
    await using stage = await PausedStage.start(gunicorn, ANSWERS);
    const { client, threadId } = await stage.stop();
    await survives(stage, '200 paused', 20);
    await stage.goOn(threadId);
    expect(await client.answer()).toBe(`200 ${String(stage.worker)} /stop 0 stopped and went on`);
    expect(stage.running.output()).not.toContain('WORKER TIMEOUT');
  });

  test('… and without the heartbeat it does not', async () => {
    const source = readFileSync(join(PAYLOAD, '_debugwand_heartbeat.py'), 'utf8');
    const replace = { _debugwand_heartbeat: source.replace('os.utime(descriptor', '0 and os.utime(descriptor') };
    await using stage = await PausedStage.start(gunicorn, ANSWERS, { agent: { replace } });
    await stage.stop();
    await until(() => stage.running.output().includes('WORKER TIMEOUT'), 'gunicorn kills it', 20_000);
  });

  test('uvicorn --workers 2 spares a paused worker, and its sibling answers by itself', async () => {
    const words = 'uvicorn app:app --workers 2 --timeout-worker-healthcheck 2 --port $PORT'.split(' ');
    const setup = server('uvicorn-workers', 'asgi', 2, ...words);
    await using stage = await PausedStage.start(setup, ANSWERS);
    const { client, threadId } = await stage.stop();
    await survives(stage, '200 app', 20);
    const held = Array.from({ length: 10 }, () => stage.client(get('/meanwhile', { Connection: 'close' })));
    for (const one of held) expect(await one.answer()).not.toContain(`200 ${String(stage.worker)} `);
    await stage.goOn(threadId);
    expect(await client.answer()).toBe(`200 ${String(stage.worker)} /stop 0 stopped and went on`);
  });

  test('… and without hiding the thread that answers its pings it does not', async () => {
    const source = readFileSync(join(PAYLOAD, '_debugwand_connections.py'), 'utf8');
    const replace = { _debugwand_connections: source.replace('startswith("uvicorn.")', 'startswith("nobody.")') };
    const words = 'uvicorn app:app --workers 2 --timeout-worker-healthcheck 2 --port $PORT'.split(' ');
    await using stage = await PausedStage.start(server('uvicorn-workers', 'asgi', 2, ...words), ANSWERS, {
      agent: { replace },
    });
    await stage.stop();
    const said = `Child process [${String(stage.worker)}] died`;
    await until(() => stage.running.output().includes(said), 'uvicorn kills it', 20_000);
  });

  test('once the sibling is stopped, too, there is nobody else to answer', async () => {
    const setup = server('uvicorn-workers', 'asgi', 2, ...'uvicorn app:app --workers 2 --port $PORT'.split(' '));
    await using stage = await PausedStage.start(setup, ANSWERS);
    const { threadId } = await stage.stop();
    expect(await stage.probe('/healthz')).toBe('200 app');
    const [sibling] = stage.siblings;
    if (sibling === undefined) throw new Error('no sibling');
    process.kill(sibling, 'SIGSTOP');
    try {
      await until(async () => (await stage.probe('/healthz')) === '200 paused', 'it is answered for');
    } finally {
      process.kill(sibling, 'SIGCONT');
    }
    await until(async () => (await stage.probe('/healthz')) === '200 app', 'the sibling answers again');
    await stage.goOn(threadId);
  });
});

describe('workers of one supervisor, all of them stopped by the debugger', () => {
  const workers = [
    server('gunicorn', 'wsgi', 2, ...'gunicorn -w 2 --timeout 3 -b 127.0.0.1:$PORT app:app'.split(' ')),
    server('uvicorn-workers', 'asgi', 2, ...'uvicorn app:app --workers 2 --port $PORT'.split(' ')),
  ];

  test.each(workers)('$name: are answered for, and the first that runs again takes all', async (setup) => {
    await using stage = await PausedStage.start(setup, ANSWERS);
    const [sibling = 0] = stage.siblings;
    const first = await stage.stop();
    expect(await stage.probe('/healthz')).toBe('200 app');
    const other = await stage.attachTo(sibling);
    const after = other.mark();
    const second = stage.client(get('/stop'));
    const { body } = await other.waitFor('stopped', undefined, { after });
    await survives(stage, '200 paused', 20);
    const held = Array.from({ length: 20 }, (_, i) => stage.client(get(`/held/${String(i)}`, { Connection: 'close' })));
    await survives(stage, '200 paused', 3);
    expect([first.client, second, ...held].map(({ text }) => text).join('')).toBe('');

    await stage.goOn(first.threadId);
    const pid = String(stage.worker);
    expect(await first.client.answer()).toBe(`200 ${pid} /stop 0 stopped and went on`);
    // Also what the other one had taken meanwhile, and still is stopped.
    for (const [i, one] of held.entries()) expect(await one.answer()).toBe(`200 ${pid} /held/${String(i)} 0`);
    expect(await stage.probe('/healthz')).toBe('200 app');
    expect(second.text).toBe('');
    await other.request('continue', { threadId: (body as { threadId: number }).threadId });
    expect(await second.answer()).toBe(`200 ${String(sibling)} /stop 0 stopped and went on`);
    other.destroy();
  });
});

describe('not all is stopped', () => {
  test('the event loop runs on while one thread is stopped alone: the app answers', async () => {
    const attach = { stopAllThreadsOnSuspend: false };
    await using stage = await PausedStage.start(UVICORN, ANSWERS, { attach, breakAt: '# stops aside' });
    const { client, threadId } = await stage.stop('/thread');
    expect(await client.answer()).toContain('/thread');
    for (let i = 0; i < 5; i += 1) expect(await stage.probe('/healthz')).toBe('200 app');
    await stage.editor.request('continue', { threadId });
  });

  test('a thread that stops takes the event loop with it, as editors expect: probes are answered', async () => {
    await using stage = await PausedStage.start(UVICORN, ANSWERS, { breakAt: '# stops aside' });
    const { threadId } = await stage.stop('/thread');
    await until(async () => (await stage.probe('/healthz')) === '200 paused', 'it is answered for');
    const held = stage.client(get('/held'));
    expect(await stage.probe('/readyz')).toBe('503 paused');
    await stage.goOn(threadId);
    expect(await held.answer()).toMatch(/^200 \d+ \/held 0$/);
  });

  test('an evaluation that takes long lets the others run: then the app answers', async () => {
    const setup = { ...UVICORN, env: () => ({ PYDEVD_UNBLOCK_THREADS_TIMEOUT: '0.5' }) };
    await using stage = await PausedStage.start(setup, ANSWERS, { breakAt: '# stops aside' });
    const { threadId } = await stage.stop('/thread');
    await until(async () => (await stage.probe('/healthz')) === '200 paused', 'it is answered for');
    const { stackFrames } = await stage.editor.request<{ stackFrames: { id: number }[] }>('stackTrace', { threadId });
    const held = stage.client(get('/held'));
    const expression = '__import__("time").sleep(5)';
    const slow = stage.editor.request('evaluate', { expression, frameId: stackFrames[0]?.id, context: 'repl' });
    expect(await held.answer()).toMatch(/^200 \d+ \/held 0$/);
    await slow;
    await until(async () => (await stage.probe('/healthz')) === '200 paused', 'it is answered for again');
    await stage.goOn(threadId);
    await until(async () => (await stage.probe('/healthz')) === '200 app', 'the app answers');
  });
});

test('probes that come through a server in front of the app are answered by their path', async () => {
  await using stage = await PausedStage.start(UVICORN, ANSWERS, { probedPort: 1 });
  const { client, threadId } = await stage.stop();
  expect(await stage.probe('/healthz')).toBe('200 paused');
  expect(await stage.probe('/readyz')).toBe('503 paused');
  const held = stage.client(get('/held'));
  await stage.goOn(threadId);
  await client.answer();
  expect(await held.answer()).toMatch(/^200 \d+ \/held 0$/);
});

describe('many, and those that leave', () => {
  test('beyond 128 held clients the rest waits in the queue; probes are answered again as soon as there is room', async () => {
    await using stage = await PausedStage.start(UVICORN, ANSWERS);
    const before = stage.sockets;
    const { client, threadId } = await stage.stop();
    const flood = Array.from({ length: 300 }, (_, i) =>
      stage.client(get(`/flood/${String(i)}`, { Connection: 'close' })),
    );
    await until(() => stage.sockets >= before + 129, 'as many as may be are held');
    expect(await stage.probe('/healthz', 500)).toBe('TimeoutError');
    expect(stage.sockets).toBeLessThanOrEqual(before + 131);
    for (const one of flood.splice(0, 250)) one.destroy();
    await until(async () => (await stage.probe('/healthz')) === '200 paused', 'probes are answered again');
    await stage.goOn(threadId);
    await client.answer();
    for (const one of flood) expect(await one.answer()).toMatch(/^200 \d+ \/flood\/2\d\d 0$/);
    client.destroy();
    await until(() => stage.sockets <= before, 'no connection is left');
  });

  test.each(['release', 'disconnect', 'cut', 'agent killed'] as const)(
    '%s while paused: all are given to the app',
    async (how) => {
      await using stage = await PausedStage.start(UVICORN, ANSWERS);
      const { client } = await stage.stop();
      const held = Array.from({ length: 5 }, (_, i) => stage.client(get(`/held/${String(i)}`)));
      expect(await stage.probe('/healthz')).toBe('200 paused');
      if (how === 'release') await stage.release();
      else if (how === 'disconnect') await stage.editor.request('disconnect');
      else if (how === 'cut') stage.editor.destroy();
      else stage.agent.child.kill('SIGKILL');
      expect(await client.answer()).toContain('and went on');
      for (const one of held) expect(await one.answer()).toMatch(/^200 \d+ \/held\/\d 0$/);
      expect(await stage.probe('/healthz')).toBe('200 app');
      for (const one of [client, ...held]) one.destroy();
      if (how !== 'release' && how !== 'agent killed') return;
      await until(() => !stage.threads.some((name) => name.startsWith('debugwand')), 'no thread of ours is left');
    },
  );

  test('another debugger session after a release answers, too', async () => {
    await using stage = await PausedStage.start(UVICORN, ANSWERS);
    await stage.stop();
    const held = stage.client(get('/held'));
    expect(await stage.probe('/healthz')).toBe('200 paused');
    await stage.release();
    await stage.enter();
    const { client, threadId } = await stage.stop();
    await until(async () => (await stage.probe('/healthz')) === '200 paused', 'it is answered for');
    expect(await held.answer()).toContain('/held');
    await stage.goOn(threadId);
    expect(await client.answer()).toContain('and went on');
  });

  test('junk, partial requests and slow heads do no harm', async () => {
    await using stage = await PausedStage.start(UVICORN, ANSWERS);
    const { client, threadId } = await stage.stop();
    const probe = get('/healthz', PROBE_HEADERS);
    const slow = stage.client(probe.slice(0, 20));
    const junk = ['\0\0\0', 'GET', `GET ${'x'.repeat(9000)}`, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'].map((text) =>
      stage.client(text),
    );
    const impostor = stage.client(get('/healthz', { 'User-Agent': 'curl/8' }));
    const posted = stage.client(probe.replace('GET', 'POST'));
    expect(await stage.probe('/healthz')).toBe('200 paused');
    slow.socket.write(probe.slice(20));
    expect(await slow.answer()).toContain('200 paused by the debugger');
    expect([impostor, posted, ...junk].map(({ text }) => text)).toEqual(Array(6).fill(''));
    await stage.goOn(threadId);
    await client.answer();
    expect(await impostor.answer()).toContain('/healthz');
  });
});

test('a thread that is late to go on does not count for the next debugger', async () => {
  const code = `
import contextlib, sys
sys.path.insert(0, sys.argv[1])
from _debugwand_paused import Pauses
class Notifier:
    @contextlib.contextmanager
    def notify_thread_suspended(self):
        yield
class PyDB:
    _server_socket_name = ("127.0.0.1", 1)
    def __init__(self):
        self._threads_suspended_single_notification = Notifier()
    def thread_stops(self):
        return self._threads_suspended_single_notification.notify_thread_suspended()
pauses = Pauses()
former = PyDB()
put_back = pauses.begin(former, {})
late = former.thread_stops()
late.__enter__()
put_back()
pauses.end()
now = PyDB()
pauses.begin(now, {})
late.__exit__(None, None, None)
with now.thread_stops():
    print(pauses._waiting)
print(pauses._waiting)`;
  const payload = join(import.meta.dirname, '../../../payload');
  expect((await run(await python('3.14'), ['-B', '-c', code, payload])).split('\n')).toEqual(['1', '0']);
});
