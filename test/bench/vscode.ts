/**
 * What a developer waits for, as the screen shows it: a file is saved while requests come in one after the other, and VS
 * Code shows the stop in the new worker. Against the app's own reload: the same save and the same requests, without wand,
 * until the new code has answered.
 */
import { Rig } from '../support/rig.ts';
import { BREAKPOINT_LINE, startLocalApp, type SampleApp } from '../support/sample-app.ts';
import { desk, Stage } from '../support/vscode-stage.ts';

export interface EditorTimes {
  /** Save → the new code answers, without wand, ms. */
  readonly ownReload: number[];
  /** Save → the new code answers, with wand and VS Code attached, ms: what these cost the app and the machine. */
  readonly attachedReload: number[];
  /** Save → VS Code was told of the stop, ms. */
  readonly saveToTold: number[];
  /** Save → the stop is on VS Code's screen, ms. */
  readonly saveToStop: number[];
}

/** Requests one after the other, until the answer of one is the last; those that fail are sent again. */
async function requestLoop(app: SampleApp, amount: number, isLast: (total: number) => boolean): Promise<void> {
  const signal = AbortSignal.timeout(60_000);
  while (!signal.aborted) {
    const answer = await app.price(amount, signal).catch(() => null);
    if (answer !== null && isLast(answer.total)) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** One save; resolves with the time until the new code answers, ms. */
async function reload(app: SampleApp, factor: number): Promise<number> {
  const ended = requestLoop(app, 2, (total) => total === 2 * factor);
  const saved = Date.now();
  await app.setFactor(factor);
  await ended;
  return Date.now() - saved;
}

export async function measureVSCode(rounds: number): Promise<EditorTimes> {
  const app = await startLocalApp();
  const ownReload: number[] = [];
  for (let round = 0; round < rounds; round += 1) ownReload.push(await reload(app, 10 + round));
  await using on = await desk();
  const stage = await Stage.open(on, app, { shop: Rig.processOf(app) }, 'bench');
  const { window } = stage;
  const [attachedReload, saveToTold, saveToStop]: [number[], number[], number[]] = [[], [], []];
  try {
    // Only the new code of a measured save stops, and only these requests: the others reload on.
    await window.special(BREAKPOINT_LINE, 'Add Conditional Breakpoint', 'amount == 1 and total % 2 == 1');
    await window.startDebugging();
    for (let round = 0; round < rounds; round += 1) {
      await window.reattached(async () => {
        attachedReload.push(await reload(app, 100 + 2 * round));
      });
      let isShown = false;
      // The first requests of the new worker may come before wand does.
      const ended = requestLoop(app, 1, () => isShown);
      const shown = window.page.evaluate<number>('wandScreen.stopShown()');
      const saved = Date.now();
      await app.setFactor(101 + 2 * round);
      saveToStop.push((await shown) - saved);
      isShown = true;
      const { pause } = await stage.target('paused', (target) => target.pause !== null);
      saveToTold.push((pause?.since ?? NaN) - saved);
      await window.stopped(BREAKPOINT_LINE);
      await window.press('F5');
      await ended;
      await window.running();
    }
  } finally {
    await stage.close();
  }
  return { ownReload, attachedReload, saveToTold, saveToStop };
}
