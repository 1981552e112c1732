/** `holdAtStart`: breakpoints of lines that run once, while the module is imported, hold in the next worker. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assertGoodSession } from '../support/invariants.ts';
import { Rig } from '../support/rig.ts';
import { startLocalApp, type SampleApp } from '../support/sample-app.ts';

/** `app = FastAPI()` */
const MODULE_LINE = 5;

describe('holdAtStart', () => {
  let app: SampleApp;
  let rig: Rig;

  beforeAll(async () => {
    app = await startLocalApp();
    rig = await Rig.start(app, Rig.processOf(app), { holdAtStart: true });
    await rig.attached();
    await rig.attach({ line: MODULE_LINE });
  });

  afterAll(async () => {
    await rig.stop();
  });

  it('stops in the import of each reloaded worker, which then serves', async () => {
    for (const factor of [4, 5]) {
      const stopped = rig.editor.next('stopped');
      await app.setFactor(factor);
      const { threadId } = (await stopped).body as { threadId: number };
      const { stackFrames } = await rig.editor.request<{ stackFrames: { line: number }[] }>('stackTrace', { threadId });
      expect(stackFrames[0]?.line).toBe(MODULE_LINE);
      await rig.editor.request('continue', { threadId });
      await expect.poll(() => app.price(10).catch(() => null), { timeout: 20_000 }).toEqual({ total: 10 * factor });
    }
    await assertGoodSession(rig.editor);
  });
});
