/** Runs the programs that the set-up needs: quiet when they succeed, with their whole output when they fail. */
import { execa } from 'execa';

/** What `run` may be told beyond the command line. */
export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  input?: string;
  timeoutMs?: number;
}

/** Runs a program to its end and gives its standard output; throws with its output when it fails. */
export async function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await execa(file, args, {
    reject: false,
    timeout: options.timeoutMs ?? 600_000,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
  });
  if (result.failed) {
    throw new Error(
      `${[file, ...args].join(' ')}: ${result.shortMessage ?? 'failed'}\n${tail(result.stdout)}\n${tail(result.stderr)}`,
    );
  }
  return result.stdout;
}

/** The same, giving `undefined` instead of throwing: for looking whether something is there. */
export async function attempt(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string | undefined> {
  return run(file, args, options).catch(() => undefined);
}

function tail(text: string): string {
  return text.length > 4000 ? `…${text.slice(-4000)}` : text;
}
