/** Every worker of gunicorn in a plain container: a session each, which outlives its worker and its container. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CrewApp, gunicorn, PID, WSGI } from '../support/crew-app.ts';
import { ensureDocker } from '../support/docker.ts';
import { IMAGES } from '../support/images.ts';
import { getOrSkip } from '../support/machine.ts';
import { BREAKPOINT_LINE, startContainerApp, type ContainerApp } from '../support/sample-app.ts';
import { uniqueName } from '../support/target-stage.ts';

const docker = await getOrSkip(() => ensureDocker(['python314']));
const WORKERS = 3;

describe.skipIf(docker === undefined)('every worker in a container', () => {
  const name = uniqueName('crew');
  let app: ContainerApp;
  let crew: CrewApp;

  beforeAll(async () => {
    if (docker === undefined) return;
    const command = gunicorn(WORKERS);
    app = await startContainerApp(docker, { image: IMAGES.python314, name, command, edit: () => WSGI });
    crew = await CrewApp.start(app, { docker: { container: name } }, WORKERS, BREAKPOINT_LINE);
  });

  afterAll(async () => {
    await crew.stop();
  });

  /** A stop in every worker at once; then all run, without breakpoints, and the app answers. */
  async function hitInEach(): Promise<void> {
    const slots = await crew.slots(WORKERS);
    await crew.breakAt(crew.editor, BREAKPOINT_LINE);
    const pids = await crew.stopInEach(crew.editor, PID);
    expect(new Set(pids.values())).toEqual(new Set(slots.values()));
    expect(pids.size).toBe(WORKERS);
    expect(await app.price(10)).toEqual({ total: 30 });
  }

  it('has a session, and stops', async () => {
    expect(crew.editor.asked.map(({ subProcessId }) => subProcessId).toSorted((a, b) => a - b)).toEqual([1, 2]);
    await hitInEach();
  });

  it.each([1, 0])('that is killed leaves its session to the next one (slot %i)', async (slot) => {
    const before = await crew.slots(WORKERS);
    const killed = String(before.get(slot));
    const after = await crew.anew(() => app.docker('exec', name, 'sh', '-c', `kill -9 ${killed}`), [slot]);
    for (const [other, pid] of before) if (other !== slot) expect(after.get(other)).toBe(pid);
    await crew.editor.attached(WORKERS);
    const { workers } = await crew.daemon.target('counted', ({ workers: rows }) => rows[slot]?.reattach.count === 1);
    expect(workers[slot]?.reattach.last).toMatchObject({ reason: 'crash' });
    await hitInEach();
  });

  it.each([
    ['a restart of the container', 'restart', () => app.docker('restart', '-t', '1', name)],
    ['another container of that name', 'rollout', () => app.recreate()],
  ] as const)('stays over %s', async (_what, reason, away) => {
    await crew.anew(async () => {
      await away();
      await app.answers();
    });
    await crew.editor.attached(WORKERS);
    const { workers } = await crew.daemon.target('counted', ({ workers: rows }) =>
      rows.every(({ reattach }) => reattach.last?.reason === reason),
    );
    expect(workers).toHaveLength(WORKERS);
    await hitInEach();
    // The same sessions as at first.
    expect(crew.editor.asked).toHaveLength(WORKERS - 1);
  });
});
