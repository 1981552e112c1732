// Owns the words of notifications, and where a click on one leads. Pure.
import type { StatusReport } from '../core/status.ts';
import type { NotifyKind } from '../core/types.ts';
import { seconds } from './terminal.ts';

/** Something worth telling, of one target. */
export interface Notice {
  readonly kind: NotifyKind;
  readonly target: string;
  readonly text: string;
  /** `reattached`: how long it took; `paused`: how long is left, 0: it is too late; ms. */
  readonly ms: number | null;
}

export interface Notification {
  readonly kind: NotifyKind;
  readonly title: string;
  readonly message: string;
}

/** What a click opens: words for it, and where it leads. */
export interface Link {
  readonly label: string;
  /** `http:` or `vscode:`. */
  readonly url: string;
}

/** So much of what an error says that its fix can be read, too. */
const MOST_REASON = 220;

/** One of each kind, for who wants to see how they look. */
export const SAMPLES: readonly Notification[] = (
  [
    { kind: 'reattached', text: 'worker 43 after a reload', ms: 160 },
    { kind: 'crashed', text: 'ValueError: this is a test (worker 43)', ms: null },
    { kind: 'blocked', text: 'this is a test. Fix: nothing to mend', ms: null },
    { kind: 'paused', text: 'this is a test', ms: 10_000 },
  ] as const
).flatMap((notice) => summary([{ ...notice, target: 'wand' }]) ?? []);

export function blockedText(message: string, fix: string | null): string {
  const reason = message.length > MOST_REASON ? `${message.slice(0, MOST_REASON)}…` : message;
  return fix === null ? reason : `${reason}. Fix: ${fix}`;
}

/** One for all: what is worst stands in the title. Null: there are none. */
export function summary(notices: readonly Notice[]): Notification | null {
  const kind = (['paused', 'blocked', 'crashed', 'reattached'] as const).find((one) =>
    notices.some((notice) => notice.kind === one),
  );
  const chosen = notices.filter((notice) => notice.kind === kind);
  const last = chosen.at(-1);
  if (kind === undefined || last === undefined) return null;
  const names = [...new Set(chosen.map((notice) => notice.target))].join(', ');
  switch (kind) {
    case 'paused': {
      const left = Math.ceil((last.ms ?? 0) / 1000);
      return left > 0
        ? { kind, title: `${names}: ${String(left)} s left`, message: `Continue: ${last.text}` }
        : { kind, title: `${names}: paused for too long`, message: last.text };
    }
    case 'blocked':
      return { kind, title: `${names}: blocked`, message: last.text };
    case 'crashed': {
      const later = notices.slice(notices.indexOf(last) + 1);
      const back = later.findLast((notice) => notice.kind === 'reattached' && notice.target === last.target);
      const again = back === undefined ? '' : `. Debugger back${timeOf(back)}`;
      return { kind, title: `${names}: worker crashed`, message: `${last.text}${again}` };
    }
    case 'reattached': {
      const more = chosen.length === 1 ? '' : ` (${String(chosen.length)} times)`;
      return { kind, title: `${names}: debugger back${timeOf(last)}`, message: `${last.text}${more}` };
    }
    default:
      return kind satisfies never;
  }
}

function timeOf({ ms }: Notice): string {
  return ms === null ? '' : ` in ${seconds(ms)}`;
}

const SCHEMES: Readonly<Record<string, string>> = {
  'Visual Studio Code': 'vscode',
  'Visual Studio Code - Insiders': 'vscode-insiders',
};

/** The status page, or the editor's window of this project; null: nothing that could be opened. */
export function linkOf(report: StatusReport): Link | null {
  const { daemon, targets } = report;
  if (daemon.page !== null) return { label: 'Status page', url: daemon.page };
  const client = targets.find(({ editor }) => editor.connected && SCHEMES[editor.client ?? ''] !== undefined)?.editor
    .client;
  const scheme = SCHEMES[client ?? ''];
  if (typeof client !== 'string' || scheme === undefined || daemon.config === null) return null;
  const folder = daemon.config.split(/[\\/]/).slice(0, -1).map(encodeURIComponent).join('/');
  return { label: client, url: `${scheme}://file${folder.startsWith('/') ? '' : '/'}${folder}/` };
}
