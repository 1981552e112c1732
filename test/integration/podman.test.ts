/** The same reload in a container of Podman, found by DOCKER_HOST. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Proxy } from '../support/engine-proxy.ts';
import { folder, type Folder } from '../support/folder.ts';
import { IMAGES } from '../support/images.ts';
import { assertGoodSession, connectEditor } from '../support/invariants.ts';
import { getOrSkip } from '../support/machine.ts';
import { startPodman } from '../support/podman.ts';
import { ATTACHED, lookAt, writeConfig } from '../support/rig.ts';
import { cli, cliQuiet, uniqueName } from '../support/target-stage.ts';
import { WandDaemon } from '../support/wand.ts';

const podman = await getOrSkip(() => startPodman(['python314']));
afterAll(() => podman?.stop());

/** A reloader of our own: Podman's containers have no network here. The child is the same command once more. */
const APP = `import os, subprocess, sys, time
def work():
    n = 0
    while True:
        n += 1
        time.sleep(0.05)
if os.environ.get("RUN_MAIN") == "true":
    work()
before = None
while True:
    now = os.stat(__file__).st_mtime_ns
    if now != before:
        if before is not None:
            child.kill()
            child.wait()
        child = subprocess.Popen([sys.executable, *sys.argv], env={**os.environ, "RUN_MAIN": "true"})
        before = now
    time.sleep(0.05)
`;
const LINE = 6;

describe.skipIf(podman === undefined)('a container of Podman', () => {
  const name = uniqueName('podman');
  let project: Folder;
  let daemon: WandDaemon | undefined;
  const its = (): WandDaemon => {
    if (daemon === undefined) throw new Error('no daemon');
    return daemon;
  };
  let port = 0;
  let proxy: Proxy | undefined;

  beforeAll(async () => {
    if (podman === undefined) return;
    project = await folder({ 'app.py': APP });
    const volume = ['-v', `${project.path}:/app`, '-w', '/app', '--network', 'none'];
    await cli(podman, 'run', '-d', '--name', name, ...volume, `localhost/${IMAGES.python314}`, 'python3.14', 'app.py');
    port = (await writeConfig(project.path, { app: { docker: { container: name } } }))['app'] ?? 0;
    const socket = project.at('engine.sock');
    proxy = await Proxy.start({ path: podman.socketPath }, socket);
    const env = { DOCKER_HOST: `unix://${socket}` };
    daemon = new WandDaemon(['watch', '--plain'], { cwd: project.path, env });
  });

  afterAll(async () => {
    await daemon?.stop();
    await proxy?.down();
    if (podman !== undefined) await cliQuiet(podman, 'rm', '-f', '-t', '1', name);
    await project[Symbol.asyncDispose]();
  });

  it('is debugged over a cut connection and a reload in one session', async () => {
    const file = join(project.path, 'app.py');
    const first = await its().target('attached', ATTACHED, { timeoutMs: 60_000 });
    expect(first.entry?.rung).toBe('exec');
    const editor = await connectEditor(port);
    await editor.attach({ [file]: [{ line: LINE }] });
    const stop = await lookAt(editor, await editor.waitFor('stopped'));
    expect(stop).toMatchObject({ line: LINE, path: file, name: 'work' });
    const after = editor.mark();
    // A cut is not an end.
    await proxy?.down();
    await its().target('cut', ({ message }) => /is cut/.test(message), { timeoutMs: 30_000 });
    await proxy?.up();
    await its().target('whole again', ({ phase, message }) => phase === 'stopped' && !/is cut/.test(message), {
      timeoutMs: 30_000,
    });
    expect(await lookAt(editor, { body: stop })).toEqual(stop);
    await project.write({ 'app.py': `${APP}#\n` });
    const next = await lookAt(editor, await editor.waitFor('stopped', undefined, { after, timeoutMs: 30_000 }));
    expect(next).toMatchObject({ line: LINE, path: file, name: 'work' });
    const { worker } = await its().target('stopped', ({ phase }) => phase === 'stopped');
    expect(worker?.pid).not.toBe(first.worker?.pid);
    await assertGoodSession(editor);
    await editor.disconnect();
    expect(await its().stop()).toBe(0);
  });
});
