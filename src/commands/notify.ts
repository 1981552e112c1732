// Owns `wand notify`: a hint to the daemon from a hook of another tool, and `--test`: one notification of each kind, and
// whether the desktop took it.
import { messageOf } from '../lib/errors.ts';

export interface NotifyOptions {
  readonly test?: boolean;
  readonly config?: string;
}

/** A hook holds its tool up for as long, ms. */
const HOOK_MS = 1_000;

/** Exit code 0: as a hook always; with `--test` each was taken. @throws DebugwandError `notify-…`, with `--test` only */
export async function notifyCommand(event: string | undefined, options: NotifyOptions): Promise<number> {
  if (options.test === true) return showSamples();
  const { ask } = await import('./find-daemon.ts');
  const told = ask(options.config, { command: 'notify', event: event ?? 'change' }).then(() => 'wand looks', messageOf);
  const late = new Promise<string>((resolve) => {
    setTimeout(resolve, HOOK_MS, 'wand does not answer').unref();
  });
  const text = await Promise.race([told, late]);
  // A tool's own output is not ours to fill; who typed it wants to know.
  if (process.stdout.isTTY) process.stdout.write(`${text}\n`);
  return 0;
}

async function showSamples(): Promise<number> {
  const { Desktop, whyNoNotifications } = await import('../ui/desktop.ts');
  const { SAMPLES } = await import('../ui/notification-text.ts');
  const reason = whyNoNotifications(process.env);
  if (reason !== null) throw reason;
  const desktop = new Desktop(process.env);
  for (const sample of SAMPLES) {
    await desktop.show(sample, null);
    process.stdout.write(`${sample.kind}: taken by the notification service\n`);
  }
  return 0;
}
