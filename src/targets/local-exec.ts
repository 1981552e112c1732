// Owns one program run on this machine for a target: streams, exit, and that it never outlives us by much. Must not choose
// what is run.
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { DebugwandError } from '../lib/errors.ts';
import type { ExecStream } from './target.ts';

/** An agent whose stdin ended leaves within 5 s; then it is killed. Ms. */
const LEAVE_MS = 6_000;

export interface LocalExec extends ExecStream {
  /** Resolves when the process is gone, however long after `close`. */
  readonly gone: Promise<void>;
  /** Kills it, if it did not leave within `ms` after `close`. */
  end(ms: number): Promise<void>;
}

/**
 * @param user numeric "uid:gid"; default: our own
 * @throws DebugwandError `exec-not-found`, `exec-denied`
 */
export async function execHere(
  argv: readonly string[],
  user: string | undefined,
  signal: AbortSignal,
): Promise<LocalExec> {
  signal.throwIfAborted();
  const [program = '', ...args] = argv;
  const child = await start(program, args, user);
  const { stdin, stdout, stderr } = child;
  for (const stream of [stdin, stdout, stderr]) stream.on('error', () => undefined);
  const { promise: exit, resolve: exited } = Promise.withResolvers<{ readonly code: number | null }>();
  // `close` comes after all output did. After a cut nobody waits for the program: it leaves in its own time.
  child.once('close', (code) => {
    exited({ code: code ?? 128 + 9 });
  });
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
  });
  let closed = false;
  let timer: NodeJS.Timeout | null = null;
  const killLater = (ms: number): void => {
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(() => child.kill('SIGKILL'), ms);
    timer.unref();
  };
  void gone.then(() => {
    if (timer !== null) clearTimeout(timer);
  });
  const close = (): void => {
    if (closed) return;
    closed = true;
    if (child.exitCode === null && child.signalCode === null) exited({ code: null });
    stdin.destroy();
    stdout.destroy();
    stderr.destroy();
    killLater(LEAVE_MS);
  };
  return {
    stdin,
    stdout,
    stderr,
    exit,
    gone,
    close,
    end: async (ms) => {
      close();
      killLater(ms);
      timer?.ref();
      await gone;
    },
  };
}

async function start(
  program: string,
  args: readonly string[],
  user: string | undefined,
): Promise<ChildProcessWithoutNullStreams> {
  const who = identity(user);
  try {
    // A group of its own: Ctrl-C at the terminal is for wand, which lets the agent leave in order.
    const child = spawn(program, args, { cwd: '/', detached: true, stdio: 'pipe', ...who });
    await once(child, 'spawn');
    return child;
  } catch (error) {
    // Some failures are thrown, others come as an event.
    throw explainSpawn(error, program, user);
  }
}

function identity(user: string | undefined): { uid?: number; gid?: number } {
  if (user === undefined) return {};
  const [uid = NaN, gid = NaN] = user.split(':').map(Number);
  if (uid === process.geteuid?.() && gid === process.getegid?.()) return {};
  if (process.geteuid?.() !== 0) throw denied(user);
  return { uid, gid };
}

function denied(user: string, cause?: unknown): DebugwandError {
  return new DebugwandError({
    code: 'exec-denied',
    message: `the process runs as another user (${user}), and wand may not become it`,
    fix: `run wand as that user: \`sudo -u '#${user.split(':')[0] ?? ''}' wand …\`, or as root`,
    cause,
  });
}

function explainSpawn(error: unknown, program: string, user: string | undefined): DebugwandError {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  if (code === 'EPERM' && user !== undefined) return denied(user, error);
  if (code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR' || code === 'ENOEXEC') {
    return new DebugwandError({
      code: 'exec-not-found',
      message: `\`${program}\` cannot be run on this machine${user === undefined ? '' : ` as user ${user}`} (${code})`,
      fix: 'install Python 3.8 or later, and put it in PATH',
      cause: error,
    });
  }
  return new DebugwandError({
    code: 'exec-failed',
    message: `\`${program}\` could not be started: ${error instanceof Error ? error.message : String(error)}`,
    fix: 'it is tried again; see the limits and the load of the machine',
    cause: error,
  });
}
