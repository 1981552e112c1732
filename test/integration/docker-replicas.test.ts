/** Every container of a Compose service at once: sessions that go on through all that happens to the containers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureDocker } from '../support/docker.ts';
import { IMAGES } from '../support/images.ts';
import { getOrSkip } from '../support/machine.ts';
import { ReplicasStage, type Place } from '../support/replicas-stage.ts';
import { startContainerApp, type ContainerApp } from '../support/sample-app.ts';
import { uniqueName } from '../support/target-stage.ts';
import { until } from '../support/until.ts';

const docker = await getOrSkip(() => ensureDocker(['python314']));

describe.skipIf(docker === undefined)('all containers of a Compose service', () => {
  const project = uniqueName('shop');
  const nameOf = (number: number): string => `${project}-web-${String(number)}`;
  /** What `docker compose up` gives a container, and its own name as the host's. */
  const labelled = (number: number, oneOff = 'False'): string[] =>
    ['project=' + project, 'service=web', `oneoff=${oneOff}`, `container-number=${String(number)}`]
      .flatMap((label) => ['--label', `com.docker.compose.${label}`])
      .concat('--hostname', nameOf(number));
  const numbers = new Set<number>();
  let app: ContainerApp;
  let stage: ReplicasStage;

  /** Makes a container of the service (anew), as `docker compose up` does. */
  async function up(number: number, oneOff?: string): Promise<void> {
    const serve = ['uvicorn', 'app:app', '--reload', '--host', '0.0.0.0', '--port', '8000'];
    await down(number);
    const folder = ['-v', `${app.folder}:/app`, '-w', '/app', ...labelled(number, oneOff)];
    await app.docker('run', '-d', '--name', nameOf(number), ...folder, IMAGES.python314, ...serve);
    if (oneOff === undefined) numbers.add(number);
  }

  async function down(number: number): Promise<void> {
    numbers.delete(number);
    await app.docker('rm', '-f', nameOf(number)).catch(() => '');
  }

  /** Those of the service, once they answer. */
  async function places(): Promise<Place[]> {
    const all = [...numbers].map(async (number): Promise<Place> => {
      const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
      const host = nameOf(number);
      const url = await until(
        async () => {
          const address = `http://${(await app.docker('inspect', '-f', format, host)).trim()}:8000`;
          const answer = await fetch(`${address}/none`, { signal: AbortSignal.timeout(2_000) }).catch(() => null);
          return answer === null ? null : address;
        },
        `${host} answers`,
        60_000,
      );
      return { host, url };
    });
    return Promise.all(all);
  }

  beforeAll(async () => {
    if (docker === undefined) return;
    app = await startContainerApp(docker, { image: IMAGES.python314, name: nameOf(1), args: labelled(1) });
    numbers.add(1);
    await up(2);
    const compose = { project, service: 'web' };
    stage = await ReplicasStage.start(app, { docker: { compose, replica: 'all' } }, places);
  }, 120_000);

  afterAll(async () => {
    await stage.stop();
    for (const number of [2, 3, 9]) await down(number);
    await app.stop();
  });

  it('have a session each, and stop in it', async () => {
    await stage.everywhere(2);
    expect(new Set((await stage.hits()).values()).size).toBe(2);
    expect(stage.editor.asked.map(({ name }) => name)).toEqual([expect.stringMatching(/shop-.*-web-[12]: worker 2$/)]);
  });

  it('keep them through a reload, a kill, and being made anew one after the other', async () => {
    const root = await stage.hits();
    await app.edit((text) => `${text}\n# saved\n`);
    await stage.daemon.target('both reloaded', ({ workers }) => workers.every(({ reattach }) => reattach.count > 0));
    await stage.everywhere(2);
    await app.docker('kill', nameOf(2));
    const left = await stage.daemon.target('one waits', ({ workers }) => workers.some(({ pid }) => pid === null));
    expect(left.workers).toHaveLength(2);
    await app.docker('start', nameOf(2));
    await stage.everywhere(2);
    for (const number of [1, 2]) {
      await up(number);
      await stage.everywhere(2);
    }
    const after = await stage.hits();
    expect(new Set(after.values())).toEqual(new Set(root.values()));
    expect(stage.editor.asked).toHaveLength(1);
    await stage.editor.assertGood();
  });

  it('stop together where the config says so', async () => {
    await stage.configure({ stopAll: true });
    const { editor, daemon } = stage;
    const [one] = await places();
    const marks = editor.marks();
    const answer = fetch(`${one?.url ?? ''}/price/10`).then((response) => response.json());
    const { session, threadId } = await editor.stopped(marks);
    await daemon.target('both stopped', ({ workers }) => workers.every(({ phase }) => phase === 'stopped'));
    await session.request('continue', { threadId });
    await daemon.target('both run', ({ workers }) => workers.every(({ phase }) => phase === 'attached'));
    expect(await answer).toMatchObject({ total: 30 });
    await stage.configure({ stopAll: false });
    await editor.assertGood();
  });

  it('get one more when scaled up, and lose those that are scaled down; what is run once is none of them', async () => {
    await up(9, 'True');
    await up(3);
    await stage.everywhere(3);
    expect(new Set((await stage.hits()).values()).size).toBe(3);
    await down(9);
    await down(3);
    await down(2);
    await stage.everywhere(1);
    expect([...(await stage.hits()).values()]).toEqual([stage.editor.root]);
    await stage.editor.assertGood();
  });
});
