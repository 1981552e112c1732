/** wand in the scripts of package.json, under the runners that people use, on a real terminal. */
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { lockPath } from '../../src/lib/paths.ts';
import { allProcesses, assertGoodSession, connectEditor } from '../support/invariants.ts';
import { freePort, getOrSkip } from '../support/machine.ts';
import { npmProject, npmRunners } from '../support/npm-runners.ts';
import { python } from '../support/python.ts';
import { lookAt } from '../support/rig.ts';
import { serveCommand } from '../support/sample-app.ts';
import { KEYS, Terminal } from '../support/terminal.ts';
import { until } from '../support/until.ts';

const runners = await getOrSkip(npmRunners);
const python314 = await python('3.14');

const LINE = 6;
const APP = `from fastapi import FastAPI
app = FastAPI()
@app.get("/")
async def root():
    n = 42
    return n
`;
const WEB = 'console.log("web is up"); setInterval(() => {}, 1000);\n';

/** The scripts beside `api`, which is wand's, and what a developer types. */
const ROWS: readonly (readonly [string, (api: string) => Readonly<Record<string, string>>, string])[] = [
  ['npm', (api) => ({ dev: api }), 'npm run dev'],
  ['concurrently', (api) => ({ dev: 'concurrently npm:web npm:api', web: 'node web.js', api }), 'npm run dev'],
  ['npm-run-all, parallel', (api) => ({ dev: 'run-p web api', web: 'node web.js', api }), 'npm run dev'],
  ['npm-run-all, in turn', (api) => ({ dev: 'run-s --silent api', api }), 'npm run dev'],
  ['turborepo', (api) => ({ dev: api, start: 'turbo run dev' }), 'npm start'],
];

const cleanUp: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of cleanUp.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

async function project(...args: Parameters<typeof npmProject>): ReturnType<typeof npmProject> {
  const made = await npmProject(...args);
  cleanUp.push(made);
  return made;
}

async function shell(place: Awaited<ReturnType<typeof project>>): Promise<Terminal> {
  const terminal = await Terminal.shell({ cwd: place.path, env: place.env });
  cleanUp.push(terminal);
  return terminal;
}

/** No process that names one of these in its command. */
async function gone(...words: readonly string[]): Promise<void> {
  const left = async (): Promise<readonly string[]> =>
    (await allProcesses())
      .map(({ command }) => command)
      .filter((command) => words.some((one) => command.includes(one)));
  await until(async () => (await left()).length === 0, 'all processes gone').catch(async () => {
    expect(await left()).toEqual([]);
  });
}

describe.skipIf(runners === undefined)('npm scripts', () => {
  it.each(ROWS)('%s: one session through a reload; Ctrl-C leaves nothing', async (_name, scripts, typed) => {
    const [port, http] = [await freePort(), await freePort()];
    const serve = (await serveCommand(http)).join(' ');
    const place = await project(scripts(`wand watch --port ${String(port)} -- ${serve}`), {
      'app.py': APP,
      'web.js': WEB,
    });
    const terminal = await shell(place);
    const mark = terminal.mark();
    terminal.enter(typed);
    await terminal.shows(/attached: worker \d+/, mark, 60_000);
    const editor = await connectEditor(port, 30_000);
    await editor.attach({ [place.at('app.py')]: [{ line: LINE }] });
    for (const round of [1, 2]) {
      const after = editor.mark();
      const answer = until(() => fetch(`http://127.0.0.1:${String(http)}/`).catch(() => null), 'the app answers');
      const stop = await lookAt(editor, await editor.waitFor('stopped', undefined, { after }));
      expect(stop).toMatchObject({ line: LINE, variables: { n: '42' } });
      const going = editor.mark();
      await editor.request('continue', { threadId: stop.threadId });
      await answer;
      if (round === 2) break;
      await place.write({ 'app.py': `${APP}#\n` });
      await editor.waitFor('output', ({ output }) => String(output).startsWith('attached to worker'), { after: going });
    }
    await assertGoodSession(editor);
    editor.destroy();
    const leaving = terminal.mark();
    terminal.type(KEYS.interrupt);
    // As it is without wand. Some runners do not wait for what they started.
    await until(() => /<130>\$ /.test(terminal.output.slice(leaving)), 'the prompt, with 130', 30_000);
    await gone(` ${String(http)}`, `--port ${String(port)} `);
    expect(existsSync(lockPath(place.path))).toBe(false);
    expect(await terminal.modes()).toMatchObject({ canonical: true, echo: true, signals: true });
  });

  it('the status of the script is the status of the command', async () => {
    const port = String(await freePort());
    const place = await project(
      { dev: `wand watch --port ${port} -- ${python314} end.py` },
      {
        'end.py':
          'import os, sys, signal\nhow = os.environ["HOW"]\nsys.exit(int(how)) if how.isdigit() else os.kill(os.getpid(), getattr(signal, how))\n',
      },
    );
    const terminal = await shell(place);
    const statuses: number[] = [];
    const ways = ['3', 'SIGTERM', 'SIGINT', 'SIGKILL'];
    for (const how of ways) statuses.push(await terminal.run(`HOW=${how} npm run dev --silent`));
    expect(Object.fromEntries(ways.map((how, index) => [how, statuses[index]]))).toEqual({
      3: 3,
      SIGTERM: 143,
      SIGINT: 130,
      SIGKILL: 137,
    });
  });

  it('predev: wand watch --detach starts one daemon, however often and at once', async () => {
    const place = await project(
      {
        predev: 'wand watch --detach',
        dev: 'node -e 0',
        both: 'run-p dev dev2',
        predev2: 'wand watch --detach',
        dev2: 'node -e 0',
      },
      {
        'debugwand.config.json': JSON.stringify({
          targets: { app: { process: { match: 'nobody-is-called-so' }, port: await freePort() } },
          notify: false,
        }),
      },
    );
    const terminal = await shell(place);
    expect(await terminal.run('npm run both --silent')).toBe(0);
    expect(await terminal.run('npm run dev --silent')).toBe(0);
    const pids = [...terminal.output.matchAll(/in the background .*?\(pid (\d+)\)|in the background \(pid (\d+)\)/g)];
    expect(pids).toHaveLength(3);
    expect(new Set(pids.map(([, again, first]) => again ?? first)).size).toBe(1);
    expect(await terminal.run('wand stop')).toBe(0);
    await gone(place.path);
    expect(existsSync(lockPath(place.path))).toBe(false);
  });
});
