/** The whole product on the real servers: attach, stop in user code, another worker, stop again, in one session. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DapClient } from '../support/dap-client.ts';
import { assertGoodSession, connectEditor } from '../support/invariants.ts';
import { getOrSkip } from '../support/machine.ts';
import { ALL_PACKAGES } from '../support/packages.ts';
import { venv } from '../support/python.ts';
import { startRedis, type Redis } from '../support/redis.ts';
import { lookAt, writeConfig } from '../support/rig.ts';
import { attempt } from '../support/run.ts';
import { SETUPS, start, type Running, type Setup } from '../support/servers.ts';
import { WandDaemon } from '../support/wand.ts';

const environment = await getOrSkip(() => venv('3.14', ALL_PACKAGES));
const bin = join(environment ?? '', 'bin');

/** Setups by name, and how the worker is made another one where the table of setups does not say. */
const STORIES: readonly (readonly [string, 'kill' | null])[] = [
  ['uvicorn', null],
  ['uvicorn-reload', null],
  ['uvicorn-workers', null],
  ['uvicorn-script', null],
  ['hypercorn-reload', null],
  ['gunicorn', null],
  ['gunicorn-reload', null],
  ['gunicorn-uvicorn', null],
  ['flask-debug', null],
  ['django', null],
  ['watchfiles-command', null],
  ['watchfiles-function', null],
  ['celery-prefork', null],
  ['watchmedo', null],
  ['forkserver', 'kill'],
  ['fork', null],
  ['script', null],
  ['honcho', null],
];

/** In the code of every setup, where it serves. */
const SERVES = /http\.response\.start|start_response\("200|return str\(os\.getpid|lambda request|print\(os\.getpid/;

/** The line to stop at, and the file that it is in. */
function place(running: Running): { file: string; line: number } {
  for (const [name, text] of Object.entries(running.setup.files)) {
    const line = text.split('\n').findIndex((one) => SERVES.test(one));
    if (line >= 0) return { file: join(running.place.dir, name), line: line + 1 };
  }
  throw new Error('nothing serves');
}

/** With two pool children celery may give every task to the one that is not followed. */
function oneChild(setup: Setup): Setup {
  const command: Setup['command'] = (at) => setup.command(at).map((word) => (word === '2' ? '1' : word));
  return { ...setup, command, workers: 1 };
}

/** Has somebody serve. */
async function ask({ setup, place: { dir, port, redis } }: Running): Promise<void> {
  if (setup.http === true) {
    const signal = AbortSignal.timeout(20_000);
    await fetch(`http://127.0.0.1:${String(port)}/`, { signal }).then(
      (answer) => answer.text(),
      () => undefined,
    );
  } else if (setup.redis === true) {
    await attempt(join(bin, 'celery'), ['-A', 'tasks', 'call', 'tasks.who'], { cwd: dir, env: { BROKER: redis } });
  }
}

/** Asks until a worker stops at the breakpoint; gives its pid, and lets all go on. */
async function stopOnce(running: Running, editor: DapClient, other: number | null): Promise<number> {
  const { file, line } = place(running);
  const source = { path: file };
  for (;;) {
    const after = editor.mark();
    await editor.request('setBreakpoints', { source, breakpoints: [{ line }] });
    const asked: Promise<void>[] = [];
    const asking = setInterval(() => asked.push(ask(running)), running.setup.redis === true ? 1000 : 200);
    try {
      const stop = await lookAt(editor, await editor.waitFor('stopped', undefined, { after, timeoutMs: 30_000 }));
      expect(stop).toMatchObject({ line, path: file });
      const expression = '__import__("os").getpid()';
      const { result } = await editor.request<{ result: string }>('evaluate', { expression, frameId: stop.frameId });
      clearInterval(asking);
      await editor.request('setBreakpoints', { source, breakpoints: [] });
      await editor.request('continue', { threadId: stop.threadId });
      await Promise.all(asked);
      // A server that ends its workers gently may have the old one serve on for a moment.
      if (Number(result) !== other) return Number(result);
    } finally {
      clearInterval(asking);
    }
  }
}

describe.skipIf(environment === undefined)('real servers', () => {
  let redis: Redis | undefined;

  beforeAll(async () => {
    redis = await getOrSkip(() => startRedis());
  });

  afterAll(async () => {
    await redis?.stop();
  });

  it.each(STORIES)('%s', async (name, otherwise) => {
    const known = SETUPS.find((one) => one.name === name);
    if (known === undefined) throw new Error(`no setup ${name}`);
    const setup = name === 'celery-prefork' ? oneChild(known) : known;
    const running = await start(setup, bin, redis?.url);
    const ports = await writeConfig(running.place.dir, { app: { process: { pid: running.pid } } });
    const daemon = new WandDaemon(['watch', '--plain'], { cwd: running.place.dir });
    try {
      await daemon.target('found', ({ worker, phase }) => worker !== null || phase === 'attached');
      const editor = await connectEditor(ports['app'] ?? 0, 30_000);
      await editor.attach();
      const first = await stopOnce(running, editor, null);
      const reload = setup.reload ?? otherwise;
      if (reload !== null) {
        if (reload === 'hup') process.kill(running.pid, 'SIGHUP');
        else if (reload === 'kill') process.kill(first, 'SIGKILL');
        else await running.save(reload.save);
        expect(await stopOnce(running, editor, first)).not.toBe(first);
      }
      await assertGoodSession(editor);
      await editor.disconnect();
      expect(await daemon.stop()).toBe(0);
    } catch (error) {
      const report = JSON.stringify((await daemon.status())?.targets[0], null, 1);
      throw new Error(`${String(error)}\n${report}\n${daemon.output}\n${running.output()}`, { cause: error });
    } finally {
      await daemon.stop();
      await running.stop();
    }
  });
});
