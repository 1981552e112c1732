// Owns one run of the daemon in this process: lock, control socket, supervisor, UI, signals, and the exit code.
// `wand watch` and `wand debug` differ only in where the config comes from.
import { rmSync } from 'node:fs';
import type { ProjectConfig, TargetConfig } from '../core/types.ts';
import type { StatusReport } from '../core/status.ts';
import { listenControl, type ControlRequest } from '../daemon/control.ts';
import { takeLock } from '../daemon/lock.ts';
import { Supervisor } from '../daemon/supervisor.ts';
import type { CommandChild } from '../targets/target.ts';
import { asDebugwandError, DebugwandError } from '../lib/errors.ts';
import { createLog, type Log } from '../lib/log.ts';
import { lockPath, logPath, socketPath } from '../lib/paths.ts';
import { type ChildEnd, companionOf, endAs, followChild } from './command-child.ts';
import { DaemonPage } from './daemon-page.ts';
import { exitCodeOf, onSignals } from './signals.ts';
import { createUi, type UiMode } from '../ui/ui.ts';

export interface SessionOptions {
  readonly config: ProjectConfig;
  /** Calls back with each later config or error; returns its end. Null: the config cannot change. */
  readonly watchConfig:
    | ((onConfig: (config: ProjectConfig) => void, onError: (error: unknown) => void) => Promise<() => Promise<void>>)
    | null;
  /** `wand watch -- COMMAND`: the child has our terminal, we end with it. */
  readonly command: boolean;
  /** That command, where it is no target but starts the containers of some: it runs beside them. */
  readonly companion?: readonly string[];
  readonly ui: UiMode;
  /** In the background: what is shown goes to the log alone. */
  readonly detached: boolean;
  /** Ends the process at once: a second signal, or a stop that takes too long. */
  readonly leave: (code: number) => void;
}

/** A clean stop must fit into this, ms; after it we leave with what is done. */
const STOP_BUDGET_MS = 1_900;

/** Runs until a signal, `wand stop`, `q`, or the end of the command. @returns the exit code. */
export async function runDaemon(options: SessionOptions): Promise<number> {
  const { root } = options.config;
  const unlock = await takeLock(lockPath(root), root);
  const log = createLog(logPath(root));
  let supervisor: Supervisor | null = null;
  let ended: (code: number) => void = () => undefined;
  const end = new Promise<number>((resolve) => {
    ended = resolve;
  });
  const ui = createUi(options.ui, {
    log,
    notify: true,
    output: options.command ? process.stderr : process.stdout,
    onQuit: () => {
      ended(0);
    },
    onRefresh: () => {
      supervisor?.refresh();
    },
    onSwitch: (target) => {
      try {
        log.info(supervisor?.switchWorker(target, null) ?? '');
      } catch (error) {
        log.warn(asDebugwandError(error).message);
      }
    },
    onRestart: (target) => {
      void supervisor?.restart(target).catch((error: unknown) => {
        log.error(String(error));
      });
    },
    targetConfig: (name): TargetConfig | undefined => current.targets.find((target) => target.name === name),
  });
  let current = options.config;
  const inheritStdio = options.command && !options.detached;
  const companion = options.companion === undefined ? null : companionOf(options.companion, inheritStdio, log);
  const child = (): CommandChild | null => companion ?? running.child();
  const running = new Supervisor(options.config, {
    log,
    inheritStdio,
    confirm: ui.ask,
    page: () => page.url,
    onChange: () => {
      changed();
    },
  });
  let lastWord: ChildEnd | null = null;
  const changed = (): void => {
    // Its command has ended, and so will wand: there is nothing to wait for, and no advice to give.
    if (lastWord !== null) return;
    const report = running.report();
    ui.update(report);
    page.update(report);
  };
  const page = new DaemonPage(
    {
      report: () => running.report(),
      restart: (target) => running.restart(target),
    },
    log,
    changed,
  );
  supervisor = running;
  const offSignals = onSignals({
    command: options.command
      ? {
          running: () => child()?.running === true,
          toldToEnd: () => child()?.toldToEnd(),
          passOn: (name) => child()?.signal(name),
        }
      : null,
    stop: (code) => {
      ended(code);
    },
    leave: options.leave,
  });
  const offFaults = onFaults(log, ended);
  let code = 1;
  let closeControl: (() => Promise<void>) | null = null;
  let closeWatch: (() => Promise<void>) | null = null;
  try {
    closeControl = await listenControl(socketPath(root), (request) => control(request, running, ended));
    await running.apply(options.config);
    await companion?.start();
    if (options.command) {
      followChild(child(), log, (how) => {
        lastWord = how;
        ended(how.code ?? exitCodeOf(how.signal));
      });
    }
    page.want(current.page);
    closeWatch =
      options.watchConfig === null
        ? null
        : await options.watchConfig(
            (config) => {
              current = config;
              running.apply(config).then(
                () => {
                  page.want(config.page);
                  log.info('the config changed and was applied');
                },
                (error: unknown) => {
                  running.configFailed(error);
                },
              );
            },
            (error) => {
              running.configFailed(error);
            },
          );
    code = await end;
    return code;
  } finally {
    const budget = setTimeout(() => {
      ui.close();
      rmSync(socketPath(root), { force: true });
      unlock();
      options.leave(code);
    }, STOP_BUDGET_MS);
    await closeWatch?.();
    await Promise.all([running.close(), companion?.close(), page.close()]);
    await closeControl?.();
    ui.close();
    rmSync(socketPath(root), { force: true });
    unlock();
    offSignals();
    offFaults();
    clearTimeout(budget);
    await log.close();
    endAs(lastWord);
  }
}

/** A fault that nobody caught is a bug of ours: told, and the end of the daemon, but never of what it entered. */
function onFaults(log: Log, ended: (code: number) => void): () => void {
  const onFault = (error: unknown): void => {
    log.error(
      `a fault of debugwand, please report it: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    ended(1);
  };
  // A terminal that went away, or a pipe that nobody reads, is no reason to end.
  const ignore = (): void => undefined;
  process.on('uncaughtException', onFault);
  process.on('unhandledRejection', onFault);
  process.stdout.on('error', ignore);
  process.stderr.on('error', ignore);
  return () => {
    process.off('uncaughtException', onFault);
    process.off('unhandledRejection', onFault);
  };
}

async function control(
  request: ControlRequest,
  supervisor: Supervisor,
  ended: (code: number) => void,
): Promise<StatusReport | string> {
  switch (request.command) {
    case 'status':
      return supervisor.report();
    case 'restart': {
      const { target } = request;
      return supervisor.restart(typeof target === 'string' ? target : null);
    }
    case 'switch': {
      const { target, worker: pid, replica } = request;
      return supervisor.switchWorker(
        typeof target === 'string' ? target : null,
        typeof pid === 'number' ? { pid, replica: typeof replica === 'string' ? replica : null } : null,
      );
    }
    case 'notify':
      return supervisor.hint(String(request['event']));
    case 'stop':
      // The answer goes out first.
      setImmediate(() => {
        ended(0);
      });
      return 'stopping';
    default:
      throw new DebugwandError({
        code: 'bad-request',
        message: `the daemon knows no command ${request.command}`,
        fix: 'stop it (`wand stop`) and start the one of this version',
      });
  }
}
