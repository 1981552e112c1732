/**
 * Python before 3.14 below `wand watch -- COMMAND`: entered by its environment, kept through reloads, left without a trace;
 * and what keeps the hook out is named.
 */
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aptInstall } from '../support/debian.ts';
import { folder } from '../support/folder.ts';
import { assertGoodSession, connectEditor } from '../support/invariants.ts';
import { freePort, getOrSkip, isDebian, isRoot, Lacking } from '../support/machine.ts';
import { ALL_PACKAGES } from '../support/packages.ts';
import { olderPythons, venvOf } from '../support/python.ts';
import { ATTACHED, lookAt } from '../support/rig.ts';
import { run } from '../support/run.ts';
import { until } from '../support/until.ts';
import { WandDaemon } from '../support/wand.ts';

/** The line with the breakpoint, in each of the apps. */
const LINE = 5;
const ASGI = `import os, sys
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = str(os.getpid())
    body += " traced" if sys.gettrace() else " free"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body.encode()})
`;
const WSGI = `import os, sys
from flask import Flask
app = Flask(__name__)
def index():
    body = str(os.getpid())
    return body + (" traced" if sys.gettrace() else " free")
app.add_url_rule("/", view_func=index)
`;

/** Of pure Python, but for one. */
const NEEDED = /^(uvicorn|click|h11|flask|blinker|itsdangerous|jinja2|markupsafe|werkzeug|gunicorn|packaging)==/;
const PACKAGES = ALL_PACKAGES.filter((name) => NEEDED.test(name));

const tested = await getOrSkip(async () => {
  // Debian 12 has one; other systems may have none.
  if (isRoot && isDebian) await aptInstall({ 'python3.11-venv': 'python3.11' }).catch(() => undefined);
  const found = await olderPythons();
  const usable = found.filter(({ version }) => version === '3.11' || version === '3.13');
  if (usable.length === 0) throw new Lacking('Python 3.11 or 3.13', 'Install one, e.g. by uv, pyenv or your system.');
  return usable;
});

const ROWS: readonly [string, string, (bin: string, port: string) => string[]][] = [
  [
    'uvicorn --reload',
    ASGI,
    (bin, port) => [`${bin}/uvicorn`, 'app:app', '--reload', '--lifespan', 'off', '--port', port],
  ],
  ['flask --debug', WSGI, (bin, port) => [`${bin}/flask`, 'run', '--debug', '--port', port]],
  ['gunicorn --reload', WSGI, (bin, port) => [`${bin}/gunicorn`, '--reload', '-b', `127.0.0.1:${port}`, 'app:app']],
];

describe.skipIf(tested === undefined).each(tested ?? [])('Python $version', ({ path }) => {
  it.each(ROWS)(
    '%s: one session through reloads, and nothing is traced without an editor',
    async (_name, source, command) => {
      const bin = join(await venvOf(path, PACKAGES), 'bin');
      await using project = await folder();
      const file = join(project.path, 'app.py');
      await writeFile(file, source);
      // werkzeug's other reloader does not hear of every save.
      await writeFile(join(project.path, 'watchdog.py'), 'raise ImportError\n');
      const [port, web] = [await freePort(), await freePort()];
      const daemon = new WandDaemon(['watch', '--port', String(port), '--', ...command(bin, String(web))], {
        cwd: project.path,
        env: { PYTHONPATH: project.path, PYTHONDONTWRITEBYTECODE: '1' },
      });
      const ask = async (): Promise<string> => (await fetch(`http://127.0.0.1:${String(web)}/`)).text();
      const asked = (): Promise<string> => until(() => ask().catch(() => undefined), 'the app answers', 60_000);
      try {
        const { entry } = await daemon.target('attached', ATTACHED, { timeoutMs: 60_000 });
        expect(entry).toMatchObject({ rung: 'environment', skipped: [{ rung: 'exec' }] });
        expect(entry?.skipped[0]?.why).toContain('no remote debugging');
        const first = (await asked()).split(' ')[0];
        const editor = await connectEditor(port);
        await editor.attach({ [file]: [{ line: LINE }] });
        const attached = (after: number): Promise<unknown> =>
          editor.waitFor('output', ({ output }) => String(output).startsWith('attached to worker'), {
            after,
            timeoutMs: 60_000,
          });
        await attached(0);
        for (const reload of [false, true, true]) {
          const after = editor.mark();
          if (reload) {
            await appendFile(file, '\n');
            await attached(after);
          }
          // In the moment of the reload nobody serves.
          const answer = asked();
          const stop = await lookAt(editor, await editor.waitFor('stopped', undefined, { after, timeoutMs: 30_000 }));
          expect(stop).toMatchObject({ line: LINE, path: file, reason: 'breakpoint' });
          await editor.request('continue', { threadId: stop.threadId });
          const pid = (await answer).split(' ')[0];
          expect(pid === first).toBe(!reload);
        }
        await assertGoodSession(editor);
        await editor.disconnect();
        await until(async () => (await ask()).endsWith(' free'), 'no thread is traced');
      } finally {
        await daemon.stop();
      }
      await expect(ask()).rejects.toThrow('fetch failed');
    },
  );

  it('a script that does nothing but loop', async () => {
    await using project = await folder();
    const file = join(project.path, 'loop.py');
    await writeFile(
      file,
      'import time\ndef tick(n):\n    return n + 1\nn = 0\nwhile True:\n    n = tick(n)\n    time.sleep(0.05)\n',
    );
    const port = await freePort();
    const daemon = new WandDaemon(['watch', '--port', String(port), '--', path, 'loop.py'], { cwd: project.path });
    try {
      await daemon.target('attached', ATTACHED);
      const editor = await connectEditor(port);
      for (const line of [3, 7]) {
        const stopped = editor.next('stopped');
        if (line === 3) await editor.attach({ [file]: [{ line }] });
        else await editor.request('setBreakpoints', { source: { path: file }, breakpoints: [{ line }] });
        const stop = await lookAt(editor, await stopped);
        expect(stop.line).toBe(line);
        await editor.request('setBreakpoints', { source: { path: file }, breakpoints: [] });
        await editor.request('continue', { threadId: stop.threadId });
      }
      await editor.disconnect();
    } finally {
      await daemon.stop();
    }
  });

  it.each(['-I', '-E', '-S'])('python %s keeps the hook out, and the error says so', async (option) => {
    await using project = await folder();
    await writeFile(join(project.path, 'loop.py'), 'import time\nwhile True:\n    time.sleep(0.05)\n');
    const port = await freePort();
    const daemon = new WandDaemon(['watch', '--port', String(port), '--', path, option, 'loop.py'], {
      cwd: project.path,
    });
    try {
      const { error } = await daemon.target('blocked', ({ phase }) => phase === 'blocked');
      expect(error).toMatchObject({ code: 'hook-missing' });
      expect(error?.fix).toContain(option);
    } finally {
      await daemon.stop();
    }
  });

  it('the app finds its own sitecustomize, and its path as without us', async () => {
    await using project = await folder();
    await mkdir(join(project.path, 'own'));
    await writeFile(join(project.path, 'own/sitecustomize.py'), 'import sys\nsys.own = __file__\n');
    const look = 'import json, sys; print(json.dumps([sys.path, getattr(sys, "own", None)]))';
    const command = [path, '-c', look];
    const env = { PYTHONPATH: join(project.path, 'own') };
    const daemon = new WandDaemon(['watch', '--port', String(await freePort()), '--', ...command], {
      cwd: project.path,
      env,
    });
    expect(await daemon.exited).toBe(0);
    const alone = await run('env', [`PYTHONPATH=${env.PYTHONPATH}`, ...command], { cwd: project.path });
    expect(alone).toContain('own/sitecustomize.py');
    expect(daemon.stdout).toContain(alone.trim());
  });
});
