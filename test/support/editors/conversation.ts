/**
 * A recorded conversation between a real editor and wand: what each said, in order, and what happened on the stage
 * meanwhile. Kept as JSON in test/fixtures/dap, with nothing of the machine in it that recorded it.
 */

/** Something that the story did beside what the editor did. */
export type StageAction =
  /** A request to the app goes out; `answered`: its answer is there. */
  'request' | 'answered' | 'save' | 'kill';

export interface DapEntry {
  readonly seq: number;
  readonly type: 'request' | 'response' | 'event';
  readonly command?: string;
  readonly event?: string;
  readonly request_seq?: number;
  readonly success?: boolean;
  readonly message?: string;
  readonly arguments?: unknown;
  readonly body?: unknown;
}

export type Entry =
  | { readonly from: 'editor' | 'wand'; readonly message: DapEntry }
  | { readonly from: 'stage'; readonly action: StageAction };

export interface Conversation {
  /** `Emacs 30.2, dape 0.27.1`. */
  readonly client: string;
  readonly entries: readonly Entry[];
}

/**
 * The same as a fixture: with neutral words in the place of what belongs to one run (`[['/tmp/wand-app-x', '/app']]`), and
 * without the modules that the app loads, which nobody waits for.
 */
export function neutral(entries: readonly Entry[], words: readonly (readonly [string, string])[]): Entry[] {
  const kept = entries.filter((entry) => entry.from === 'stage' || entry.message.event !== 'module');
  return JSON.parse(replaced(JSON.stringify(kept), words)) as Entry[];
}

export function replaced(text: string, words: readonly (readonly [string, string])[]): string {
  return words.reduce((now, [from, to]) => now.replaceAll(from, to), text);
}
