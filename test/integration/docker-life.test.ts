/** One editor's session over everything that happens to a container in a day, as `docker` does it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureDocker } from '../support/docker.ts';
import { IMAGES } from '../support/images.ts';
import { getOrSkip } from '../support/machine.ts';
import { ATTACHED, Rig } from '../support/rig.ts';
import { BREAKPOINT_LINE, startContainerApp, type ContainerApp } from '../support/sample-app.ts';
import { uniqueName } from '../support/target-stage.ts';

const docker = await getOrSkip(() => ensureDocker(['python314', 'python315']));

describe.skipIf(docker === undefined)('a container in a day of work', () => {
  const name = uniqueName('life');
  let app: ContainerApp;
  let rig: Rig;

  beforeAll(async () => {
    if (docker === undefined) return;
    app = await startContainerApp(docker, { image: IMAGES.python314, name });
    rig = await Rig.start(app, { docker: { container: name } });
    await rig.attached();
    await rig.attach();
  });

  afterAll(async () => {
    await rig.stop();
  });

  it('stops in a plain container, without debugpy in it, a capability, or a published port', async () => {
    const { worker, entry } = await rig.attached();
    expect(worker).toMatchObject({ role: 'worker', python: '3.14.8' });
    expect(worker?.reason).toMatch(/uvicorn reloader/);
    expect(entry).toMatchObject({ rung: 'exec', skipped: [] });
    // The path is this machine's: the bind mount was found.
    expect(await rig.hit(14)).toMatchObject({
      name: 'price',
      line: BREAKPOINT_LINE,
      path: rig.file,
      variables: { amount: '14', total: '42' },
      total: 42,
    });
  });

  it('stays over a reload', async () => {
    await rig.reattached(() => app.setFactor(4));
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
    const { reattach } = await rig.attached();
    expect(reattach.last).toMatchObject({ reason: 'reload' });
  });

  it('stays over `docker restart`', async () => {
    await rig.reattached(() => app.docker('restart', '-t', '1', name));
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
    const { reattach } = await rig.attached();
    expect(reattach.last).toMatchObject({ reason: 'restart' });
  });

  it('waits while it is stopped, and says so', async () => {
    await app.docker('stop', '-t', '1', name);
    const { message, ready, error } = await rig.status('waiting', ({ phase }) => phase === 'waiting');
    expect(message).toContain(name);
    expect({ ready, error }).toEqual({ ready: true, error: null });
    await rig.reattached(() => app.docker('start', name));
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
  });

  it('stays over a kill', async () => {
    await app.docker('kill', name);
    await rig.status('waiting', ({ phase }) => phase === 'waiting');
    await rig.reattached(() => app.docker('start', name));
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
  });

  it('waits while it is paused', async () => {
    await app.docker('pause', name);
    const { message } = await rig.status('waiting', ({ phase }) => phase === 'waiting');
    expect(message).toMatch(/paused/);
    await app.docker('unpause', name);
    await rig.status('attached', ATTACHED);
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
  });

  it('waits for a container by that name while it is called otherwise', async () => {
    await app.docker('rename', name, `${name}-away`);
    const { message } = await rig.status('waiting', ({ phase }) => phase === 'waiting');
    expect(message).toContain(name);
    await rig.reattached(() => app.docker('rename', `${name}-away`, name));
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
  });

  it('takes a new container of that name for the same target, also with another image', async () => {
    await rig.reattached(() => app.recreate(IMAGES.python315));
    expect(await rig.hit(10)).toMatchObject({ total: 40 });
    const { worker, reattach } = await rig.attached();
    expect(worker?.python).toMatch(/^3\.15\./);
    expect(reattach.last).toMatchObject({ reason: 'rollout' });
    await rig.reattached(() => app.setFactor(5));
    expect(await rig.hit(10)).toMatchObject({ total: 50 });
  });

  it('leaves nothing in it', async () => {
    expect(await rig.leave()).toBe(0);
    const left = await app.docker(
      'exec',
      name,
      'sh',
      '-c',
      'ls -A /tmp /dev/shm /var/tmp; cat /proc/*/cmdline | tr "\\0" " "',
    );
    expect(left).not.toContain('debugwand');
    expect(await app.price(10)).toEqual({ total: 50 });
  });
});
