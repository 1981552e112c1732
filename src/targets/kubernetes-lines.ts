// Owns cutting a watch's body into its events: one JSON object a line, however the chunks fall, and bounded. Pure; must not
// know what the events are about.

import type { Readable } from 'node:stream';
import { fields } from './kubernetes-fields.ts';

/** Objects have at most 1.5 MB in etcd; as JSON they are a few times larger at worst. */
const LINE_BYTES = 16 * 1024 * 1024;

export class JsonLines {
  readonly #limit: number;
  #parts: Buffer[] = [];
  #size = 0;

  constructor(limit = LINE_BYTES) {
    this.#limit = limit;
  }

  /** @throws Error when a line is too long or no JSON: what follows cannot be trusted then */
  push(chunk: Buffer): unknown[] {
    const values: unknown[] = [];
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      this.#keep(chunk.subarray(from, end));
      const line = Buffer.concat(this.#parts).toString('utf8').trim();
      this.#parts = [];
      this.#size = 0;
      if (line !== '') values.push(JSON.parse(line));
      from = end + 1;
    }
    // A copy: a few bytes of the next line must not hold the whole chunk.
    if (from < chunk.length) this.#keep(Buffer.from(chunk.subarray(from)));
    return values;
  }

  #keep(part: Buffer): void {
    this.#size += part.length;
    if (this.#size > this.#limit) throw new Error(`an event of more than ${String(this.#limit)} bytes`);
    this.#parts.push(part);
  }
}

export interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

/** The events of each chunk. A wire that breaks ends it like a server that ends it: the watch goes on from its version. */
export async function* eventsOf(stream: Readable): AsyncGenerator<readonly WatchEvent[], void, void> {
  const lines = new JsonLines();
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  for (;;) {
    let chunk: IteratorResult<Buffer, undefined>;
    try {
      chunk = await chunks.next();
    } catch {
      return;
    }
    if (chunk.done === true) return;
    yield lines.push(chunk.value).map((value) => {
      const { type, object } = fields(value);
      if (typeof type !== 'string') throw new Error('what came over the watch is no event');
      return { type, object };
    });
  }
}
