// Owns what `wand watch` shows while it runs: one place for all three modes. Reports come in; each change becomes an
// entry of the log, and what is logged (by anybody) is shown.
import type { StatusReport } from '../core/status.ts';
import type { TargetConfig } from '../core/types.ts';
import type { LogEntry } from '../lib/log-line.ts';
import type { FileLog } from '../lib/log.ts';
import { LiveScreen } from './live.ts';
import { Notifier } from './notify.ts';
import { openLink } from './open-link.ts';
import { jsonLine, plainLine } from './plain.ts';
import { outputStyle, type UiMode } from './style.ts';
import { type Transition, transitions } from './transitions.ts';

export type { UiMode } from './style.ts';

export interface UiOptions {
  readonly log: FileLog;
  /** Default: stdout. With a command of ours, stdout is the command's. */
  readonly output?: NodeJS.WriteStream;
  /** False: no notification, whatever the config says. */
  readonly notify: boolean;
  readonly targetConfig: (name: string) => TargetConfig | undefined;
  readonly onQuit: () => void;
  /** `r`, once for each target. */
  readonly onRestart: (target: string) => void;
  /** `w`, once for each target with several workers. */
  readonly onSwitch?: (target: string) => void;
  /** `u`: look at containers and processes now. */
  readonly onRefresh?: () => void;
}

export interface Ui {
  update(report: StatusReport): void;
  /** Asks for yes or no; null where there is no terminal to ask on. Rejects when the signal aborts. */
  readonly ask: ((question: string, signal: AbortSignal) => Promise<boolean>) | null;
  /** Gives the terminal back. Safe to call twice. */
  close(): void;
}

export function createUi(mode: UiMode, options: UiOptions): Ui {
  const { stdin, env } = process;
  const stdout = options.output ?? process.stdout;
  let last: StatusReport | null = null;
  let current: Transition | null = null;
  // Who reads our output may leave (`wand watch | head`): the daemon goes on.
  const ignore = (): void => undefined;
  stdout.on('error', ignore);
  const screen =
    mode === 'live'
      ? new LiveScreen({
          keyboard: stdin,
          terminal: stdout,
          env,
          onOpen: openPage,
          onQuit: options.onQuit,
          onRefresh: options.onRefresh ?? ignore,
          onRestart: () => {
            for (const { name } of last?.targets ?? []) options.onRestart(name);
          },
          onSwitch: () => {
            for (const { name, workers } of last?.targets ?? []) if (workers.length > 1) options.onSwitch?.(name);
          },
          signal: (name) => {
            process.kill(process.pid, name);
          },
        })
      : null;
  function openPage(): void {
    const url = last?.daemon.page ?? null;
    if (url === null) screen?.print('there is no status page (`page` in the config)');
    // Over SSH the address is of use in another terminal. It is for the screen only, not for the log: it has the token.
    else if (!openLink(url, env)) screen?.print(`status page: ${url}`);
  }
  const notifier = new Notifier({
    env,
    wants: (name, kind) => options.notify && options.targetConfig(name)?.notify[kind] === true,
    onFailure: (why) => {
      options.log.info(why);
    },
  });
  const show = (entry: LogEntry): void => {
    if (mode === 'none') return;
    if (mode === 'json') stdout.write(`${jsonLine(entry, current)}\n`);
    else if (entry.level === 'debug') return;
    else if (screen === null) stdout.write(`${plainLine(entry, outputStyle(stdout, env))}\n`);
    else screen.print(plainLine(entry, outputStyle(stdout, env)));
  };
  const unlisten = options.log.listen(show);
  return {
    ask: screen?.asks === true ? (question, signal) => screen.ask(question, signal) : null,
    update(report) {
      const news = transitions(last, report);
      last = report;
      for (const transition of news) {
        current = transition;
        options.log[transition.level](
          transition.target === null ? transition.text : `${transition.target}: ${transition.text}`,
        );
      }
      current = null;
      screen?.update(report);
      notifier.update(report);
    },
    close() {
      unlisten();
      notifier.close();
      screen?.close();
    },
  };
}
