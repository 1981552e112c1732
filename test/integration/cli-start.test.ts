/** The ways to start wand, what it prints, and how it ends. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockPath, socketPath } from '../../src/lib/paths.ts';
import { ensureDocker } from '../support/docker.ts';
import { folder, type Folder } from '../support/folder.ts';
import { IMAGES } from '../support/images.ts';
import { allProcesses, assertGoodSession, connectEditor } from '../support/invariants.ts';
import { freePort, getOrSkip } from '../support/machine.ts';
import { python } from '../support/python.ts';
import { ATTACHED, lookAt } from '../support/rig.ts';
import { BREAKPOINT_LINE, serveCommand, startContainerApp } from '../support/sample-app.ts';
import { uniqueName } from '../support/target-stage.ts';
import { until } from '../support/until.ts';
import { wand, WandDaemon } from '../support/wand.ts';

const docker = await getOrSkip(() => ensureDocker(['python314']));
const python314 = await python('3.14');

/** Tells its signals, ends with 7 on SIGTERM and when the file `end` is there. */
const PATIENT = `import os, signal, sys, time
def bye(number, frame):
    print("got", number, flush=True)
    sys.exit(7)
signal.signal(signal.SIGTERM, bye)
print("up", flush=True)
while not os.path.exists("end"):
    time.sleep(0.02)
sys.exit(5)
`;

let project: Folder;

beforeEach(async () => {
  project = await folder({ 'patient.py': PATIENT });
});

afterEach(async () => {
  await project[Symbol.asyncDispose]();
});

describe('wand watch -- COMMAND', () => {
  it('debugs a server that it started, and ends with it', async () => {
    await project.write({
      'app.py':
        'from fastapi import FastAPI\napp = FastAPI()\n@app.get("/")\nasync def root():\n    n = 42\n    return n\n',
    });
    const port = await freePort();
    const http = await freePort();
    const command = await serveCommand(http);
    const daemon = new WandDaemon(['watch', '--port', String(port), '--', ...command], { cwd: project.path });
    try {
      await daemon.target('attached', ATTACHED);
      const editor = await connectEditor(port);
      await editor.attach({ [project.at('app.py')]: [{ line: 6 }] });
      for (const round of [1, 2]) {
        const after = editor.mark();
        const answer = until(() => fetch(`http://127.0.0.1:${String(http)}/`).catch(() => null), 'the app answers');
        const stop = await lookAt(editor, await editor.waitFor('stopped', undefined, { after }));
        expect(stop).toMatchObject({ line: 6, variables: { n: '42' } });
        await editor.request('continue', { threadId: stop.threadId });
        await answer;
        if (round === 2) break;
        const { worker } = (await daemon.status())?.targets[0] ?? {};
        await project.write({
          'app.py':
            'from fastapi import FastAPI\napp = FastAPI()\n@app.get("/")\nasync def root():\n    n = 42\n    return n\n#\n',
        });
        await daemon.target('another', (target) => ATTACHED(target) && target.worker?.pid !== worker?.pid);
      }
      await assertGoodSession(editor);
      editor.destroy();
      // The server's own output is readable in ours.
      expect(daemon.output).toMatch(/Uvicorn running on/);
    } finally {
      const child = (await daemon.status())?.targets[0]?.processes.map(({ pid }) => pid) ?? [];
      const code = await daemon.stop();
      // uvicorn leaves with 0 on SIGTERM in some versions and by the signal in others.
      expect([0, 143]).toContain(code);
      const alive = new Set((await allProcesses()).map(({ pid }) => pid));
      expect(child.filter((pid) => alive.has(pid))).toEqual([]);
    }
  });

  it('has the exit status of the command', async () => {
    const port = ['--port', String(await freePort())];
    const daemon = new WandDaemon(['watch', ...port, '--', python314, 'patient.py'], { cwd: project.path });
    await until(() => daemon.output.includes('up\n'), 'it is up').catch(async (error: unknown) => {
      throw new Error(`${String(error)}\n${daemon.output}\n${JSON.stringify(await daemon.status())}`, { cause: error });
    });
    await project.write({ end: '' });
    expect(await daemon.exited).toBe(5);
    expect(existsSync(lockPath(project.path))).toBe(false);
  });

  it('passes signals on', async () => {
    const port = ['--port', String(await freePort())];
    const daemon = new WandDaemon(['watch', ...port, '--', python314, 'patient.py'], { cwd: project.path });
    await daemon.target('attached', ATTACHED);
    expect(await daemon.stop('SIGTERM')).toBe(7);
    expect(daemon.output).toContain('got 15');
  });

  it('says why a command cannot be started', async () => {
    const port = ['--port', String(await freePort())];
    const { code, stderr } = await wand(['watch', ...port, '--', 'no-such-program'], { cwd: project.path });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/no-such-program/);
  });
});

describe('wand watch', () => {
  const config = (targets: object): Promise<void> =>
    project.write({ 'debugwand.config.json': JSON.stringify({ targets, notify: false }) });

  it('--json: every line an object, without colours', async () => {
    const port = await freePort();
    await config({ app: { process: { match: 'nobody-is-called-so' }, port } });
    const daemon = new WandDaemon(['watch', '--json'], { cwd: project.path, env: { FORCE_COLOR: '1' } });
    await daemon.target('ready', ({ ready }) => ready);
    const asked = performance.now();
    expect(await daemon.stop('SIGINT')).toBe(0);
    expect(performance.now() - asked).toBeLessThan(2_000);
    const lines = daemon.stdout.trim().split('\n');
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      expect(JSON.parse(line)).toMatchObject({
        level: expect.any(String) as unknown,
        text: expect.any(String) as unknown,
      });
      expect(line).not.toContain('\\u001b');
    }
  });

  it('--detach: is in the background, and stops on request', async () => {
    await config({ app: { process: { match: 'nobody-is-called-so' }, port: await freePort() } });
    const started = await wand(['watch', '--detach'], { cwd: project.path });
    expect(started).toMatchObject({ code: 0, stderr: '' });
    const pid = /pid (\d+)/.exec(started.stdout)?.[1];
    await until(async () => (await wand(['status', '--ready'], { cwd: project.path })).code === 0, 'ready');
    const again = await wand(['watch', '--detach'], { cwd: project.path });
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toContain(`pid ${String(pid)}`);
    const other = await wand(['watch', '--detach', '--target', 'app'], { cwd: project.path });
    expect(other.code).toBe(3);
    expect(other.stderr).toContain(`pid ${String(pid)}`);
    expect((await wand(['watch'], { cwd: project.path })).code).toBe(3);
    expect(await wand(['stop'], { cwd: project.path })).toMatchObject({
      code: 0,
      stdout: `stopped (pid ${String(pid)})\n`,
    });
    await until(
      async () => !(await allProcesses()).some((one) => String(one.pid) === pid),
      'the process is gone',
      1_000,
    );
    expect([socketPath(project.path), lockPath(project.path)].filter((file) => existsSync(file))).toEqual([]);
  });

  const TARGET = { process: { match: 'x' } };
  const REFUSED: readonly (readonly [string, string | null, readonly string[], RegExp])[] = [
    ['no config', null, ['watch'], /config/],
    ['a broken config', '{ "targets": ', ['watch'], /debugwand\.config\.json/],
    [
      'a misspelt key',
      JSON.stringify({ targets: { app: { ...TARGET, pathMapping: [] } } }),
      ['watch'],
      /pathMapping[\s\S]*pathMappings/,
    ],
    ['a port that is none', JSON.stringify({ targets: { app: { ...TARGET, port: 70000 } } }), ['watch'], /port/],
    [
      'an unknown target',
      JSON.stringify({ targets: { app: TARGET } }),
      ['watch', '--target', 'ap'],
      /did you mean app\?/,
    ],
    ['a config that is not there', null, ['watch', '--config', 'none.json'], /none\.json/],
    ['an unknown option', null, ['watch', '--colour'], /unknown option/],
    ['nothing to debug', null, ['debug'], /--container NAME/],
    [
      'a cluster that nobody told of',
      null,
      ['debug', '-s', 'shop', '--kubeconfig', 'none.yaml'],
      /no kubeconfig.*none\.yaml/,
    ],
  ];

  it.each(REFUSED)('refuses %s with 2, and says why', async (_what, text, args, message) => {
    if (text !== null) await project.write({ 'debugwand.config.json': text });
    const { code, stderr, stdout } = await wand(args, { cwd: project.path });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('doctor fails with 1, and names the fix', async () => {
    await config({ app: { docker: { container: 'x', host: 'unix:///nowhere/docker.sock' }, port: await freePort() } });
    const { code, stdout } = await wand(['doctor'], { cwd: project.path });
    expect(code).toBe(1);
    expect(stdout).toMatch(/target app: .*nowhere[\s\S]*fix: /);
  });
});

describe.skipIf(docker === undefined)('wand debug', () => {
  it('needs no config for a container', async () => {
    if (docker === undefined) return;
    const name = uniqueName('debug');
    const app = await startContainerApp(docker, { image: IMAGES.python314, name });
    const port = await freePort();
    const daemon = new WandDaemon(['debug', '--container', name, '--port', String(port)], { cwd: app.folder });
    try {
      await daemon.target('attached', ATTACHED);
      const editor = await connectEditor(port);
      await editor.attach({ [join(app.folder, 'app.py')]: [{ line: BREAKPOINT_LINE }] });
      const after = editor.mark();
      const answer = app.price(2);
      const stop = await lookAt(editor, await editor.waitFor('stopped', undefined, { after }));
      await editor.request('continue', { threadId: stop.threadId });
      expect(await answer).toEqual({ total: 6 });
      await editor.disconnect();
      const listed = await wand(['ps', '--container', name], { cwd: app.folder });
      expect(listed.stdout).toMatch(/spawned by the uvicorn reloader 1/);
    } finally {
      expect(await daemon.stop()).toBe(0);
      await app.stop();
    }
  });
});
