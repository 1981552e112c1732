// Owns one run of the daemon in this process: lock, control socket, supervisor, UI, signals, and the exit code.
// `wand watch` and `wand debug` differ only in where the config comes from.
import { rm } from 'node:fs/promises';
import type { ProjectConfig, TargetConfig } from '../core/types.ts';
import type { StatusReport } from '../core/status.ts';
import { listenControl, type ControlRequest } from '../daemon/control.ts';
import { takeLock } from '../daemon/lock.ts';
import { Supervisor } from '../daemon/supervisor.ts';
import { DebugwandError } from '../lib/errors.ts';
import { createLog, type Log } from '../lib/log.ts';
import { lockPath, logPath, socketPath } from '../lib/paths.ts';
import { createUi, type UiMode } from '../ui/ui.ts';

export interface SessionOptions {
  readonly config: ProjectConfig;
  /** Calls back with each later config or error; returns its end. Null: the config cannot change. */
  readonly watchConfig:
    | ((onConfig: (config: ProjectConfig) => void, onError: (error: unknown) => void) => Promise<() => Promise<void>>)
    | null;
  /** `wand watch -- COMMAND`: the child has our terminal, we end with it. */
  readonly command: boolean;
  readonly ui: UiMode;
  readonly notify: boolean;
  /** Ends the process at once: a second signal, or a stop that takes too long. */
  readonly leave: (code: number) => void;
}

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };
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
    notify: options.notify,
    output: options.command ? process.stderr : process.stdout,
    onQuit: () => {
      ended(0);
    },
    onRefresh: () => {
      supervisor?.refresh();
    },
    onRestart: (target) => {
      void supervisor?.restart(target).catch((error: unknown) => {
        log.error(String(error));
      });
    },
    targetConfig: (name): TargetConfig | undefined => current.targets.find((target) => target.name === name),
  });
  let current = options.config;
  const running = new Supervisor(options.config, {
    log,
    inheritStdio: options.command,
    onChange: () => {
      ui.update(running.report());
    },
  });
  supervisor = running;
  const offSignals = onSignals(options, running, ended);
  let code = 1;
  let closeControl: (() => Promise<void>) | null = null;
  let closeWatch: (() => Promise<void>) | null = null;
  try {
    closeControl = await listenControl(socketPath(root), (request) => control(request, running, ended));
    await running.apply(options.config);
    if (options.command) followChild(running, log, ended);
    closeWatch =
      options.watchConfig === null
        ? null
        : await options.watchConfig(
            (config) => {
              current = config;
              void running.apply(config).then(() => {
                log.info('the config changed and was applied');
              });
            },
            (error) => {
              running.configFailed(error);
            },
          );
    code = await end;
    return code;
  } finally {
    const budget = setTimeout(() => {
      unlock();
      options.leave(code);
    }, STOP_BUDGET_MS);
    await closeWatch?.();
    await running.close();
    await closeControl?.();
    ui.close();
    await rm(socketPath(root), { force: true });
    unlock();
    offSignals();
    clearTimeout(budget);
    await log.close();
  }
}

async function control(
  request: ControlRequest,
  supervisor: Supervisor,
  ended: (code: number) => void,
): Promise<StatusReport | string> {
  switch (request.command) {
    case 'status':
      return supervisor.report();
    case 'restart':
      return supervisor.restart(String(request['target']));
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

/** First signal: a clean stop. With a command of ours, the signal goes to it, and its end is ours. Second: at once. */
function onSignals(
  { command, leave }: SessionOptions,
  supervisor: Supervisor,
  ended: (code: number) => void,
): () => void {
  let count = 0;
  const onSignal = (name: NodeJS.Signals): void => {
    count += 1;
    if (count > 1 && !(command && count === 2)) leave(128 + (SIGNAL_NUMBERS[name] ?? 0));
    const child = command ? supervisor.child() : null;
    if (child === null) {
      ended(0);
      return;
    }
    // From a terminal, SIGINT reached the child already: it is in the same foreground group.
    if (name === 'SIGINT' && process.stdin.isTTY) return;
    child.signal(name);
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return () => {
    for (const name of SIGNALS) process.off(name, onSignal);
  };
}

function followChild(supervisor: Supervisor, log: Log, ended: (code: number) => void): void {
  const child = supervisor.child();
  if (child === null) return;
  void child.exited.then(({ code, signal, error }) => {
    if (error !== undefined) log.error(`${error.message}\nfix: ${error.fix}`);
    // A restart on request ends the old child too: then there is a new promise.
    const next = supervisor.child();
    if (next !== null && next.exited !== child.exited) followChild(supervisor, log, ended);
    else ended(code ?? 128 + (SIGNAL_NUMBERS[signal ?? ''] ?? 15));
  });
}
