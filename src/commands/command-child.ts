// Owns how a run of `wand watch -- COMMAND` and its command belong together: where it is no target, and how both end.
import type { Log } from '../lib/log.ts';
import { LocalCommand } from '../targets/local-command.ts';
import type { CommandChild } from '../targets/target.ts';

/** A command that is no target: it starts what the targets are. */
export function companionOf(argv: readonly string[], inheritStdio: boolean, log: Log): LocalCommand {
  return new LocalCommand({
    argv,
    cwd: process.cwd(),
    inheritStdio,
    environment: (before) => before,
    onLine: (_stream, line) => {
      log.info(line);
    },
    onChange: () => undefined,
  });
}

export type ChildEnd = Awaited<CommandChild['exited']>;

/** The command's end is ours. */
export function followChild(child: CommandChild | null, log: Log, ended: (how: ChildEnd) => void): void {
  // It could not even be started, which the log has said.
  if (child === null) return ended({ code: 1, signal: null });
  void child.exited.then((how) => {
    if (how.error !== undefined) log.error(`${how.error.message}\nfix: ${how.error.fix}`);
    ended(how);
  });
}

/** What a keyboard or whoever runs us ends a command by. */
const TOLD_ON: ReadonlySet<string> = new Set(['SIGINT', 'SIGTERM', 'SIGHUP']);

/**
 * A command that ended by a signal is the end of wand by that signal: a shell's script stops at Ctrl-C only then, and npm
 * reports no failure. Not by one that leaves a core file or looks like a crash of wand: their exit code says it.
 */
export function endAs(end: ChildEnd | null): void {
  const signal = end?.signal ?? null;
  if (signal !== null && TOLD_ON.has(signal)) process.kill(process.pid, signal);
}
