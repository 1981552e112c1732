/**
 * A program of the test cluster as a process that outlives who started it: any later process finds it again by its pid
 * file, and takes no stranger with the same number for it.
 */
import { spawn } from 'node:child_process';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { until } from './until.ts';

const POLITE_MS = 10_000;

interface Mark {
  readonly pid: number;
  /** When it started, in the kernel's ticks: with it a pid is unique. */
  readonly started: string;
}

export class Daemon {
  readonly name: string;
  readonly log: string;
  readonly #pidFile: string;
  readonly #command: () => readonly string[];

  /** `command`: the whole command line, asked for at each start. */
  constructor(name: string, folder: string, command: () => readonly string[]) {
    this.name = name;
    this.log = `${folder}/${name}.log`;
    this.#pidFile = `${folder}/${name}.pid`;
    this.#command = command;
  }

  /** Starts it unless it runs. It is not waited for until it serves. */
  async start(): Promise<void> {
    if ((await this.pid()) !== undefined) return;
    await mkdir(dirname(this.log), { recursive: true });
    const log = await open(this.log, 'a');
    const [file = '', ...args] = this.#command();
    const child = spawn(file, args, { cwd: '/', detached: true, stdio: ['ignore', log.fd, log.fd] });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    await log.close();
    child.unref();
    const pid = child.pid ?? 0;
    await writeFile(this.#pidFile, JSON.stringify({ pid, started: await startOf(pid) }));
  }

  /** Its pid while it runs. */
  async pid(): Promise<number | undefined> {
    const text = await readFile(this.#pidFile, 'utf8').catch(() => undefined);
    if (text === undefined || text === '') return undefined;
    const { pid, started } = JSON.parse(text) as Mark;
    return (await startOf(pid)) === started ? pid : undefined;
  }

  /** Ends it as a service manager does. */
  async stop(): Promise<void> {
    if (!(await this.#signal('SIGTERM'))) return;
    // A frozen one hears nothing.
    await this.#signal('SIGCONT');
    try {
      await this.#gone(POLITE_MS);
    } catch {
      await this.kill();
    }
  }

  /** Ends it without a word. */
  async kill(): Promise<void> {
    if (await this.#signal('SIGKILL')) await this.#gone(POLITE_MS);
  }

  /** Ends it politely and starts it again. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** It keeps its connections and answers nothing. */
  async freeze(): Promise<void> {
    await this.#signal('SIGSTOP');
  }

  async thaw(): Promise<void> {
    await this.#signal('SIGCONT');
  }

  /** The end of its log, for an error message. */
  async lastWords(): Promise<string> {
    return (await readFile(this.log, 'utf8').catch(() => '')).split('\n').slice(-15).join('\n');
  }

  async #signal(signal: NodeJS.Signals): Promise<boolean> {
    const pid = await this.pid();
    if (pid === undefined) return false;
    process.kill(pid, signal);
    return true;
  }

  async #gone(timeoutMs: number): Promise<void> {
    await until(async () => (await this.pid()) === undefined, `${this.name} ends`, timeoutMs);
    await rm(this.#pidFile, { force: true });
  }
}

/** Whether there is a process of that number. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** When a process started; undefined when there is none, or only its remains that nobody reaped. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => undefined);
  // The second field is a name that may hold anything, so the fields are counted from its end.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' ? undefined : fields[19];
}
