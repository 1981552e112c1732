/** A desktop as far as notifications need one: a D-Bus session of its own, and on it a notification service at command. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { aptInstall } from './debian.ts';
import { folder, type Folder } from './folder.ts';
import { attempt } from './run.ts';
import { until } from './until.ts';

const SERVICE = join(import.meta.dirname, 'notification_service.py');

/** A session's bus as Debian has it, but for where its socket lies: one that is killed leaves it there. */
const busConfig = (path: string): string => `<busconfig>
<type>session</type>
<listen>unix:dir=${path}</listen>
<auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
`;

/** As the service was asked for it. */
export interface Shown {
  readonly id: number;
  readonly app: string;
  readonly replaces: number;
  readonly summary: string;
  readonly body: string;
  /** Names and labels, in turn. */
  readonly actions: readonly string[];
  readonly urgency: number;
  readonly transient: boolean;
}

/** What the tests of notifications need of the machine. @throws Lacking */
export async function installDesktop(): Promise<void> {
  await aptInstall({ 'libnotify-bin': 'notify-send', dbus: 'dbus-run-session' });
  if ((await attempt('/usr/bin/python3', ['-c', 'import dbus, gi'])) === undefined) {
    await aptInstall({ 'python3-dbus': 'python3-dbus', 'python3-gi': 'python3-gi' });
  }
}

export class TestDesktop implements AsyncDisposable {
  /** For who is to notify there. */
  readonly env: { readonly PATH: string; readonly DBUS_SESSION_BUS_ADDRESS: string };
  readonly #child: ChildProcess;
  readonly #place: Folder;
  readonly #pid: number;
  readonly #lines: readonly Readonly<Record<string, unknown>>[];

  private constructor(
    child: ChildProcess,
    place: Folder,
    lines: readonly Readonly<Record<string, unknown>>[],
    first: unknown,
  ) {
    this.#child = child;
    this.#place = place;
    this.#lines = lines;
    const { bus, pid } = first as { bus: string; pid: number };
    this.#pid = pid;
    this.env = { PATH: process.env['PATH'] ?? '', DBUS_SESSION_BUS_ADDRESS: bus };
  }

  static async start(): Promise<TestDesktop> {
    const place = await folder();
    await place.write({ 'bus.conf': busConfig(place.path) });
    const child = spawn(
      'dbus-run-session',
      ['--config-file', place.at('bus.conf'), '--', '/usr/bin/python3', SERVICE],
      {
        stdio: ['pipe', 'pipe', 'ignore'],
        detached: true,
      },
    );
    const lines: Record<string, unknown>[] = [];
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts.map((part) => JSON.parse(part) as Record<string, unknown>));
    });
    const first = await until(() => lines[0], 'the notification service');
    return new TestDesktop(child, place, lines, first);
  }

  /** What was asked for so far, also what was refused. */
  shown(): readonly Shown[] {
    return this.#lines.filter(({ call }) => call === 'Notify') as unknown as readonly Shown[];
  }

  /** The notification of that number, from 1. */
  nth(number: number, timeoutMs?: number): Promise<Shown> {
    return until(() => this.shown()[number - 1], `notification ${String(number)}`, timeoutMs);
  }

  /** `serve`, `refuse`, `hang`, `no-actions`, `invoke ID ACTION`, `close ID`; resolves once it is done. */
  async order(text: string): Promise<void> {
    const before = this.#lines.filter(({ order }) => order === text).length;
    this.#child.stdin?.write(`${text}\n`);
    await until(() => this.#lines.filter(({ order }) => order === text).length > before, `the order ${text}`);
  }

  /** As a service that hangs altogether. */
  freeze(): void {
    process.kill(this.#pid, 'SIGSTOP');
  }

  /** Processes that would talk to this desktop: pid and command. The bus and its service are none. */
  clients(): readonly string[] {
    return readdirSync('/proc').flatMap((pid) => {
      if (!/^\d+$/.test(pid)) return [];
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ');
        if (!command.includes('notify-send')) return [];
        const environ = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
        const isOurs = environ.includes(`DBUS_SESSION_BUS_ADDRESS=${this.env.DBUS_SESSION_BUS_ADDRESS}`);
        return isOurs ? [`${pid} ${command}`] : [];
      } catch {
        return []; // it is gone
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid } = this.#child;
    if (pid === undefined) return;
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    process.kill(-pid, 'SIGKILL');
    await ended;
    await this.#place[Symbol.asyncDispose]();
  }
}
