/** The product's figure: a file is saved, the worker is replaced, its breakpoints are verified. */
import { startRun, type Place } from './wand-run.ts';

export interface ReloadTimes {
  /** From the start of the new worker to its breakpoints verified, ms. */
  readonly startToVerified: number[];
  /** From the moment it was seen. */
  readonly seenToVerified: number[];
}

export async function measureReloads(place: Place, reloads: number): Promise<ReloadTimes> {
  const run = await startRun(place);
  const startToVerified: number[] = [];
  const seenToVerified: number[] = [];
  try {
    const editor = await run.attach();
    for (let round = 1; round <= reloads; round += 1) {
      await run.app.setFactor(10 + round);
      const { reattach } = await run.daemon.target('re-attached', (target) => target.reattach.count >= round);
      if (reattach.last !== null) {
        startToVerified.push(reattach.last.ms);
        seenToVerified.push(reattach.last.seenMs);
      }
      // The next save comes when the app serves: a developer saves no faster.
      await stopAndGo(editor, run.app.price(1));
    }
    if (editor.closed) throw new Error('the session of the editor ended');
    await editor.disconnect();
  } finally {
    await run.stop();
  }
  return { startToVerified, seenToVerified };
}

type Editor = Awaited<ReturnType<Awaited<ReturnType<typeof startRun>>['attach']>>;

async function stopAndGo(editor: Editor, answer: Promise<unknown>): Promise<void> {
  const seen = editor.mark();
  const { body } = await editor.waitFor('stopped', undefined, { after: Math.max(0, seen - 1), timeoutMs: 20_000 });
  await editor.request('continue', { threadId: (body as { threadId: number }).threadId });
  await answer;
}
