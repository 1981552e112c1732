// Owns cutting a stream into JSON values, one a line, however the chunks fall, and bounded. Pure.

/** Lines as text, without those that are empty. */
export class Lines {
  readonly #limit: number;
  #parts: Buffer[] = [];
  #size = 0;

  /** @param limit bytes of one line */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @throws Error when a line is too long: what follows cannot be trusted then */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      this.#keep(chunk.subarray(from, end));
      const line = Buffer.concat(this.#parts).toString('utf8').trim();
      this.#parts = [];
      this.#size = 0;
      if (line !== '') lines.push(line);
      from = end + 1;
    }
    // A copy: a few bytes of the next line must not hold the whole chunk.
    if (from < chunk.length) this.#keep(Buffer.from(chunk.subarray(from)));
    return lines;
  }

  #keep(part: Buffer): void {
    this.#size += part.length;
    if (this.#size > this.#limit) throw new Error(`a line of more than ${String(this.#limit)} bytes`);
    this.#parts.push(part);
  }
}

export class JsonLines {
  readonly #lines: Lines;

  /** @param limit bytes of one line */
  constructor(limit: number) {
    this.#lines = new Lines(limit);
  }

  /** @throws Error when a line is too long or no JSON: what follows cannot be trusted then */
  push(chunk: Buffer): unknown[] {
    return this.#lines.push(chunk).map((line): unknown => JSON.parse(line));
  }
}
