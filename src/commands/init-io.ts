// Owns the world of `wand init`: the terminal, the engine, the daemon. Tests bring their own.
import { createInterface } from 'node:readline/promises';
import { describePortOwner } from '../dap/port-owner.ts';
import { lockHolder } from '../daemon/lock.ts';
import type { DebugwandError } from '../lib/errors.ts';
import { lockPath } from '../lib/paths.ts';
import { whyNotRunnable } from '../targets/runnable.ts';
import { portsTaken } from './free-port.ts';
import type { RunningContainer } from './init-look.ts';

export interface InitIo {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly print: (line: string) => void;
  /** Asks, and gives the answer without spaces around it; null: there is nobody to ask. */
  readonly ask: ((question: string) => Promise<string>) | null;
  readonly listContainers: (signal: AbortSignal) => Promise<readonly RunningContainer[]>;
  /** Those of `count` ports of this machine from `first` on that somebody has. */
  readonly portsTaken: (first: number, count: number) => Promise<ReadonlySet<number>>;
  /** Who has a port, in words; null: it cannot be seen. */
  readonly ownerOf: (port: number) => string | null;
  /** Pid of the daemon of the project in that folder; null: none runs. */
  readonly daemonOf: (root: string) => Promise<number | null>;
  readonly whyNotRunnable: (program: string, cwd: string) => DebugwandError | null;
  /** `wand watch` with that config, here. @returns its exit code */
  readonly watch: (config: string) => Promise<number>;
}

/** @param leave ends the process at once, as `wand watch` needs it */
export function processIo(leave: (code: number) => void): InitIo {
  const { stdin, stdout } = process;
  const isInteractive = stdin.isTTY && stdout.isTTY;
  return {
    cwd: process.cwd(),
    env: process.env,
    print: (line) => {
      stdout.write(`${line}\n`);
    },
    ask: isInteractive ? (question) => askOnTerminal(question) : null,
    listContainers: async (signal) => {
      const { listRunning } = await import('../targets/docker-list.ts');
      return listRunning(null, signal);
    },
    portsTaken,
    ownerOf: describePortOwner,
    daemonOf: async (root) => (await lockHolder(lockPath(root)))?.pid ?? null,
    whyNotRunnable,
    watch: async (config) => {
      const { watchCommand } = await import('./watch.ts');
      return watchCommand([], { config, argv: ['watch', '--config', config], leave });
    },
  };
}

/** What an answer to `… [Y/n]` means: nothing is a yes. */
export function isYes(answer: string): boolean {
  return /^(y|yes|)$/i.test(answer);
}

/** Ctrl-C and Ctrl-D are a no, also to what would be asked after it. */
async function askOnTerminal(question: string): Promise<string> {
  const { stdin, stdout } = process;
  if (isAborted) return 'none';
  const lines = createInterface({ input: stdin, output: stdout });
  try {
    return (await lines.question(question)).trim();
  } catch {
    isAborted = true;
    stdout.write('\n');
    return 'none';
  } finally {
    lines.close();
  }
}

let isAborted = false;
