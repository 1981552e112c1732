/**
 * The whole product under the real VS Code: an app, `wand watch` on it, the launch configuration that `wand init` wrote, and
 * a window on the project.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TargetReport } from '../../src/core/status.ts';
import { startBrowser, type Browser } from './browser.ts';
import { startCodeServer, type CodeServer } from './code-server.ts';
import { ATTACHED, writeConfig } from './rig.ts';
import type { SampleApp } from './sample-app.ts';
import { until } from './until.ts';
import { isStoppedAt, VSCodeWindow, type Screen } from './vscode-window.ts';
import { WandDaemon } from './wand.ts';

/** What all of a test file's windows share. */
export interface Desk extends AsyncDisposable {
  readonly server: CodeServer;
  readonly browser: Browser;
}

export async function desk(): Promise<Desk> {
  const [server, browser] = await Promise.all([startCodeServer(), startBrowser({ width: 1280, height: 960 })]);
  return {
    server,
    browser,
    [Symbol.asyncDispose]: async () => {
      await browser[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

export class Stage {
  readonly app: SampleApp;
  readonly daemon: WandDaemon;
  readonly window: VSCodeWindow;
  /** Text of .vscode/launch.json, as `wand init` wrote it. */
  readonly launch: string;

  private constructor(app: SampleApp, daemon: WandDaemon, window: VSCodeWindow, launch: string) {
    this.app = app;
    this.daemon = daemon;
    this.window = window;
    this.launch = launch;
  }

  /** `name`: of its screenshots. */
  static async open(
    { server, browser }: Desk,
    app: SampleApp,
    targets: Readonly<Record<string, object>>,
    name: string,
  ): Promise<Stage> {
    await writeConfig(app.folder, targets);
    const daemon = new WandDaemon(['watch', '--plain'], { cwd: app.folder });
    for (const target of Object.keys(targets)) {
      await daemon.target('attached', ATTACHED, { name: target, timeoutMs: 60_000 });
    }
    const { code, stderr } = await daemon.run('init', '--yes');
    if (code !== 0) throw new Error(`wand init: ${stderr}`);
    const launch = await readFile(join(app.folder, '.vscode', 'launch.json'), 'utf8');
    const window = await VSCodeWindow.open(server, browser, app.folder, name);
    await window.openFile('app.py');
    return new Stage(app, daemon, window, launch);
  }

  target(what: string, predicate: (target: TargetReport) => boolean): Promise<TargetReport> {
    return this.daemon.target(what, predicate);
  }

  /** Pid of the worker. */
  async worker(): Promise<number> {
    return (await this.target('attached', ATTACHED)).worker?.pid ?? 0;
  }

  /** Sends a request; once its stop is on the screen, goes on by F5. Gives the variables' rows and the answer. */
  async hit(
    line: number,
    amount: number,
  ): Promise<{ readonly variables: readonly string[]; readonly total: number | null }> {
    const { stop, total } = await this.#ask(line, amount);
    if (stop === null) throw new Error(`no stop: the app answered ${String(total)}`);
    return { variables: stop.variables, total };
  }

  /** The same while workers come and go, until one stops and answers that total. */
  async hitUntil(line: number, amount: number, total: number): Promise<void> {
    await until(
      async () => {
        const asked = await this.#ask(line, amount);
        return asked.stop !== null && asked.total === total;
      },
      `a stop and the answer ${String(total)}`,
      60_000,
    );
  }

  async #ask(line: number, amount: number): Promise<{ readonly stop: Screen | null; readonly total: number | null }> {
    await this.app.answers();
    let total: number | null | undefined;
    const answer = this.app.price(amount).then(
      (body) => (total = body.total),
      () => (total = null),
    );
    const isStopped = isStoppedAt(line);
    const screen = await this.window.until(
      `a stop at line ${String(line)}, or an answer`,
      (screen) => total !== undefined || isStopped(screen),
    );
    if (total !== undefined) return { stop: null, total };
    await this.window.press('F5');
    await answer;
    await this.window.running();
    return { stop: screen, total: total ?? null };
  }

  async close(): Promise<void> {
    if (!this.window.page.isClosed()) await this.window.close();
    await this.daemon.stop();
    await this.app.stop();
  }
}
