// Owns what signals do to a running daemon: a clean stop, or, where wand runs a command, the command's own business.
import { constants } from 'node:os';

export interface SignalReactions {
  /** Passes a signal on; null: there is no command of ours. */
  readonly passOn: ((name: NodeJS.Signals) => void) | null;
  /** The first request to end. */
  readonly stop: () => void;
  /** A later one: at once, with that exit code. */
  readonly leave: (code: number) => void;
}

/** A terminal and npm both send Ctrl-C to us: what comes that soon after the first is the same wish, ms. */
const SAME_WISH_MS = 500;
const ENDING: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];
const PASSED_ON: readonly NodeJS.Signals[] = ['SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];

/** As a shell tells it: 128 and the signal's number. */
export function exitCodeOf(signal: NodeJS.Signals | null): number {
  return 128 + (signal === null ? 0 : constants.signals[signal]);
}

/** Listens until the returned function is called. */
export function onSignals({ passOn, stop, leave }: SignalReactions): () => void {
  let firstAt: number | null = null;
  const end = (name: NodeJS.Signals): void => {
    const now = performance.now();
    if (firstAt !== null) {
      if (now - firstAt > SAME_WISH_MS) leave(exitCodeOf(name));
      return;
    }
    firstAt = now;
    if (passOn === null) stop();
    // From a terminal, SIGINT reached the command already: it is in the same foreground group.
    else if (name !== 'SIGINT' || !process.stdin.isTTY) passOn(name);
  };
  // Without a command a hang-up is the end of our terminal, and the rest keeps its meaning.
  const ending: readonly NodeJS.Signals[] = passOn === null ? [...ENDING, 'SIGHUP'] : ENDING;
  const passed = passOn === null ? [] : PASSED_ON;
  const pass = (name: NodeJS.Signals): void => {
    passOn?.(name);
  };
  for (const name of ending) process.on(name, end);
  for (const name of passed) process.on(name, pass);
  return () => {
    for (const name of ending) process.off(name, end);
    for (const name of passed) process.off(name, pass);
  };
}
