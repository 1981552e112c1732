// Owns `wand notify --test`: one notification of each kind, and whether the desktop took it.
import { DebugwandError } from '../lib/errors.ts';
import { Desktop, whyNoNotifications } from '../ui/desktop.ts';
import { SAMPLES } from '../ui/notification-text.ts';

export interface NotifyOptions {
  readonly test?: boolean;
}

/** Exit code 0: each was taken. @throws DebugwandError `notify-…` with what to do about it */
export async function notifyCommand(options: NotifyOptions): Promise<number> {
  if (options.test !== true) {
    throw new DebugwandError({
      code: 'usage',
      message: 'there is nothing to notify of',
      fix: 'try `wand notify --test`',
    });
  }
  const reason = whyNoNotifications(process.env);
  if (reason !== null) throw reason;
  const desktop = new Desktop(process.env);
  for (const sample of SAMPLES) {
    await desktop.show(sample, null);
    process.stdout.write(`${sample.kind}: taken by the notification service\n`);
  }
  return 0;
}
