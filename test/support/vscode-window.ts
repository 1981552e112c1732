/**
 * A window of VS Code, used as a person uses it: keys and clicks go in, what is on the screen comes out. Whatever popped up
 * at any moment, and each look of the editor's margin, is kept.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import type { Browser } from './browser.ts';
import type { CodeServer } from './code-server.ts';
import { until } from './until.ts';

/** What is on the screen, in VS Code's own words. */
export interface Screen {
  /** Buttons of the debug toolbar that can be pressed: `continue`, `pause`, `step-over`, `restart`, `disconnect` … */
  readonly toolbar: readonly string[];
  /** Beside "Call Stack": `Running`, `Paused on breakpoint`; empty with several sessions or threads. */
  readonly state: string;
  /** Rows: `Stack Frame price, line 11, app.py`, `Thread …`, `Session …`. */
  readonly callStack: readonly string[];
  readonly variables: readonly string[];
  readonly watch: readonly string[];
  readonly breakpoints: readonly string[];
  /** The debug console's newest lines, each with its row. */
  readonly console: readonly { readonly row: number; readonly text: string }[];
  /** Line → what the margin shows: `breakpoint`, `breakpoint-unverified`, `breakpoint stackframe` … */
  readonly glyphs: Readonly<Record<number, string>>;
  /** Lines marked as the place of a stop. */
  readonly stoppedLines: number;
  readonly hover: string;
  /** What is said in the editor of an exception that stopped the app. */
  readonly exception: string;
  /** The file has changes that are not saved. */
  readonly dirty: boolean;
  readonly statusBar: string;
  /** Number of notifications on the screen now. */
  readonly news: number;
  /** Everything that popped up since `take`, be it gone or not. */
  readonly popups: readonly string[];
  /** Number of attachments that the debug console told of since the window was opened. */
  readonly attachments: number;
}

const SCREEN_SCRIPT = join(import.meta.dirname, '../fixtures/vscode/screen.js');
/** A loaded machine draws slowly. */
const DRAWN_MS = 30_000;
/** A wait for a worker that is longer is told of, in the margin and by a notification: less than in dap/session-waiting. */
const TOLD_AFTER_MS = 9_000;

export class VSCodeWindow {
  readonly page: Page;
  #shots = 0;
  readonly #name: string;

  private constructor(page: Page, name: string) {
    this.page = page;
    this.#name = name;
  }

  /** Opens the folder, with the Run and Debug view at the side. `name`: of its screenshots. */
  static async open(server: CodeServer, browser: Browser, folder: string, name: string): Promise<VSCodeWindow> {
    const page = await browser.context.newPage();
    page.setDefaultTimeout(DRAWN_MS);
    await page.addInitScript({ path: SCREEN_SCRIPT });
    await page.goto(server.window(folder));
    await page.locator('.explorer-folders-view .monaco-list-row').first().waitFor();
    await page.locator('.statusbar-item', { hasText: 'debugpy is ready' }).waitFor();
    return new VSCodeWindow(page, name);
  }

  read(): Promise<Screen> {
    return this.page.evaluate<Screen>('wandScreen.read()');
  }

  /** The screen, as soon as the predicate holds of it. */
  async until(what: string, predicate: (screen: Screen) => boolean, timeoutMs = DRAWN_MS): Promise<Screen> {
    let last: Screen | undefined;
    try {
      return await until(
        async () => {
          last = await this.read();
          return predicate(last) ? last : undefined;
        },
        what,
        timeoutMs,
      );
    } catch (error) {
      await this.shot(`failed-${what.replaceAll(/\W+/g, '-')}`);
      throw new Error(`${String(error)}\non the screen: ${JSON.stringify(last, null, 1)}`, { cause: error });
    }
  }

  /** Opens a file by the explorer, then shows the debugger's views at the side. */
  async openFile(name: string): Promise<void> {
    await this.press('Control+Shift+E');
    await this.page.locator('.explorer-folders-view .monaco-list-row', { hasText: name }).dblclick();
    await this.page.locator('.editor-instance .view-line').first().waitFor();
    await this.press('Control+Shift+D');
    await this.page.locator('.debug-call-stack').waitFor();
    await this.page.locator('.editor-instance .view-line').first().click();
  }

  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  /** Runs a command of the palette, by its title. */
  async command(title: string): Promise<void> {
    await this.press('F1');
    await this.#quickInput(`>${title}`, title);
  }

  /** Puts the cursor there. */
  async goto(line: number, column = 1): Promise<void> {
    await this.press('Control+G');
    await this.#quickInput(`:${String(line)}:${String(column)}`);
    await this.page
      .locator('.editor-instance .active-line-number', { hasText: new RegExp(`^${String(line)}$`) })
      .waitFor();
  }

  /** `pick`: what the first of the list must be before it is taken. */
  async #quickInput(text: string, pick?: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget input.input').first();
    await input.waitFor();
    await input.fill(text);
    if (pick !== undefined) {
      await this.page.locator('.quick-input-list .monaco-list-row.focused', { hasText: pick }).waitFor();
    }
    await input.press('Enter');
    await input.waitFor({ state: 'hidden' });
  }

  /** F9 at that line. */
  async toggleBreakpoint(line: number): Promise<void> {
    await this.goto(line);
    const before = line in (await this.read()).glyphs;
    await this.press('F9');
    await this.until(`breakpoint of line ${String(line)}`, ({ glyphs }) => line in glyphs !== before);
  }

  /** F5, once: until the breakpoints are set in the worker. */
  async startDebugging(): Promise<Screen> {
    return this.reattached(() => this.press('F5'));
  }

  /** Starts a configuration or a compound by its name. */
  async debug(name: string): Promise<void> {
    await this.press('Control+P');
    await this.#quickInput(`debug ${name}`, name);
  }

  /** Sets a breakpoint with a condition, or a log point. What is asked for is typed and confirmed. */
  async special(line: number, kind: 'Add Conditional Breakpoint' | 'Add Logpoint', text: string): Promise<void> {
    await this.goto(line);
    await this.command(`Debug: ${kind}...`);
    // It is there before it takes what is typed.
    await this.page.locator('.breakpoint-widget .monaco-editor.focused').waitFor();
    await this.page.keyboard.insertText(text);
    await this.page.locator('.breakpoint-widget .view-lines', { hasText: text.split(' ')[0] ?? text }).waitFor();
    await this.press('Enter');
    await this.page.locator('.breakpoint-widget').waitFor({ state: 'hidden' });
  }

  /** Adds an expression to the Watch view. */
  async watch(expression: string): Promise<void> {
    await this.page.locator('.pane-header', { hasText: 'Watch' }).hover();
    await this.page.locator('.codicon-watch-expressions-add').click();
    await this.#fillBox('.debug-watch', expression);
  }

  /** Changes a variable in the Variables view. */
  async setVariable(name: string, value: string): Promise<void> {
    await this.page.locator('.debug-variables .monaco-list-row', { hasText: `${name} =` }).dblclick();
    await this.#fillBox('.debug-variables', value);
  }

  async #fillBox(view: string, text: string): Promise<void> {
    const input = this.page.locator(`${view} .inputBoxContainer input`);
    await input.fill(text);
    await input.press('Enter');
    await input.waitFor({ state: 'hidden' });
  }

  /** Ticks or clears a kind of exceptions in the Breakpoints view. */
  async toggleExceptions(name: string): Promise<void> {
    await this.page
      .locator('.debug-breakpoints .monaco-list-row', { has: this.page.getByText(name, { exact: true }) })
      .locator('input[type=checkbox], .monaco-checkbox')
      .click();
  }

  /** Replaces a whole line as one types, without saving. */
  async typeLine(line: number, text: string): Promise<void> {
    await this.goto(line);
    await this.press('End', 'Shift+Home', 'Shift+Home');
    await this.page.keyboard.insertText(text);
    await this.until('typed', ({ dirty }) => dirty);
  }

  /** Ctrl+S, and that it is on the disk. */
  async save(): Promise<void> {
    await this.press('Control+S');
    await this.until('saved', ({ dirty }) => !dirty);
  }

  /** Presses a button of the debug toolbar. */
  async button(name: string): Promise<void> {
    await this.page.locator(`.debug-toolbar .action-label.codicon-debug-${name}`).click();
  }

  /** A stop at that line is on the screen, whole: marked line, call stack, variables. */
  async stopped(line: number): Promise<Screen> {
    return this.until(`stopped at line ${String(line)}`, isStoppedAt(line));
  }

  /** Nothing on the screen says that anything is stopped. */
  async running(): Promise<Screen> {
    return this.until('running', isRunning);
  }

  /** Does what makes the worker another one, and waits until the debug console tells of the next. */
  async reattached(cause: () => Promise<unknown>): Promise<Screen> {
    const { attachments: before } = await this.read();
    const began = performance.now();
    await cause();
    await this.until('re-attached', ({ attachments, toolbar }) => attachments > before && toolbar.length > 0, 60_000);
    if (performance.now() - began > TOLD_AFTER_MS) await this.page.evaluate('wandScreen.forgetWaits()');
    return this.read();
  }

  /**
   * Does something in which no wait for a worker is long, and gives what disturbed meanwhile: what popped up, and each look
   * of the margin in which a breakpoint was missing or hollow. Where a busy machine made a reload so slow that wand itself
   * tells of the wait, that is no disturbance.
   */
  async quietly(work: () => Promise<unknown>): Promise<readonly string[]> {
    await this.#take();
    const began = performance.now();
    await work();
    const slow = performance.now() - began > TOLD_AFTER_MS;
    const { popups, margins } = await this.#take();
    const lines = Object.keys(margins[0] ?? {});
    const broken = margins.filter((margin) =>
      lines.some((line) => !/^breakpoint(?!.*unverified)/.test(margin[line] ?? '')),
    );
    return slow ? [] : [...popups, ...broken.map((margin) => JSON.stringify(margin))];
  }

  #take(): Promise<{ readonly popups: readonly string[]; readonly margins: readonly Record<string, string>[] }> {
    return this.page.evaluate('wandScreen.take()');
  }

  /** Rests the mouse on a word of that line, until the debugger's hover shows. */
  async hover(line: number, word: string): Promise<Screen> {
    const at = await this.page.evaluate<{ x: number; y: number }>(
      `wandScreen.wordAt(${String(line)}, ${JSON.stringify(word)})`,
    );
    // Twice: only a mouse that moves is looked at.
    await this.page.mouse.move(at.x - 2, at.y);
    await this.page.mouse.move(at.x, at.y);
    return this.until(`hover of ${word}`, ({ hover }) => hover !== '');
  }

  /** A picture in the folder that WAND_SCREENSHOTS names; without it, none. */
  async shot(what: string): Promise<void> {
    const into = process.env['WAND_SCREENSHOTS'];
    if (into === undefined || into === '') return;
    await mkdir(into, { recursive: true });
    this.#shots += 1;
    await this.page.screenshot({
      path: join(into, `${this.#name}-${String(this.#shots).padStart(2, '0')}-${what}.png`),
    });
  }

  /** Closes it as one closes a window. */
  async close(): Promise<void> {
    const closed = this.page.waitForEvent('close');
    await this.page.close({ runBeforeUnload: true });
    await closed;
  }
}

export function isStoppedAt(line: number): (screen: Screen) => boolean {
  return ({ callStack, stoppedLines, variables }) =>
    stoppedLines === 1 &&
    callStack.some((row) => row.startsWith('Stack Frame ') && row.includes(`, line ${String(line)}, `)) &&
    variables.some((row) => row.includes(', value '));
}

export function isRunning({ state, stoppedLines, callStack, toolbar }: Screen): boolean {
  const isPaused = /Paused/.test(state) || callStack.some((row) => /Paused|Stack Frame/.test(row));
  return toolbar.includes('pause') && stoppedLines === 0 && !isPaused;
}
