/** What cannot be entered is named, with the change to make; what is not there yet is waited for. */
import { chmod } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureDocker, type Engine } from '../support/docker.ts';
import { folder, type Folder } from '../support/folder.ts';
import { IMAGES, type ImageName } from '../support/images.ts';
import { assertGoodSession, connectEditor } from '../support/invariants.ts';
import { getOrSkip } from '../support/machine.ts';
import { ATTACHED, lookAt, writeConfig } from '../support/rig.ts';
import { cli, cliQuiet, uniqueName } from '../support/target-stage.ts';
import { WandDaemon } from '../support/wand.ts';

const docker = await getOrSkip(() => ensureDocker(['python314', 'python311', 'distroless', 'noPython']));

const LOOP = 'import time\nwhile True:\n    time.sleep(0.05)\n    tick = time.time()\n';
const LATE = uniqueName('late');
const PROJECT = uniqueName('project');

interface Case {
  readonly what: string;
  readonly image: ImageName;
  readonly args?: readonly string[];
  readonly command?: readonly string[];
  readonly code: string;
  readonly message: RegExp;
  readonly fix: RegExp;
}

const CASES: readonly Case[] = [
  {
    what: 'too-old',
    image: 'python311',
    command: ['python3.11', 'app.py'],
    code: 'python-too-old',
    message: /worker \d+ runs Python 3\.11, .*3\.14/,
    fix: /FROM python:3\.14/,
  },
  {
    what: 'no-python',
    image: 'noPython',
    command: ['sleep', '1000'],
    code: 'python-not-found',
    message: /no Python 3\.8 or later was found in/,
    fix: /use an image that has one, or name another container/,
  },
  {
    what: 'switched-off',
    image: 'python314',
    args: ['-e', 'PYTHON_DISABLE_REMOTE_DEBUG=1'],
    command: ['python3.14', 'app.py'],
    code: 'remote-debug-disabled',
    message: /PYTHON_DISABLE_REMOTE_DEBUG/,
    fix: /start it without/,
  },
  {
    what: 'switched-off-by-option',
    image: 'python314',
    command: ['python3.14', '-X', 'disable-remote-debug', 'app.py'],
    code: 'remote-debug-disabled',
    message: /-X disable-remote-debug/,
    fix: /start it without/,
  },
];

describe.skipIf(docker === undefined)('containers that cannot be entered, and those that are not there', () => {
  const names = new Map<string, string>();
  let ports: Record<string, number> = {};
  let project: Folder;
  let daemon: WandDaemon;
  const engine = (): Engine => {
    if (docker === undefined) throw new Error('no engine');
    return docker;
  };
  const start = (name: string, image: ImageName, args: readonly string[], command: readonly string[]) =>
    cli(
      engine(),
      'run',
      '-d',
      '--init',
      '--name',
      name,
      '-v',
      `${project.path}:/app`,
      '-w',
      '/app',
      ...args,
      IMAGES[image],
      ...command,
    );

  beforeAll(async () => {
    project = await folder({ 'app.py': LOOP });
    await chmod(project.path, 0o755);
    const targets: Record<string, object> = {
      late: { docker: { container: LATE } },
      composed: { docker: { compose: { project: PROJECT, service: 'web' } } },
    };
    for (const { what, image, args = [], command = [] } of CASES) {
      const name = uniqueName(what);
      names.set(what, name);
      await start(name, image, args, command);
      targets[what] = { docker: { container: name } };
    }
    ports = await writeConfig(project.path, targets);
    daemon = new WandDaemon(['watch', '--plain'], { cwd: project.path });
  });

  afterAll(async () => {
    await daemon.stop();
    const ours = [...names.values(), LATE, ...['1', '2'].map((n) => `${PROJECT}-web-${n}`)];
    await Promise.all(ours.map((name) => cliQuiet(engine(), 'rm', '-f', name)));
    await project[Symbol.asyncDispose]();
  });

  it.each(CASES)('$what: $code', async ({ what, code, message, fix }) => {
    const target = await daemon.target('blocked', ({ phase }) => phase === 'blocked', { name: what });
    expect(target).toMatchObject({ ready: false, error: { code } });
    expect(target.error?.message).toMatch(message);
    expect(target.error?.fix).toMatch(fix);
    // People read the same.
    expect(daemon.output).toMatch(message);
    expect(daemon.output).toMatch(fix);
    const { code: exit, stdout } = await daemon.run('status', '--ready');
    expect(exit).toBe(1);
    expect(stdout).toMatch(message);
  });

  /** Attaches while nothing is there, starts a container, and sees it stop. */
  async function comesLater(name: string, container: string, args: readonly string[]): Promise<void> {
    const before = await daemon.target('waiting', ({ phase }) => phase === 'waiting', { name });
    expect(before).toMatchObject({ ready: true, error: null, worker: null });
    const editor = await connectEditor(ports[name] ?? 0, 30_000);
    const set = await editor.attach({ [project.at('app.py')]: [{ line: 4 }] });
    expect(set.get(project.at('app.py'))).toMatchObject({ breakpoints: [{ verified: false }] });
    await start(container, 'distroless', args, ['app.py']);
    const stop = await lookAt(editor, await editor.waitFor('stopped'));
    expect(stop).toMatchObject({ line: 4, path: project.at('app.py'), reason: 'breakpoint' });
    expect(editor.events('breakpoint').at(-1)).toMatchObject({ reason: 'changed', breakpoint: { verified: true } });
    await daemon.target('attached', ATTACHED, { name });
    await assertGoodSession(editor);
    await editor.disconnect();
    await daemon.target('running', ({ phase, editor: there }) => phase === 'attached' && !there.connected, { name });
  }

  it('waits for a container that is started after it', () => comesLater('late', LATE, []));

  it('finds a service of Compose by its labels, and its next container under another name', async () => {
    const labels = ['project=' + PROJECT, 'service=web', 'oneoff=False', 'container-number=1'];
    const args = labels.flatMap((label) => ['--label', `com.docker.compose.${label}`]);
    await comesLater('composed', `${PROJECT}-web-1`, args);
    await cli(engine(), 'rm', '-f', `${PROJECT}-web-1`);
    await comesLater('composed', `${PROJECT}-web-2`, args);
    const { reattach } = await daemon.target('attached', ATTACHED, { name: 'composed' });
    expect(reattach).toMatchObject({ count: 1, last: { reason: 'rollout' } });
  });
});
