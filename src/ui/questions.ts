// Owns what the user is asked while wand runs: yes or no, one question at a time. Draws nothing.

interface Question {
  readonly text: string;
  readonly settle: (yes: boolean) => void;
}

export class Questions {
  readonly #onChange: () => void;
  readonly #open: Question[] = [];
  #closed = false;

  /** `onChange`: another question is the current one, or none. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** What is to be answered now. */
  get current(): string | null {
    return this.#open[0]?.text ?? null;
  }

  /** Rejects with the signal's reason: then nobody needs to know any more. No is what an end without an answer means. */
  ask(text: string, signal: AbortSignal): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const withdraw = (): void => {
      this.#remove(question);
      reject(signal.reason instanceof Error ? signal.reason : new Error('withdrawn'));
    };
    const question: Question = {
      text,
      settle: (yes) => {
        signal.removeEventListener('abort', withdraw);
        this.#remove(question);
        resolve(yes);
      },
    };
    this.#open.push(question);
    if (signal.aborted) withdraw();
    else signal.addEventListener('abort', withdraw, { once: true });
    this.#onChange();
    return promise;
  }

  /** To the current one. False: nothing was asked. */
  answer(yes: boolean): boolean {
    const [question] = this.#open;
    question?.settle(yes);
    return question !== undefined;
  }

  close(): void {
    this.#closed = true;
    while (this.#open.length > 0) this.answer(false);
  }

  #remove(question: Question): void {
    const at = this.#open.indexOf(question);
    if (at < 0) return;
    this.#open.splice(at, 1);
    this.#onChange();
  }
}
