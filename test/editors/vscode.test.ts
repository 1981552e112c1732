/** The real VS Code, in one debug session: F5 once, then everything that happens to an app in a day of work. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ensureBrowser } from '../support/browser.ts';
import { ensureCodeServer } from '../support/code-server.ts';
import { getOrSkip } from '../support/machine.ts';
import { Rig } from '../support/rig.ts';
import { BREAKPOINT_LINE, startLocalApp, type SampleApp } from '../support/sample-app.ts';
import { desk, Stage, type Desk } from '../support/vscode-stage.ts';
import type { VSCodeWindow } from '../support/vscode-window.ts';

const vscode = await getOrSkip(async () => [await ensureCodeServer(), await ensureBrowser()]);

describe.skipIf(vscode === undefined)('one session in VS Code', () => {
  let on: Desk;
  let app: SampleApp;
  let stage: Stage;
  let window: VSCodeWindow;

  beforeAll(async () => {
    on = await desk();
    app = await startLocalApp();
    stage = await Stage.open(on, app, { shop: Rig.processOf(app) }, 'day');
    window = stage.window;
  });

  // Whatever is done in between: no dialog, no notification.
  afterEach(async () => {
    if (!window.page.isClosed()) expect((await window.read()).popups).toEqual([]);
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
    const answer = app.price(14);
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
    expect(await window.quietly(() => window.reattached(() => window.save()))).toEqual([]);
    await window.shot('after-the-save');
    expect(await stage.worker()).not.toBe(before);
    const { variables, total } = await stage.hit(BREAKPOINT_LINE, 10);
    expect(variables).toContain('total, value 40');
    expect(total).toBe(40);
  });

  it('follows five saves in a row', async () => {
    const disturbed = await window.quietly(async () => {
      await window.goto(12);
      for (let save = 0; save < 4; save += 1) {
        await window.page.keyboard.insertText('#');
        await window.save();
      }
      await window.typeLine(10, '    total = amount * 5');
      await window.save();
      // Which of the workers in between is seen depends on the reloader; the last one has the last save.
      await stage.hitUntil(BREAKPOINT_LINE, 10, 50);
    });
    await window.shot('five-saves');
    expect(disturbed).toEqual([]);
  });

  it('shows no stop of a worker that was killed in it', async () => {
    const answer = app.price(1).catch((error: unknown) => error);
    await window.stopped(BREAKPOINT_LINE);
    const disturbed = await window.quietly(async () => {
      process.kill(await stage.worker(), 'SIGKILL');
      await window.running();
      await window.until('its variables are gone, too', ({ variables }) => variables.length === 0);
      await window.shot('killed-while-stopped');
      // uvicorn starts a killed worker anew only when a file is saved.
      await window.typeLine(10, '    total = amount * 6');
      await window.reattached(() => window.save());
    });
    expect(await answer).toBeInstanceOf(Error);
    expect(disturbed).toEqual([]);
    expect(await stage.hit(BREAKPOINT_LINE, 10)).toMatchObject({ total: 60 });
  });

  it('restarts its session by the button, and the app runs on meanwhile', async () => {
    const worker = await stage.worker();
    const answer = app.price(10);
    await window.stopped(BREAKPOINT_LINE);
    await window.reattached(() => window.button('restart'));
    expect(await answer).toEqual({ total: 60 });
    await window.shot('restarted');
    expect(await stage.hit(BREAKPOINT_LINE, 10)).toMatchObject({ total: 60 });
    expect(await stage.worker()).toBe(worker);
  });

  it('leaves by the stop button: the app runs on, and F5 comes back', async () => {
    const answer = app.price(10);
    await window.stopped(BREAKPOINT_LINE);
    await window.button('disconnect');
    expect(await answer).toEqual({ total: 60 });
    await window.until(
      'the session is over',
      ({ toolbar, stoppedLines }) => toolbar.length === 0 && stoppedLines === 0,
    );
    await stage.target('nobody is attached', ({ editor }) => !editor.connected);
    expect(await app.price(5)).toEqual({ total: 30 });
    await window.shot('left');
    await window.startDebugging();
    expect(await stage.hit(BREAKPOINT_LINE, 10)).toMatchObject({ total: 60 });
  });

  it('lets the app run on when the window is closed while stopped', async () => {
    const answer = app.price(10);
    await window.stopped(BREAKPOINT_LINE);
    await window.close();
    expect(await answer).toEqual({ total: 60 });
    expect(await app.price(5)).toEqual({ total: 30 });
    await stage.target('nobody is attached', ({ editor, phase }) => !editor.connected && phase === 'attached');
  });
});
