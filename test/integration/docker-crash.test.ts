/** What is told of workers in a container that crash: the exception, the signal, and the system's want of memory. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureDocker } from '../support/docker.ts';
import { IMAGES } from '../support/images.ts';
import { getOrSkip } from '../support/machine.ts';
import { Rig } from '../support/rig.ts';
import { startContainerApp, type ContainerApp } from '../support/sample-app.ts';
import { uniqueName } from '../support/target-stage.ts';

const docker = await getOrSkip(() => ensureDocker(['python314']));

describe.skipIf(docker === undefined)('a worker in a container that crashes', () => {
  const name = uniqueName('crash');
  let app: ContainerApp;
  let rig: Rig;

  beforeAll(async () => {
    if (docker === undefined) return;
    const args = ['--memory', '400m', '--memory-swap', '400m'];
    app = await startContainerApp(docker, { image: IMAGES.python314, name, args });
    rig = await Rig.start(app, { docker: { container: name } });
    await rig.attached();
    await rig.attach();
  });

  afterAll(async () => {
    await rig.stop();
  });

  /** Saves the app with that line at its end, sees the end of the worker, and mends the app. */
  async function endBy(line: string): Promise<{ reason: string | null; console: string }> {
    const before = (await rig.attached()).lastEnd?.at ?? 0;
    const after = rig.editor.mark();
    await app.edit((text) => `${text}\n${line}\n`);
    const { lastEnd } = await rig.status(
      'the end',
      (target) => target.lastEnd?.crashed === true && target.lastEnd.at > before,
    );
    const said = await rig.editor.waitFor('output', (body) => String(body['output']).includes(' crashed: '), { after });
    await rig.reattached(() => app.edit((text) => text.replace(`\n${line}\n`, '')));
    return { reason: lastEnd?.reason ?? null, console: (said.body as { output: string }).output };
  }

  it('by an exception', async () => {
    const { reason, console } = await endBy('raise LookupError("nobody here")');
    expect(reason).toBe('LookupError: nobody here');
    expect(console).toMatch(/^worker \d+ crashed: LookupError: nobody here/);
  });

  it('by a fault of its own', async () => {
    const { reason } = await endBy('import os; os.kill(os.getpid(), 11)');
    expect(reason).toBe('SIGSEGV (segmentation fault)');
  });

  it('for want of memory', async () => {
    const { reason, console } = await endBy('hoard = [bytearray(b"x" * (1 << 24)) for _ in range(64)]');
    expect(reason).toBe('SIGKILL (killed by the system: out of memory)');
    expect(console).toMatch(/^worker \d+ crashed: SIGKILL \(killed by the system: out of memory\)/);
  });
});
