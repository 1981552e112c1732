/** The real VS Code on a server with several workers: F5 once, and each worker has a session in the call stack. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ensureBrowser } from '../support/browser.ts';
import { ensureCodeServer } from '../support/code-server.ts';
import { getOrSkip } from '../support/machine.ts';
import { Rig } from '../support/rig.ts';
import { BREAKPOINT_LINE, startLocalApp } from '../support/sample-app.ts';
import { until } from '../support/until.ts';
import { desk, Stage, type Desk } from '../support/vscode-stage.ts';
import type { Screen, VSCodeWindow } from '../support/vscode-window.ts';

const vscode = await getOrSkip(async () => [await ensureCodeServer(), await ensureBrowser()]);

/** Sessions on the screen; a single one has no row of its own. */
function sessionRows({ callStack, toolbar }: Screen): number {
  return toolbar.length === 0 ? 0 : Math.max(1, callStack.filter((row) => row.startsWith('Session ')).length);
}

describe.skipIf(vscode === undefined)('several workers in VS Code', () => {
  let on: Desk;
  let stage: Stage;
  let window: VSCodeWindow;

  beforeAll(async () => {
    on = await desk();
    const app = await startLocalApp(['--workers', '3']);
    stage = await Stage.open(on, app, { shop: Rig.processOf(app) }, 'workers');
    window = stage.window;
  });

  // Whatever is done in between: no dialog, no notification.
  afterEach(async () => {
    expect((await window.read()).popups).toEqual([]);
  });

  afterAll(async () => {
    await stage.close();
    await on[Symbol.asyncDispose]();
  });

  /** Pids by slot, once so many workers have a session. */
  async function sessions(count: number): Promise<Map<number, number>> {
    const isDebugged = ({ session, phase }: { session: boolean; phase: string | null }): boolean =>
      session && (phase === 'attached' || phase === 'stopped');
    const { workers } = await stage.target(
      `${String(count)} sessions`,
      (target) => target.workers.filter(isDebugged).length === count,
    );
    return new Map(
      workers.filter(isDebugged).flatMap(({ slot, pid }) => (slot === null || pid === null ? [] : [[slot, pid]])),
    );
  }

  it('has a session for each after one F5', async () => {
    await window.toggleBreakpoint(BREAKPOINT_LINE);
    await window.startDebugging();
    await sessions(3);
    const { callStack } = await window.until('three sessions', (screen) => sessionRows(screen) === 3);
    await window.shot('three-sessions');
    // Named after the slots, whose workers come and go.
    for (const name of ['wand: shop', 'worker 2 of shop', 'worker 3 of shop']) {
      expect(callStack.join('\n')).toContain(name);
    }
  });

  it('stops in one while the others run, and goes on', async () => {
    const answer = stage.app.price(14);
    await window.until(
      'a stop',
      ({ stoppedLines, variables }) => stoppedLines === 1 && variables.includes('amount, value 14'),
    );
    await window.shot('one-is-stopped');
    await stage.target('one stopped', ({ workers }) => workers.filter(({ phase }) => phase === 'stopped').length === 1);
    await window.press('F5');
    expect(await answer).toEqual({ total: 42 });
    await window.until('all run', ({ stoppedLines }) => stoppedLines === 0);
  });

  it('keeps the session of a worker that is killed', async () => {
    const before = await sessions(3);
    process.kill(before.get(1) ?? 0, 'SIGKILL');
    await stage.target('another worker', ({ workers }) =>
      workers.some(({ slot, pid, phase }) => slot === 1 && pid !== before.get(1) && phase === 'attached'),
    );
    const after = await sessions(3);
    expect([after.get(0), after.get(2)]).toEqual([before.get(0), before.get(2)]);
    const screen = await window.read();
    expect(sessionRows(screen)).toBe(3);
    await window.shot('one-was-killed');
  });

  /** Ends the session that is looked at. A key is lost while VS Code is busy with the end of another one. */
  const fewer = (before: number): Promise<Screen> =>
    until(
      async () => {
        await window.press('Shift+F5');
        return window.until('one session less', (seen) => sessionRows(seen) < before, 5_000).catch(() => null);
      },
      `fewer than ${String(before)} sessions`,
      60_000,
    );

  it('ends the session that is looked at by the stop button, and the others by the next ones', async () => {
    for (let rows = sessionRows(await window.read()); rows > 0;) {
      const before = rows;
      rows = sessionRows(await fewer(before));
      if (before === 3) await sessions(2);
    }
    await stage.target('no session', ({ workers }) => !workers.some(({ session }) => session));
    expect(await stage.app.price(1)).toEqual({ total: 3 });
  });
});
