// Owns a wake-up that may come before anybody sleeps. Must not know what it is for.

export class Wake {
  #called = false;
  #resolve: (() => void) | null = null;

  /** Ends the present sleep, or the next one at once. */
  call(): void {
    this.#called = true;
    this.#resolve?.();
  }

  /** Sleeps until `call`, or `ms` have passed, or `signal` aborts. Never rejects. */
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#called && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        const done = (): void => {
          clearTimeout(timer);
          resolve();
        };
        this.#resolve = done;
        signal.addEventListener('abort', done, { once: true });
        // The listener is taken off with the sleep: a watch of weeks sleeps often on one signal.
        this.#cleanUp = () => {
          signal.removeEventListener('abort', done);
        };
      });
      this.#cleanUp();
      this.#resolve = null;
    }
    this.#called = false;
  }

  #cleanUp: () => void = () => undefined;
}
