/** The real VS Code, in one debug session: F5 once, then everything that happens to an app in a day of work. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ensureBrowser } from '../support/browser.ts';
import { ensureCodeServer } from '../support/code-server.ts';
import { getOrSkip } from '../support/machine.ts';
import { Rig } from '../support/rig.ts';
import { BREAKPOINT_LINE, startLocalApp } from '../support/sample-app.ts';
import { desk, Stage, type Desk } from '../support/vscode-stage.ts';
import type { VSCodeWindow } from '../support/vscode-window.ts';

const vscode = await getOrSkip(async () => [await ensureCodeServer(), await ensureBrowser()]);

describe.skipIf(vscode === undefined)('one session in VS Code', () => {
  let on: Desk;
  let stage: Stage;
  let window: VSCodeWindow;

  beforeAll(async () => {
    on = await desk();
    const app = await startLocalApp();
    stage = await Stage.open(on, app, { shop: Rig.processOf(app) }, 'day');
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

  it('attaches by F5 with the configuration that `wand init` wrote, and stops', async () => {
    expect(JSON.parse(stage.launch)).toMatchObject({
      configurations: [{ name: 'wand: shop', type: 'debugpy', request: 'attach', connect: { host: '127.0.0.1' } }],
    });
    await window.toggleBreakpoint(BREAKPOINT_LINE);
    await window.startDebugging();
    await window.shot('attached');
    const answer = stage.app.price(14);
    const { callStack, variables, glyphs } = await window.stopped(BREAKPOINT_LINE);
    await window.shot('stopped');
    expect(callStack[0]).toBe(`Stack Frame price, line ${String(BREAKPOINT_LINE)}, app.py`);
    expect(variables).toEqual(expect.arrayContaining(['amount, value 14', 'total, value 42']));
    expect(glyphs[BREAKPOINT_LINE]).toBe('breakpoint stackframe');
    await window.press('F5');
    expect(await answer).toEqual({ total: 42 });
    await window.running();
  });

  it('stops again after a save, in the new worker, and no key is pressed for it', async () => {
    const before = await stage.worker();
    await window.typeLine(10, '    total = amount * 4');
    await window.watchMargin();
    await window.reattached(() => window.save());
    await window.shot('after-the-save');
    expect(await stage.worker()).not.toBe(before);
    // Not once did the breakpoint look like another one.
    expect(await window.margins()).toEqual([{ [BREAKPOINT_LINE]: 'breakpoint' }]);
    const { variables, total } = await stage.hit(BREAKPOINT_LINE, 10);
    expect(variables).toContain('total, value 40');
    expect(total).toBe(40);
  });

  it('follows five saves in a row', async () => {
    await window.watchMargin();
    await window.goto(12);
    for (let save = 0; save < 5; save += 1) {
      await window.page.keyboard.insertText('#');
      await window.save();
    }
    await window.typeLine(10, '    total = amount * 5');
    await window.reattached(() => window.save());
    expect(await window.margins()).toEqual([{ [BREAKPOINT_LINE]: 'breakpoint' }]);
    expect(await stage.hit(BREAKPOINT_LINE, 10)).toMatchObject({ total: 50 });
  });

  it('shows no stop of a worker that was killed in it', async () => {
    const answer = stage.app.price(1).catch((error: unknown) => error);
    await window.stopped(BREAKPOINT_LINE);
    process.kill(await stage.worker(), 'SIGKILL');
    await window.running();
    await window.shot('killed-while-stopped');
    expect(await answer).toBeInstanceOf(Error);
    // uvicorn starts a killed worker anew only when a file is saved.
    await window.typeLine(10, '    total = amount * 6');
    await window.reattached(() => window.save());
    await window.shot('killed-and-back');
    expect(await stage.hit(BREAKPOINT_LINE, 10)).toMatchObject({ total: 60 });
  });
});
