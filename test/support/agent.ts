/** Real agents on real interpreters, and Python scripts for them to enter. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { AgentClient } from '../../src/agent/client.ts';
import { agentCommand } from '../../src/agent/bundle.ts';
import type { AgentEvent } from '../../src/agent/protocol.ts';
import type { ExecStream } from '../../src/targets/target.ts';
import { until } from './until.ts';

/** A program as a target's `exec` gives it. */
export function execHere(argv: readonly string[]): ExecStream & { readonly child: ChildProcess } {
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: 'pipe' });
  const exit = new Promise<{ code: number | null; error?: unknown }>((resolve) => {
    child.on('error', (error) => {
      resolve({ code: null, error });
    });
    child.on('close', (code) => {
      resolve({ code });
    });
  });
  const close = (): void => {
    child.stdin.destroy();
  };
  return { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, exit, close, child };
}

export interface AgentSetup {
  /** Comes before the interpreter: `['setpriv', '--reuid=…']`. */
  readonly prefix?: readonly string[];
  /** Modules of the payload to send in place of the real ones. */
  readonly replace?: Readonly<Record<string, string>>;
}

export interface RunningAgent {
  readonly client: AgentClient;
  readonly events: AgentEvent[];
  readonly child: ChildProcess;
}

const never = new AbortController().signal;

/** An agent on that interpreter. Close it by `client.close()`. */
export async function startAgent(interpreter: string, setup: AgentSetup = {}): Promise<RunningAgent> {
  const { argv, bytes } = agentCommand(interpreter);
  const stream = execHere([...(setup.prefix ?? []), ...argv]);
  const bundle = setup.replace === undefined ? bytes : replaceIn(bytes, setup.replace);
  const client = await AgentClient.start(stream, { bundle, name: 'this machine' }, never);
  const events: AgentEvent[] = [];
  client.onEvent((event) => {
    events.push(event);
  });
  return { client, events, child: stream.child };
}

function replaceIn(bundle: Buffer, sources: Readonly<Record<string, string>>): Buffer {
  const real: unknown = JSON.parse(bundle.subarray(4).toString());
  const body = Buffer.from(JSON.stringify(Object.assign({}, real, sources)));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
}

/** What `enter` and `run` name a process by. */
export interface Identity {
  readonly pid: number;
  readonly startTime: number;
  readonly execId: string;
}

/** Of a process of this machine, as it is now. */
export function identityOf(pid: number): Identity {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { pid, startTime: Number(fields[19]), execId: String(fields[25]) };
}

/** A running Python script. */
export class Script {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly ended: Promise<void>;

  constructor(argv: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(argv[0] ?? '', argv.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PYTHONUNBUFFERED: '1', ...env },
    });
    this.child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.ended = new Promise((resolve) => {
      this.child.on('error', () => {
        resolve();
      });
      this.child.on('close', () => {
        resolve();
      });
    });
  }

  get pid(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error(`${this.child.spawnfile} did not start`);
    return pid;
  }

  /** As it is now: changes with an exec. */
  get identity(): Identity {
    return identityOf(this.pid);
  }

  async says(text: string): Promise<void> {
    await until(
      () => this.stdout.includes(text) || this.child.exitCode !== null,
      `"${text}" from the script, which said: ${this.stdout}${this.stderr}`,
    );
    if (!this.stdout.includes(text)) throw new Error(`the script ended, saying: ${this.stdout}${this.stderr}`);
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}
