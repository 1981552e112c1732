// Owns cutting a watch's body into its events. Pure; must not know what the events are about.

import type { Readable } from 'node:stream';
import { fields } from '../lib/fields.ts';
import { JsonLines } from '../lib/json-lines.ts';

/** Objects have at most 1.5 MB in etcd; as JSON they are a few times larger at worst. */
const LINE_BYTES = 16 * 1024 * 1024;

export interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

/** The events of each chunk. A wire that breaks ends it like a server that ends it: the watch goes on from its version. */
export async function* eventsOf(stream: Readable): AsyncGenerator<readonly WatchEvent[], void, void> {
  const lines = new JsonLines(LINE_BYTES);
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
