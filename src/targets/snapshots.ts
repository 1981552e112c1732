// Owns the hand-over of snapshots from whoever observes to whoever iterates: only the latest counts, equal ones are told
// once. Must not know platforms.
import { isDeepStrictEqual } from 'node:util';
import type { Snapshot } from '../core/types.ts';

export class SnapshotFeed {
  #last: Snapshot | null = null;
  #fresh: Snapshot | null = null;
  #wake: (() => void) | null = null;

  push(snapshot: Snapshot): void {
    if (this.#last !== null && sameSnapshot(this.#last, snapshot)) return;
    this.#last = snapshot;
    this.#fresh = snapshot;
    this.#wake?.();
  }

  /** Ends when `signal` aborts. For one reader. */
  async *read(signal: AbortSignal): AsyncGenerator<Snapshot, void, void> {
    const wake = (): void => this.#wake?.();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        const fresh = this.#fresh;
        if (fresh !== null) {
          this.#fresh = null;
          yield fresh;
          continue;
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = null;
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }
}

function sameSnapshot(a: Snapshot, b: Snapshot): boolean {
  return (
    a.waitingFor === b.waitingFor &&
    a.error?.code === b.error?.code &&
    a.error?.message === b.error?.message &&
    isDeepStrictEqual(a.cluster, b.cluster) &&
    isDeepStrictEqual(a.replicas, b.replicas)
  );
}

/**
 * Runs `observe` for as long as somebody iterates, and hands out what it pushes. When the iteration ends, for whatever
 * reason, `observe` is aborted and awaited.
 */
export async function* observed(
  observe: (push: (snapshot: Snapshot) => void, signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<Snapshot, void, void> {
  if (signal.aborted) return;
  const feed = new SnapshotFeed();
  const stop = new AbortController();
  const abort = (): void => {
    stop.abort();
  };
  signal.addEventListener('abort', abort, { once: true });
  let failure: { readonly error: unknown } | null = null;
  const task = observe((snapshot) => {
    feed.push(snapshot);
  }, stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) failure = { error };
    stop.abort();
  });
  try {
    yield* feed.read(stop.signal);
  } finally {
    stop.abort();
    signal.removeEventListener('abort', abort);
    await task;
  }
  // An observer handles the faults of its platform: what comes out here is a fault of ours, and must not pass unseen.
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
}
