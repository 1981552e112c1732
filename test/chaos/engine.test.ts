/** The Docker daemon itself goes and comes back, and wand is there before it was ever up. */
import { chmod } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPrivateDocker, type PrivateEngine } from '../support/docker.ts';
import { folder, type Folder } from '../support/folder.ts';
import { IMAGES } from '../support/images.ts';
import { assertGoodSession, connectEditor } from '../support/invariants.ts';
import type { DapClient } from '../support/dap-client.ts';
import { getOrSkip } from '../support/machine.ts';
import { ATTACHED, lookAt, writeConfig } from '../support/rig.ts';
import { cli, uniqueName } from '../support/target-stage.ts';
import { WandDaemon } from '../support/wand.ts';

const place: Folder = await folder();
const engine: PrivateEngine | undefined = await getOrSkip(() => startPrivateDocker(place.path, ['distroless']));

const LOOP = 'import time\nn = 0\nwhile True:\n    time.sleep(0.05)\n    n += 1\n';
const LINE = 5;

describe.skipIf(engine === undefined)('the Docker daemon', () => {
  const name = uniqueName('engine');
  let project: Folder;
  let daemon: WandDaemon;
  let editor: DapClient;
  let file: string;

  const its = (): PrivateEngine => {
    if (engine === undefined) throw new Error('no engine');
    return engine;
  };

  beforeAll(async () => {
    project = await folder({ 'app.py': LOOP });
    file = project.at('app.py');
    await chmod(project.path, 0o755);
    const volume = ['-v', `${project.path}:/app`, '-w', '/app'];
    await cli(
      its(),
      'run',
      '-d',
      '--name',
      name,
      '--restart',
      'always',
      '--init',
      ...volume,
      IMAGES.distroless,
      'app.py',
    );
    const { app = 0 } = await writeConfig(project.path, {
      app: { docker: { container: name, host: `unix://${its().socketPath}` } },
    });
    daemon = new WandDaemon(['watch', '--plain'], { cwd: project.path });
    await daemon.target('attached', ATTACHED, { timeoutMs: 60_000 });
    editor = await connectEditor(app, 60_000);
    await editor.attach();
  });

  afterAll(async () => {
    await daemon.stop();
    await engine?.remove();
    await place[Symbol.asyncDispose]();
    await project[Symbol.asyncDispose]();
  });

  /** Sees it stop at the breakpoint, takes the breakpoint away, and lets it go on. */
  async function stopOnce(after = editor.mark()): Promise<void> {
    await editor.request('setBreakpoints', { source: { path: file }, breakpoints: [{ line: LINE }] });
    const stop = await lookAt(editor, await editor.waitFor('stopped', undefined, { after }));
    expect(stop).toMatchObject({ line: LINE, path: file });
    await editor.request('setBreakpoints', { source: { path: file }, breakpoints: [] });
    await editor.request('continue', { threadId: stop.threadId });
  }

  it.each(['stop', 'kill'] as const)('ends by %s, and comes back: the same session stops again', async (how) => {
    await stopOnce();
    await its()[how]();
    const away = await daemon.target('the engine is missed', ({ error }) => error?.code === 'docker-unreachable', {
      timeoutMs: 30_000,
    });
    expect(away.error?.fix).not.toBe('');
    expect(daemon.child.exitCode).toBeNull();
    await its().start();
    await daemon.target('attached again', ATTACHED, { timeoutMs: 60_000 });
    await stopOnce();
    await assertGoodSession(editor);
  });
});
