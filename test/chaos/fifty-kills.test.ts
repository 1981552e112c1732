/** Fifty workers killed in a row: the editor stays, every request is answered, nothing grows. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allProcesses, assertGoodSession, descriptors, residentBytes, treeOf } from '../support/invariants.ts';
import { Rig } from '../support/rig.ts';
import { startLocalApp, type SampleApp } from '../support/sample-app.ts';
import { until } from '../support/until.ts';

describe('fifty kills', () => {
  let app: SampleApp;
  let rig: Rig;

  beforeAll(async () => {
    app = await startLocalApp();
    rig = await Rig.attachedTo(app);
  });

  afterAll(async () => {
    await rig.stop();
  });

  /** uvicorn starts a killed worker anew only when a file is saved. */
  async function kills(times: number): Promise<void> {
    for (let i = 0; i < times; i += 1) {
      const { worker } = await rig.status('attached', (target) => target.phase === 'attached');
      await rig.reattached(async () => {
        process.kill(worker?.pid ?? 0, 'SIGKILL');
        await app.edit((text) => `${text}#\n`);
      });
    }
  }

  it('are fifty re-attachments and no more', async () => {
    const daemon = rig.daemon.child.pid ?? 0;
    const count = async (): Promise<{ descriptors: number; processes: number }> => {
      const tree = await treeOf(daemon);
      const open = await Promise.all(tree.map((pid) => descriptors(pid)));
      return { descriptors: open.reduce<number>((sum, n) => sum + (n ?? 0), 0), processes: tree.length };
    };
    // The first ones load what is loaded once.
    await kills(5);
    const before = await count();
    const memory = await residentBytes(daemon);
    await kills(50);
    await assertGoodSession(rig.editor);
    let now = await count();
    await until(
      async () => {
        now = await count();
        return now.descriptors <= before.descriptors + 2 && now.processes <= before.processes;
      },
      `as few as before: ${JSON.stringify(before)}`,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}, now ${JSON.stringify(now)}`, { cause: error });
    });
    expect(await residentBytes(daemon)).toBeLessThan(memory * 1.5);
    const { reattach } = await rig.attached();
    expect(reattach.count).toBe(55);
    expect(reattach.history).toHaveLength(50);
    const ours = new Set(await treeOf(daemon));
    const agents = (await allProcesses()).filter(
      ({ pid, command }) => ours.has(pid) && command.includes('# debugwand agent'),
    );
    expect(agents).toHaveLength(1);
    expect(await rig.hit(5)).toMatchObject({ total: 15 });
  });
});
