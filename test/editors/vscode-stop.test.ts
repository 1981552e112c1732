/** What one does with the real VS Code at a stop, and that what was set holds in the next worker. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ensureBrowser } from '../support/browser.ts';
import { ensureCodeServer } from '../support/code-server.ts';
import { getOrSkip } from '../support/machine.ts';
import { Rig } from '../support/rig.ts';
import { BREAKPOINT_LINE, startLocalApp, type SampleApp } from '../support/sample-app.ts';
import { desk, Stage, type Desk } from '../support/vscode-stage.ts';
import type { VSCodeWindow } from '../support/vscode-window.ts';

const vscode = await getOrSkip(async () => [await ensureCodeServer(), await ensureBrowser()]);

/** From line 12 on. */
const MORE_ROUTES = `

def tax(amount: int) -> int:
    rate = 2
    return amount * rate


@app.get("/taxed/{amount}")
async def taxed(amount: int) -> dict[str, int]:
    before = amount + 1
    after = tax(before)
    return {"total": after}


@app.get("/fails")
async def fails() -> None:
    raise ValueError("no such price")
`;
const LINE = { taxBody: 15, taxReturn: 16, taxedBody: 21, taxedCall: 22, fails: 28 } as const;

describe.skipIf(vscode === undefined)('at a stop in VS Code', () => {
  let on: Desk;
  let app: SampleApp;
  let stage: Stage;
  let window: VSCodeWindow;

  beforeAll(async () => {
    on = await desk();
    app = await startLocalApp();
    await app.edit((text) => text + MORE_ROUTES);
    await app.answers();
    stage = await Stage.open(on, app, { shop: Rig.processOf(app) }, 'stop');
    window = stage.window;
    await window.startDebugging();
  });

  afterEach(async () => {
    expect((await window.read()).popups).toEqual([]);
  });

  afterAll(async () => {
    await stage.close();
    await on[Symbol.asyncDispose]();
  });

  it('steps over, into and out', async () => {
    await window.toggleBreakpoint(LINE.taxedBody);
    const answer = fetch(`${app.url}/taxed/4`);
    await window.stopped(LINE.taxedBody);
    await window.press('F10');
    await window.stopped(LINE.taxedCall);
    await window.press('F11');
    await window.stopped(LINE.taxBody);
    // VS Code asks for the top frame first, and for the rest a moment later.
    const frames = [
      `Stack Frame tax, line ${String(LINE.taxBody)}, app.py`,
      `Stack Frame taxed, line ${String(LINE.taxedCall)}, app.py`,
    ];
    await window.until('both frames', ({ callStack }) => frames.every((frame, index) => callStack[index] === frame));
    await window.button('step-over');
    await window.stopped(LINE.taxReturn);
    await window.button('step-out');
    await window.until(
      'back in the caller',
      (screen) => screen.callStack[0]?.startsWith('Stack Frame taxed,') === true,
    );
    await window.shot('stepped-out');
    await window.press('F5');
    expect(await (await answer).json()).toEqual({ total: 10 });
    await window.running();
    await window.toggleBreakpoint(LINE.taxedBody);
  });

  it('shows values on hover and in the Watch view, and changes one', async () => {
    await window.toggleBreakpoint(BREAKPOINT_LINE);
    const answer = app.price(4);
    await window.stopped(BREAKPOINT_LINE);
    expect((await window.hover(10, 'total')).hover).toBe('12');
    await window.watch('amount * 100');
    const { watch } = await window.until('watched', (screen) => screen.watch.some((row) => row.includes('400')));
    expect(watch).toEqual(['amount * 100, value 400']);
    await window.setVariable('total', '99');
    await window.until('changed', ({ variables }) => variables.includes('total, value 99'));
    await window.shot('hover-watch-set');
    await window.press('F5');
    expect(await answer).toEqual({ total: 99 });
    await window.running();
  });

  it('watches in the next worker, too', async () => {
    await window.typeLine(10, '    total = amount * 4');
    await window.reattached(() => window.save());
    const answer = app.price(5);
    const { watch } = await window.until('stopped', (screen) => screen.watch.some((row) => row.includes('value 500')));
    expect(watch).toEqual(['amount * 100, value 500']);
    await window.stopped(BREAKPOINT_LINE);
    await window.press('F5');
    expect(await answer).toEqual({ total: 20 });
    await window.running();
    await window.toggleBreakpoint(BREAKPOINT_LINE);
  });

  it('keeps a condition, a log point and exceptions over a reload', async () => {
    await window.special(BREAKPOINT_LINE, 'Add Conditional Breakpoint', 'amount == 7');
    await window.special(10, 'Add Logpoint', 'asked for {amount}');
    await window.toggleExceptions('Raised Exceptions');
    for (const factor of [4, 5]) {
      if (factor === 5) {
        await window.reattached(() => app.setFactor(factor));
      }
      // It comes through, and leaves a line.
      const line = `asked for ${String(factor)}`;
      expect(await app.price(factor)).toEqual({ total: factor * factor });
      await window.until('logged', ({ console: lines }) => lines.some(({ text }) => text === line));
      const answer = app.price(7);
      await window.stopped(BREAKPOINT_LINE);
      await window.press('F5');
      expect(await answer).toEqual({ total: 7 * factor });
      await window.running();
      const failing = fetch(`${app.url}/fails`);
      const screen = await window.until(
        'the exception',
        ({ exception, stoppedLines }) => exception !== '' && stoppedLines === 1,
      );
      expect(screen.exception).toMatch(/^Exception has occurred: ValueError\s+no such price/);
      expect(screen.callStack[0]).toBe(`Stack Frame fails, line ${String(LINE.fails)}, app.py`);
      await window.shot(`exception-${String(factor)}`);
      await window.press('F5');
      expect((await failing).status).toBe(500);
      await window.running();
    }
  });
});
