// Owns what signals do to a running daemon: a clean stop, or, where wand runs a command, the command's own business.
import { constants } from 'node:os';
import { GroupWitness } from './group-witness.ts';

export interface SignalReactions {
  /** The command that we run; null: there is none. */
  readonly command: CommandSignals | null;
  /** The first request to end, or one that finds no command running: with that exit code. */
  readonly stop: (code: number) => void;
  /** A later one, without a command: at once, with that exit code. */
  readonly leave: (code: number) => void;
}

interface CommandSignals {
  readonly running: () => boolean;
  /** It has, or is about to have, a signal that mostly ends a command. */
  readonly toldToEnd: () => void;
  readonly passOn: (name: NodeJS.Signals) => void;
}

/** A terminal and npm both send Ctrl-C to us: what comes that soon after the first is the same wish, ms. */
const SAME_WISH_MS = 500;
const ENDING: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];
const PASSED_ON: readonly NodeJS.Signals[] = [...ENDING, 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];

/** As a shell tells it: 128 and the signal's number. */
export function exitCodeOf(signal: NodeJS.Signals | null): number {
  return 128 + (signal === null ? 0 : constants.signals[signal]);
}

/** Listens until the returned function is called. */
export function onSignals({ command, stop, leave }: SignalReactions): () => void {
  return command === null ? onOwnSignals(stop, leave) : onCommandSignals(command, stop);
}

/** Ctrl-C, SIGTERM, or the end of our terminal; the rest keeps its meaning. */
function onOwnSignals(stop: SignalReactions['stop'], leave: SignalReactions['leave']): () => void {
  let firstAt: number | null = null;
  return listen([...ENDING, 'SIGHUP'], (name) => {
    const now = performance.now();
    if (firstAt === null) {
      firstAt = now;
      stop(0);
    } else if (now - firstAt > SAME_WISH_MS) leave(exitCodeOf(name));
  });
}

/**
 * The command is in our process group: what a terminal sends has reached it already, and what reached us alone is passed
 * on, as often as it comes. Whether that is an end is for the command to say: a prompt takes Ctrl-C for something else.
 */
function onCommandSignals(command: CommandSignals, stop: SignalReactions['stop']): () => void {
  const witness = new GroupWitness();
  const lastAt = new Map<NodeJS.Signals, number>();
  const received = async (name: NodeJS.Signals): Promise<void> => {
    if (!command.running()) {
      stop(exitCodeOf(name));
      return;
    }
    const now = performance.now();
    const isSameWish = ENDING.includes(name) && now - (lastAt.get(name) ?? -Infinity) < SAME_WISH_MS;
    if (isSameWish) return;
    lastAt.set(name, now);
    if (!name.startsWith('SIGUSR')) command.toldToEnd();
    if (!(await witness.saw())) command.passOn(name);
  };
  const off = listen(PASSED_ON, (name) => {
    void received(name);
  });
  return () => {
    off();
    witness.close();
  };
}

function listen(names: readonly NodeJS.Signals[], listener: (name: NodeJS.Signals) => void): () => void {
  for (const name of names) process.on(name, listener);
  return () => {
    for (const name of names) process.off(name, listener);
  };
}
