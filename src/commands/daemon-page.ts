// Owns whether a running daemon has a status page: opened once the daemon works, opened and closed as the config says, and
// never a reason for the daemon to fail.
import type { StatusReport } from '../core/status.ts';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Page, PageOptions } from '../page/page.ts';

export class DaemonPage {
  readonly #options: Omit<PageOptions, 'log'>;
  readonly #log: Log;
  readonly #onChange: () => void;
  #page: Page | null = null;
  #changing: Promise<void> = Promise.resolve();
  #closed = false;

  /** `onChange`: the address is another one. */
  constructor(options: Omit<PageOptions, 'log'>, log: Log, onChange: () => void) {
    this.#options = options;
    this.#log = log;
    this.#onChange = onChange;
  }

  /** With the token; null while there is no page. */
  get url(): string | null {
    return this.#page?.url ?? null;
  }

  update(report: StatusReport): void {
    this.#page?.update(report);
  }

  /** Opens the page, or closes it. What fails is logged. */
  want(page: boolean): void {
    if (this.#closed) return;
    this.#changing = this.#changing
      .then(() => this.#set(page))
      .catch((error: unknown) => {
        this.#log.warn(`there is no status page: ${messageOf(error)}`);
      });
  }

  /** It stays closed: a config that is still being applied may want it. */
  async close(): Promise<void> {
    this.want(false);
    this.#closed = true;
    await this.#changing;
  }

  async #set(wanted: boolean): Promise<void> {
    if (wanted === (this.#page !== null)) return;
    const former = this.#page;
    this.#page = null;
    await former?.close();
    if (wanted) {
      // A server of HTTP costs the start of `wand watch` nothing: by now it watches.
      const { openPage } = await import('../page/page.ts');
      this.#page = await openPage({
        ...this.#options,
        log: (text) => {
          this.#log.debug(text);
        },
      });
    }
    this.#onChange();
  }
}
