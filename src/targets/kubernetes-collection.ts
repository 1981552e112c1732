// Owns list and watch of one collection of objects: what is in it now, whatever happens to the server, the wire and the
// credentials. Must not know what the objects mean.
import { isDeepStrictEqual } from 'node:util';
import { delayMs, type BackoffPolicy } from '../core/backoff.ts';
import type { ClusterPlace } from '../core/types.ts';
import { DebugwandError, messageOf } from '../lib/errors.ts';
import { pause } from '../lib/time.ts';
import { KubernetesFailure, type ClusterApi } from './kubernetes-api.ts';
import { explainKubernetes } from './kubernetes-errors.ts';
import { fields } from '../lib/fields.ts';
import { eventsOf, type WatchEvent } from './kubernetes-lines.ts';

export interface Collection {
  /** "/api/v1/namespaces/shop/pods" */
  readonly path: string;
  readonly labelSelector?: string;
  /** One object: "metadata.name=web". */
  readonly fieldSelector?: string;
}

export interface CollectionEvents<T> {
  /** After each list and each change that `parse` shows, by uid. The map is the live one: do not keep it. */
  changed(objects: ReadonlyMap<string, T>): void;
  /** It is tried again; what was known stays. */
  failed(error: DebugwandError): void;
  /** The server answers (again). */
  flowing(): void;
}

/** What it needs of the connection. */
export interface CollectionSource {
  readonly place: ClusterPlace | null;
  api(signal: AbortSignal): Promise<ClusterApi>;
}

export interface CollectionTimes {
  readonly retry: BackoffPolicy;
  /** Between tries of what only a human cures: rights, credentials, names. */
  readonly refusedMs: number;
  /** Servers send a bookmark each minute: after a longer silence the watch is opened anew, which costs one request. */
  readonly silenceMs: number;
  /** The same for servers that send no bookmarks. */
  readonly longestSilenceMs: number;
  /** After which the server ends a watch by itself. */
  readonly watchSeconds: number;
}

// The longest delay is short: a lease of a cut agent runs meanwhile.
const TIMES: CollectionTimes = {
  retry: { firstMs: 200, maxMs: 3_000, healthyMs: 5_000 },
  refusedMs: 30_000,
  silenceMs: 75_000,
  longestSilenceMs: 300_000,
  watchSeconds: 540,
};

const PAGE = 250;
/** More than a namespace has; a selector that matches more is a mistake. */
const MOST_OBJECTS = 20_000;
const REFUSED =
  /^(kubernetes-(forbidden|unauthorized|credentials|not-found|too-many)|kubeconfig-|context-|namespace-not-found)/;

/** Until `signal` aborts. Never rejects. */
export function watchCollection<T>(
  source: CollectionSource,
  collection: Collection,
  parse: (object: unknown) => T | null,
  on: CollectionEvents<T>,
  signal: AbortSignal,
  times: CollectionTimes = TIMES,
): Promise<void> {
  return new CollectionWatch(source, collection, parse, on, times).run(signal);
}

class CollectionWatch<T> {
  readonly #source: CollectionSource;
  readonly #collection: Collection;
  readonly #parse: (object: unknown) => T | null;
  readonly #on: CollectionEvents<T>;
  readonly #times: CollectionTimes;
  #objects = new Map<string, T>();
  /** What the watch goes on from; null: list first. */
  #version: string | null = null;
  /** Tries in a row that came to nothing. */
  #attempts = 0;
  #silenceMs: number;

  constructor(
    source: CollectionSource,
    collection: Collection,
    parse: (object: unknown) => T | null,
    on: CollectionEvents<T>,
    times: CollectionTimes,
  ) {
    this.#source = source;
    this.#collection = collection;
    this.#parse = parse;
    this.#on = on;
    this.#times = times;
    this.#silenceMs = times.silenceMs;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const began = performance.now();
      let refused: DebugwandError | null = null;
      try {
        const api = await this.#source.api(signal);
        this.#version ??= await this.#list(api, signal);
        await this.#follow(api, this.#version, signal);
      } catch (error) {
        if (signal.aborted) return;
        refused = this.#failed(error);
      }
      const healthy = refused === null && performance.now() - began >= this.#times.retry.healthyMs;
      this.#attempts = healthy ? 0 : this.#attempts + 1;
      if (!healthy) await pause(this.#delay(refused), signal);
    }
  }

  #failed(error: unknown): DebugwandError | null {
    if (isGone(error)) {
      this.#version = null;
      return null;
    }
    // A server that lost its memory may not know the version any more, and say so in other ways than 410.
    if (this.#attempts >= 2) this.#version = null;
    const named = explainKubernetes(error, { place: this.#source.place });
    this.#on.failed(named);
    return named;
  }

  #delay(refused: DebugwandError | null): number {
    const { retry, refusedMs } = this.#times;
    if (refused !== null && REFUSED.test(refused.code)) return refusedMs * (1 - 0.25 * Math.random());
    return delayMs(retry, this.#attempts, Math.random());
  }

  #query(): Record<string, string | number | boolean> {
    const { labelSelector, fieldSelector } = this.#collection;
    return {
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
  }

  /** In pages, of which only what `parse` keeps is kept. Returns the version to watch from. */
  async #list(api: ClusterApi, signal: AbortSignal): Promise<string> {
    const objects = new Map<string, T>();
    let next = '';
    let version: string;
    do {
      const query = { ...this.#query(), limit: PAGE, ...(next === '' ? {} : { continue: next }) };
      const page = fields(await api.request('GET', this.#collection.path, { query }, signal));
      const metadata = fields(page['metadata']);
      if (typeof metadata['resourceVersion'] !== 'string') throw new Error('the answer to a list is no list');
      version = metadata['resourceVersion'];
      next = typeof metadata['continue'] === 'string' ? metadata['continue'] : '';
      const items = Array.isArray(page['items']) ? (page['items'] as unknown[]) : [];
      for (const item of items) {
        const value = this.#parse(item);
        if (value !== null) objects.set(keyOf(item), value);
      }
      if (objects.size > MOST_OBJECTS) throw tooMany(this.#collection);
    } while (next !== '');
    this.#objects = objects;
    this.#on.changed(objects);
    return version;
  }

  /** Watches until the server ends it, the wire breaks or nothing comes any more; throws what the server refuses. */
  async #follow(api: ClusterApi, version: string, signal: AbortSignal): Promise<void> {
    const silent = new AbortController();
    const query = {
      ...this.#query(),
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: version,
      // Spread, so that the watches of many targets do not end together.
      timeoutSeconds: Math.round(this.#times.watchSeconds * (0.9 + 0.2 * Math.random())),
    };
    const stream = await api.stream(this.#collection.path, { query }, AbortSignal.any([signal, silent.signal]));
    this.#on.flowing();
    const watchdog = setTimeout(() => {
      silent.abort();
    }, this.#silenceMs);
    let bookmarks = 0;
    try {
      for await (const events of eventsOf(stream)) {
        watchdog.refresh();
        let changed = false;
        for (const event of events) {
          bookmarks += event.type === 'BOOKMARK' ? 1 : 0;
          changed = this.#apply(event) || changed;
        }
        if (changed) this.#on.changed(this.#objects);
      }
    } finally {
      clearTimeout(watchdog);
      stream.destroy();
      if (bookmarks > 0) this.#silenceMs = this.#times.silenceMs;
      else if (silent.signal.aborted) {
        this.#silenceMs = Math.min(this.#times.longestSilenceMs, this.#silenceMs * 2);
      }
    }
  }

  /** True when what `parse` keeps changed. */
  #apply({ type, object }: WatchEvent): boolean {
    if (type === 'ERROR') {
      this.#version = null;
      const { code, reason, message } = fields(object);
      throw new KubernetesFailure(
        typeof code === 'number' ? code : 0,
        typeof reason === 'string' ? reason : '',
        typeof message === 'string' ? message.slice(0, 2000) : 'the watch failed',
      );
    }
    const version = fields(fields(object)['metadata'])['resourceVersion'];
    if (typeof version === 'string') this.#version = version;
    if (type === 'BOOKMARK') return false;
    const key = keyOf(object);
    const value = type === 'DELETED' ? null : this.#parse(object);
    if (value === null) return this.#objects.delete(key);
    if (isDeepStrictEqual(this.#objects.get(key), value)) return false;
    this.#objects.set(key, value);
    if (this.#objects.size > MOST_OBJECTS) throw tooMany(this.#collection);
    return true;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof KubernetesFailure && (error.status === 410 || /^(Gone|Expired)$/.test(error.reason));
}

function keyOf(object: unknown): string {
  const { uid, namespace, name } = fields(fields(object)['metadata']);
  if (typeof uid === 'string' && uid !== '') return uid;
  if (typeof name !== 'string') throw new Error(`an object without a name: ${messageOf(object).slice(0, 100)}`);
  return `${typeof namespace === 'string' ? namespace : ''}/${name}`;
}

function tooMany({ path }: Collection): DebugwandError {
  return new DebugwandError({
    code: 'kubernetes-too-many',
    message: `more than ${String(MOST_OBJECTS)} objects in ${path}`,
    fix: 'name a smaller workload, or a narrower selector',
  });
}
