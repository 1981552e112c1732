// Owns notify-send, which shows a notification on Linux: words reach it as they are, without a shell, one process at a time,
// and none lives longer than it may or than we do. What is known of the program was tried with its version 0.8.1.
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { DebugwandError } from '../lib/errors.ts';

export type Env = Readonly<Record<string, string | undefined>>;

export interface Words {
  readonly title: string;
  readonly message: string;
  /** It stays until somebody looks; else it goes by itself and is not kept in the desktop's list. */
  readonly urgent: boolean;
  /** Nobody needs to find it later. */
  readonly fleeting: boolean;
}

/** notify-send itself gives a service 25 s, ms. */
const ANSWER_MS = 5_000;
/** How long a notification can be clicked, seconds: as long as a process waits for it. */
const CLICK_SECONDS = 120;
const MOST_OUTPUT = 4_096;
/** Who is to wait for a click waits on after this, for ever. */
const NOT_TAKEN = /GDBus\.Error|Timeout was reached/;

/** Null: it can be asked. Else why not. */
export function whyNoNotifySend(env: Env): DebugwandError | null {
  if (!hasBus(env)) {
    return new DebugwandError({
      code: 'notify-no-session',
      message: 'there is no desktop session here (DBUS_SESSION_BUS_ADDRESS is not set)',
      fix: 'start wand in a terminal of the desktop; over SSH and in containers there are no notifications',
    });
  }
  if (programPath('notify-send', env) !== null) return null;
  return new DebugwandError({
    code: 'notify-send-missing',
    message: 'notify-send is not installed',
    fix: 'install it: `apt install libnotify-bin`, `dnf install libnotify` or `pacman -S libnotify`',
  });
}

export class NotifySend {
  readonly #env: Env;
  #child: ChildProcess | null = null;
  #hasActions = true;

  constructor(env: Env) {
    this.#env = env;
  }

  /**
   * Ends the one before. With `click` the process waits for a click; then true says that there was one.
   * @throws DebugwandError when the service did not take it
   */
  async show(words: Words, click: string | null): Promise<boolean> {
    this.close();
    const program = programPath('notify-send', this.#env);
    if (program === null) throw whyNoNotifySend(this.#env) ?? failure('', false);
    // A daemon that is killed must not leave somebody who waits for a click.
    const keeper = programPath('timeout', this.#env);
    if (click !== null && keeper !== null && this.#hasActions) {
      const actions = ['--print-id', `--action=default=${click}`, `--action=open=${click}`];
      const args = ['-s', 'KILL', String(CLICK_SECONDS), program, ...actions, ...argsOf(words)];
      const { stdout, stderr, code } = await this.#run(keeper, args, null);
      if (NOT_TAKEN.test(stderr)) throw failure(stderr, false);
      if (/^(default|open)$/m.test(stdout)) return true;
      // Killed, by us or by the keeper: nobody clicked in time.
      if (/^[1-9]\d*$/m.test(stdout) || code === null || code === 137) {
        if (stderr.includes('Actions are not supported')) this.#hasActions = false;
        return false;
      }
      // One that is too old for actions.
      if (!stderr.includes('Unknown option')) throw failure(stderr, false);
      this.#hasActions = false;
    }
    const { stderr, code, timedOut } = await this.#run(program, argsOf(words), ANSWER_MS);
    if (timedOut || NOT_TAKEN.test(stderr) || (code !== 0 && code !== null)) throw failure(stderr, timedOut);
    return false;
  }

  /** Ends whoever waits. Safe to call twice. */
  close(): void {
    const child = this.#child;
    this.#child = null;
    if (child !== null) killGroup(child);
  }

  /** `code` null: it was killed. */
  async #run(
    program: string,
    args: readonly string[],
    most: number | null,
  ): Promise<{ stdout: string; stderr: string; code: number | null; timedOut: boolean }> {
    const { promise, resolve, reject } = Promise.withResolvers<number | null>();
    const child = spawn(program, args, { env: { ...this.#env }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    let stdout = '';
    let stderr = '';
    let timedOut = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = (stdout + text).slice(0, MOST_OUTPUT);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(0, MOST_OUTPUT);
      if (NOT_TAKEN.test(stderr)) killGroup(child);
    });
    child.on('error', reject).on('close', resolve);
    const timer =
      most === null
        ? null
        : setTimeout(() => {
            timedOut = true;
            killGroup(child);
          }, most);
    try {
      const code = await promise;
      return { stdout, stderr, code, timedOut };
    } finally {
      if (timer !== null) clearTimeout(timer);
      if (this.#child === child) this.#child = null;
    }
  }
}

/** A body may hold markup, and notify-send makes a line break of `\n` in it. Nothing else is special. */
function argsOf({ title, message, urgent, fleeting }: Words): string[] {
  const body = message.replace(/\\/g, '\\\\').replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
  const urgency = `--urgency=${urgent ? 'critical' : 'normal'}`;
  const hints = fleeting ? ['--hint=int:transient:1'] : [];
  return ['--app-name=debugwand', urgency, ...hints, '--', title, body];
}

function killGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
}

function failure(stderr: string, timedOut: boolean): DebugwandError {
  if (timedOut || stderr.includes('Timeout was reached')) {
    return new DebugwandError({
      code: 'notify-no-answer',
      message: "the desktop's notification service does not answer",
      fix: 'restart it (dunst, mako, or the desktop session), or set `notify: false`',
    });
  }
  if (/ServiceUnknown|NameHasNoOwner/.test(stderr)) {
    return new DebugwandError({
      code: 'notify-no-service',
      message: 'no notification service runs in this desktop session',
      fix: 'start one (dunst, mako, swaync …), or set `notify: false`',
    });
  }
  if (/connect|autolaunch/i.test(stderr)) {
    return new DebugwandError({
      code: 'notify-no-session',
      message: 'the D-Bus of this desktop session cannot be reached',
      fix: 'start wand in a terminal of the desktop, or mend DBUS_SESSION_BUS_ADDRESS',
    });
  }
  const said = stderr
    .split('\n')
    .map((line) => line.replace(/^.*GDBus\.Error:[\w.]+: /, '').trim())
    .findLast((line) => line !== '' && !line.startsWith('Actions are not supported'));
  return new DebugwandError({
    code: 'notify-refused',
    message: `the notification service said no: ${said ?? 'without a reason'}`,
    fix: 'see whether `notify-send test` is shown; else set `notify: false`',
  });
}

function hasBus(env: Env): boolean {
  if (env['DBUS_SESSION_BUS_ADDRESS'] !== undefined && env['DBUS_SESSION_BUS_ADDRESS'] !== '') return true;
  return env['XDG_RUNTIME_DIR'] !== undefined && existsSync(join(env['XDG_RUNTIME_DIR'], 'bus'));
}

/** Null: not in PATH. */
export function programPath(name: string, env: Env): string | null {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    try {
      const path = join(folder, name);
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Look on.
    }
  }
  return null;
}
