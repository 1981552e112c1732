/** Starts, probes and stops a serve_cmd exactly as Tilt does; Tilt itself is not to be had as a package. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Between SIGTERM and SIGKILL, ms. */
const GRACE_MS = 30_000;

export interface ProbeResult {
  readonly ok: boolean;
  readonly output: string;
}

export interface StopResult {
  /** From SIGTERM to the end of the first process, ms. */
  readonly ms: number;
  readonly killed: boolean;
  /** What of its session still ran when the first process had ended: Tilt kills these. */
  readonly survivors: readonly number[];
}

export class TiltResource {
  readonly #child: ChildProcess;
  readonly #env: NodeJS.ProcessEnv;
  readonly #cwd: string;
  readonly #ended: Promise<void>;
  #output = '';

  /** A session of its own, /dev/null as input, one stream for both outputs, Tilt's variables; no terminal. */
  constructor(serveCmd: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}) {
    this.#cwd = cwd;
    this.#env = {
      ...process.env,
      TILT_HOST: 'localhost',
      TILT_PORT: '10350',
      TILT_DISABLE_ANALYTICS: '1',
      LINES: '24',
      COLUMNS: '80',
      TERM: 'xterm',
      PYTHONUNBUFFERED: '1',
      ...env,
    };
    // `exec`: the shell only joins the streams, the process that Tilt knows is the command's.
    const argv = ['-c', 'exec "$@" 2>&1', 'sh', ...serveCmd];
    this.#child = spawn('sh', argv, { cwd, env: this.#env, detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', () => {
        resolve();
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get output(): string {
    return this.#output;
  }

  /** An exec probe: its exit status counts, its output is shown. */
  probe(argv: readonly string[], timeoutMs = 20_000): Promise<ProbeResult> {
    const [program = '', ...args] = argv;
    const probe = spawn(program, args, { cwd: this.#cwd, env: this.#env, stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => probe.kill('SIGKILL'), timeoutMs);
    let output = '';
    for (const stream of [probe.stdout, probe.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    return new Promise((resolve, reject) => {
      probe.on('error', reject);
      probe.on('close', (code) => {
        clearTimeout(timer);
        resolve({ ok: code === 0, output });
      });
    });
  }

  /** SIGTERM to the group, SIGKILL to it after 30 s; and, as Tilt does, SIGKILL to what outlives the first process. */
  async stop(): Promise<StopResult> {
    const started = performance.now();
    let killed = false;
    signal(this.pid, 'SIGTERM');
    const timer = setTimeout(() => {
      killed = true;
      signal(this.pid, 'SIGKILL');
    }, GRACE_MS);
    await this.#ended;
    clearTimeout(timer);
    const ms = performance.now() - started;
    const survivors = sessionOf(this.pid);
    signal(this.pid, 'SIGKILL');
    return { ms, killed, survivors };
  }
}

function signal(group: number, name: NodeJS.Signals): void {
  try {
    process.kill(-group, name);
  } catch {
    // Nobody is left.
  }
}

/** Processes of a session (field 6 of /proc/PID/stat) that are no zombies. */
function sessionOf(session: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        return fields[0] !== 'Z' && fields[3] === String(session);
      } catch {
        return false;
      }
    })
    .map(Number);
}
