// Owns running a credential plugin of a kubeconfig (`user.exec`): what kubectl gives it, a limit in time, and its errors in
// words. Must not know what its answer is used for.
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { delimiter, isAbsolute, resolve } from 'node:path';
import { DebugwandError, messageOf } from '../lib/errors.ts';

/** A plugin that waits for a browser or a network that is not there must not hold us for ever, ms. */
const PLUGIN_MS = 20_000;
/** An ExecCredential has a few kilobytes. */
const OUTPUT_BYTES = 1024 * 1024;

export interface PluginFacts {
  readonly user: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly apiVersion: string;
  readonly installHint: string | null;
  /** `provideClusterInfo`: what the plugin is told of the cluster. */
  readonly cluster: Readonly<Record<string, unknown>> | null;
  /** Where the kubeconfig lies: a relative command is relative to it. */
  readonly folder: string;
}

export class CredentialPlugin {
  readonly #facts: PluginFacts;
  readonly #limitMs: number;
  #killedBecause: string | null = null;
  #end: ((why: string) => void) | null = null;

  constructor(facts: PluginFacts, limitMs = PLUGIN_MS) {
    this.#facts = facts;
    this.#limitMs = limitMs;
  }

  /** In the place of child_process.spawn. */
  readonly spawn = (_command: string, _args: readonly string[], options: SpawnOptions): ChildProcess => {
    const { command, args, folder } = this.#facts;
    this.#killedBecause = null;
    const path = /[/\\]/.test(command) && !isAbsolute(command) ? resolve(folder, command) : command;
    const child = spawn(path, args, {
      env: { ...process.env, ...options.env, KUBERNETES_EXEC_INFO: this.#info() },
      // A daemon has nobody to ask. Its own group, so that what it started ends with it.
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
    });
    const end = (why: string): void => {
      this.#killedBecause ??= why;
      killGroup(child);
      // What it left behind may hold the pipes: nobody waits for that.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    this.#end = end;
    const timer = setTimeout(() => {
      end(`did not end within ${String(this.#limitMs / 1000)} s`);
    }, this.#limitMs);
    let bytes = 0;
    const count = (chunk: Buffer | string): void => {
      bytes += chunk.length;
      if (bytes > OUTPUT_BYTES) end('printed more than a credential');
    };
    child.stdout.on('data', count);
    child.stderr.on('data', count);
    child.once('close', () => {
      clearTimeout(timer);
      if (this.#end === end) this.#end = null;
    });
    return child;
  };

  /** Ends one that runs. */
  close(): void {
    this.#end?.('was ended');
  }

  /** Why there are no credentials. */
  explain(error: unknown): DebugwandError {
    const { command, user, args, installHint } = this.#facts;
    const name = `the credential plugin \`${command}\` of the user \`${user}\``;
    const line = [command, ...args].join(' ');
    const missing = typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';
    const [message, fix] = missing
      ? [
          `${name} is not there (in the kubeconfig: \`exec.command\`)`,
          installHint ??
            `install it, or put it on the PATH that \`wand\` is started with (${(process.env['PATH'] ?? '').split(delimiter).length} folders)`,
        ]
      : this.#killedBecause !== null
        ? [`${name} ${this.#killedBecause}`, `see what it waits for: \`${line}\``]
        : [
            `${name} gave no credentials: ${firstLines(messageOf(error))}`,
            `log in again; see what it says: \`${line}\``,
          ];
    return new DebugwandError({ code: 'kubernetes-credentials', message, fix, cause: error });
  }

  #info(): string {
    const { apiVersion, cluster } = this.#facts;
    return JSON.stringify({
      apiVersion,
      kind: 'ExecCredential',
      spec: { interactive: false, ...(cluster === null ? {} : { cluster }) },
    });
  }
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined && process.platform !== 'win32') process.kill(-child.pid, 'SIGKILL');
    else child.kill('SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}

function firstLines(text: string): string {
  const line = text.trim().split('\n').slice(0, 3).join(' ').slice(0, 500);
  if (line === '') return 'it failed without a word';
  return /Cannot read properties|is not valid JSON|Unexpected (token|end)/.test(line)
    ? 'it printed no ExecCredential'
    : line;
}
