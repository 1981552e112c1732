/** What a collection's watch shows, for tests. */
import type { DebugwandError } from '../../src/lib/errors.ts';
import {
  watchCollection,
  type Collection,
  type CollectionSource,
  type CollectionTimes,
} from '../../src/targets/kubernetes-collection.ts';
import { KubernetesConnection } from '../../src/targets/kubernetes-connection.ts';

export interface Collected extends AsyncDisposable {
  readonly connection: KubernetesConnection;
  /** Name → the value of its label `value`. */
  readonly seen: Map<string, string>;
  readonly errors: DebugwandError[];
  readonly counts: { changed: number; flowing: number };
  /** What each try to list or watch waits for before it begins. */
  held: Promise<void> | null;
}

export function collect(kubeconfig: string, collection: Collection, times?: CollectionTimes): Collected {
  const connection = new KubernetesConnection({ kubeconfig, allowContexts: [] });
  const seen = new Map<string, string>();
  const errors: DebugwandError[] = [];
  const counts = { changed: 0, flowing: 0 };
  const abort = new AbortController();
  const source: CollectionSource = {
    get place() {
      return connection.place;
    },
    api: async (signal) => {
      await collected.held;
      return connection.api(signal);
    },
  };
  const collected: Collected = {
    connection,
    seen,
    errors,
    counts,
    held: null,
    async [Symbol.asyncDispose]() {
      abort.abort();
      await done;
      connection.close();
    },
  };
  const done = watchCollection(
    source,
    collection,
    (object) => {
      const { name, labels } = (object as { metadata: { name: string; labels?: Record<string, string> } }).metadata;
      return { name, value: labels?.['value'] ?? '' };
    },
    {
      changed: (objects) => {
        counts.changed += 1;
        seen.clear();
        for (const { name, value } of objects.values()) seen.set(name, value);
      },
      failed: (error) => errors.push(error),
      flowing: () => (counts.flowing += 1),
    },
    abort.signal,
    times,
  );
  return collected;
}
