// Owns `wand inject`: runs any Python script inside a worker and brings back what it printed and how it ended.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { look, type Look } from '../daemon/one-shot.ts';
import type { ClassifiedProcess, TargetConfig } from '../core/types.ts';
import { DebugwandError, messageOf } from '../lib/errors.ts';
import { stderrLog } from '../lib/log.ts';
import { confirmed, terminalAsker } from './ask.ts';
import { daemonStatus } from './daemon-status.ts';
import { targetOf, type TargetFlags } from './target-option.ts';

export interface InjectOptions extends TargetFlags {
  readonly target?: string;
  /** A pid as `wand ps` shows it. */
  readonly process?: number;
  /** Seconds that the script may take; then it is interrupted. Default: as long as it wants. */
  readonly timeout?: number;
}

/** How long a worker may take to run the script's first line, ms. */
const ENTER_BUDGET_MS = 60_000;

/** Exit code: the script's own, 1 if it raised. */
export async function injectCommand(script: string, args: readonly string[], options: InjectOptions): Promise<number> {
  const source = readScript(script);
  const abort = new AbortController();
  const interrupt = (): void => {
    abort.abort();
  };
  process.once('SIGINT', interrupt);
  const { config, root } = await running(await targetOf(options.target, options), options.config);
  const asker = terminalAsker();
  const view = await look(
    config,
    stderrLog(),
    root,
    asker === null ? null : (question) => confirmed(asker, question),
    abort.signal,
  );
  try {
    const result = await view.run(
      choose(view, options.process),
      {
        source,
        filename: script === '-' ? '<stdin>' : resolve(script),
        args,
        timeoutMs: ENTER_BUDGET_MS,
        onWait: ({ message, fix }) => {
          // In a script's output it would only be in the way: there the error at the end says it.
          if (process.stderr.isTTY) {
            process.stderr.write(
              `wand: ${message}; it is waited for up to ${String(ENTER_BUDGET_MS / 1000)} s: ${fix}\n`,
            );
          }
        },
        onOutput: (stream, text) => {
          process[stream].write(text);
        },
      },
      options.timeout === undefined
        ? abort.signal
        : AbortSignal.any([abort.signal, AbortSignal.timeout(options.timeout * 1000)]),
    );
    if (result.exception !== null)
      process.stderr.write(result.exception.endsWith('\n') ? result.exception : `${result.exception}\n`);
    return result.exit;
  } catch (error) {
    if (abort.signal.aborted) return 130;
    if (!(error instanceof Error && error.name === 'TimeoutError')) throw error;
    throw new DebugwandError({
      code: 'script-timeout',
      message: `the script did not end within ${String(options.timeout)} s and was interrupted`,
      fix: 'give it more with --timeout, or leave that out: then Ctrl-C ends it',
    });
  } finally {
    process.off('SIGINT', interrupt);
    await view.close();
  }
}

/** A command that wand runs is known to the daemon alone: its worker is taken from there. */
async function running(
  { config, root }: { config: TargetConfig; root: string },
  file: string | undefined,
): Promise<{ config: TargetConfig; root: string }> {
  if (!('command' in config.source)) return { config, root };
  const report = await daemonStatus(file);
  const worker = report.targets.find((target) => target.name === config.name)?.worker;
  if (worker === undefined || worker === null) return { config, root };
  return { config: { ...config, source: { kind: 'local', pid: worker.pid }, process: 'auto' }, root };
}

function readScript(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    throw new DebugwandError({
      code: 'script-unreadable',
      message: `the script ${path} cannot be read: ${whyUnreadable(error)}`,
      fix: 'name a file of Python source, or - for standard input',
    });
  }
}

function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'you may not read it';
  return code === 'EISDIR' ? 'it is a folder' : messageOf(error);
}

function choose({ classification, replica }: Look, pid: number | undefined): ClassifiedProcess {
  if (pid === undefined) {
    if (classification.chosen !== null) return classification.chosen;
    throw new DebugwandError({
      code: 'no-worker',
      message: `no worker was found in ${replica.name}: ${classification.why}`,
      fix: 'name one with --process PID; `wand ps` lists them',
    });
  }
  const found = classification.processes.find((process) => process.pid === pid);
  if (found !== undefined) return found;
  throw new DebugwandError({
    code: 'no-such-process',
    message: `${replica.name} has no process ${String(pid)}`,
    fix: 'take a pid that `wand ps` shows',
  });
}
