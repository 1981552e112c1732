// Owns the watching of a workload: which collections run, and whole snapshots of what they say together. A cluster that goes
// is told and waited for, never thrown. Must not choose: that is kubernetes-select.ts.
import type { KubernetesSource, Replica, Scope, Snapshot } from '../core/types.ts';
import type { DebugwandError } from '../lib/errors.ts';
import { pause } from '../lib/time.ts';
import { watchCollection } from './kubernetes-collection.ts';
import type { KubernetesConnection } from './kubernetes-connection.ts';
import { explainKubernetes } from './kubernetes-errors.ts';
import { notAllowed } from './kubernetes-guard.ts';
import { missingWorkload } from './kubernetes-names.ts';
import { keyOf, needs, type Need, type Parts } from './kubernetes-needs.ts';
import type { Pod } from './kubernetes-pod.ts';
import { watchRights } from './kubernetes-rights.ts';
import { select, type ClusterView } from './kubernetes-select.ts';
import { Wake } from './wake.ts';

export interface WatchOptions {
  readonly connection: KubernetesConnection;
  readonly source: KubernetesSource;
  /** Told of all pods of the workload before each snapshot. */
  readonly onPods: (pods: readonly Pod[]) => void;
  /**
   * The scope of a running container whose pod shares its processes; may run a program in it. Null: it cannot be told, and
   * must not be guessed.
   */
  readonly scopeOf: (pod: Pod, replica: Replica, signal: AbortSignal) => Promise<Scope | null>;
}

/** Changes come in bursts: of a rollout's pods, of several collections. */
const SETTLE_MS = 15;
/** Between tries to read a kubeconfig that is missing or bad, and to pass a guard. */
const RETRY_MS = 3_000;
/** The same for asking a container which processes are its own. */
const SCOPE_RETRY_MS = 10_000;
const NO_SCOPE = 'its processes cannot be told from those of the node: no Python in it answered';
/** Nothing is polled: only a wake-up ends it. */
const FOREVER_MS = 2_147_000_000;

/** Pushes snapshots until `signal` aborts. Never rejects for a lost cluster. */
export async function watchWorkload(
  options: WatchOptions,
  push: (snapshot: Snapshot) => void,
  signal: AbortSignal,
): Promise<void> {
  const namespace = await pinned(options, push, signal);
  if (namespace === null) return;
  const watch = new Watch(options, namespace);
  const ended = new AbortController();
  const rights = watch.watchRights(AbortSignal.any([signal, ended.signal]));
  try {
    while (!signal.aborted) {
      await pause(SETTLE_MS, signal);
      let retryMs: number | null = null;
      const snapshot = await watch.look(signal).catch((error: unknown) => {
        retryMs = RETRY_MS;
        return watch.failed(error);
      });
      if (signal.aborted) break;
      if (snapshot !== null) push(snapshot);
      if (snapshot?.replicas.some(({ note }) => note === NO_SCOPE) === true) retryMs ??= SCOPE_RETRY_MS;
      await watch.wake.sleep(retryMs ?? FOREVER_MS, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    ended.abort();
    await rights;
    await watch.close();
  }
}

/** The namespace, once the kubeconfig can be read and the cluster may be entered. Null: aborted. */
async function pinned(
  { connection }: WatchOptions,
  push: (snapshot: Snapshot) => void,
  signal: AbortSignal,
): Promise<string | null> {
  while (!signal.aborted) {
    try {
      const { place } = await connection.api(signal);
      if (place.guard.allowed) return place.namespace;
      push({ replicas: [], waitingFor: null, error: notAllowed(place), cluster: place });
    } catch (error) {
      if (signal.aborted) break;
      push({ replicas: [], waitingFor: null, error: explainKubernetes(error, { place: connection.place }) });
    }
    await pause(RETRY_MS, signal);
  }
  return null;
}

interface Slot {
  readonly need: Need;
  readonly stop: AbortController;
  task: Promise<void>;
  /** Null: not read yet. */
  objects: readonly Parts[keyof Parts][] | null;
  error: DebugwandError | null;
}

class Watch {
  readonly wake = new Wake();
  readonly #options: WatchOptions;
  readonly #namespace: string;
  readonly #slots = new Map<string, Slot>();
  #replicas: readonly Replica[] = [];
  /** Rights without which nothing works; undefined: asked about just now. */
  #forbidden: DebugwandError | null | undefined;

  constructor(options: WatchOptions, namespace: string) {
    this.#options = options;
    this.#namespace = namespace;
  }

  /** They are asked about while the first lists come: what is missing is named before anything is tried. */
  watchRights(signal: AbortSignal): Promise<void> {
    const { connection, source } = this.#options;
    const on = (error: DebugwandError | null): void => {
      this.#forbidden = error;
      this.wake.call();
    };
    return watchRights(connection, source.workload.kind, on, signal);
  }

  /** Null: too little is known yet, or only what was known before. */
  async look(signal: AbortSignal): Promise<Snapshot | null> {
    const wanted = this.#run();
    if (this.#forbidden === undefined) return null;
    if (this.#forbidden !== null) return this.#snapshot([], null, this.#forbidden);
    const error = wanted.map((slot) => slot.error).find((e) => e !== null) ?? null;
    if (wanted.some((slot) => slot.objects === null)) {
      return error === null ? null : this.#snapshot(this.#replicas, null, error);
    }
    const view = this.#view(wanted);
    this.#options.onPods(view.pods);
    const selection = select(view);
    this.#replicas = await this.#scoped(selection.replicas, view.pods, signal);
    const { workload } = this.#options.source;
    const isMissing = selection.waitingFor !== null && view.pods.length === 0 && view.named === null && error === null;
    if (isMissing) {
      const api = await this.#options.connection.api(signal);
      const missing = await missingWorkload(api, workload, signal);
      // Nothing has the labels now: that is no mistake.
      const isEmpty = workload.kind === 'selector' && missing.code === 'workload-not-found';
      return this.#snapshot([], isEmpty ? selection.waitingFor : missing.message, null);
    }
    const unclear = this.#replicas.find(({ note }) => note === NO_SCOPE);
    const runs = this.#replicas.some(({ state }) => state === 'running');
    const waitingFor = selection.waitingFor ?? (unclear === undefined || runs ? null : `${unclear.name}: ${NO_SCOPE}`);
    return this.#snapshot(this.#replicas, waitingFor, selection.error ?? error);
  }

  /** What is asked beside the collections failed: a kubeconfig may go, or be in the midst of being written. */
  failed(error: unknown): Snapshot {
    return this.#snapshot(this.#replicas, null, explainKubernetes(error, { place: this.#options.connection.place }));
  }

  async close(): Promise<void> {
    const tasks = [...this.#slots.values()].map((slot) => slot.task);
    for (const slot of this.#slots.values()) slot.stop.abort();
    await Promise.all(tasks);
  }

  /** Starts what is needed and not running, ends what is not needed any more. */
  #run(): readonly Slot[] {
    for (let before = -1; before !== this.#slots.size;) {
      before = this.#slots.size;
      const wanted = needs(this.#options.source.workload, this.#namespace, this.#named());
      for (const need of wanted) if (!this.#slots.has(keyOf(need))) this.#start(need);
      const keys = new Set(wanted.map(keyOf));
      for (const [key, slot] of this.#slots) {
        if (keys.has(key)) continue;
        slot.stop.abort();
        this.#slots.delete(key);
      }
    }
    return [...this.#slots.values()];
  }

  #start(need: Need): void {
    const { connection } = this.#options;
    const stop = new AbortController();
    const slot: Slot = { need, stop, task: Promise.resolve(), objects: null, error: null };
    const { path, labelSelector, fieldSelector } = need;
    const collection = {
      path,
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    };
    slot.task = watchCollection(
      connection,
      collection,
      need.parse,
      {
        changed: (objects) => {
          slot.objects = [...objects.values()];
          slot.error = null;
          this.wake.call();
        },
        failed: (error) => {
          // A Role may leave it out.
          if (need.isOptional) slot.objects ??= [];
          else slot.error = error;
          this.wake.call();
        },
        flowing: () => {
          if (slot.error === null) return;
          slot.error = null;
          this.wake.call();
        },
      },
      stop.signal,
    );
    this.#slots.set(keyOf(need), slot);
  }

  /** Undefined: not read yet. Null: there is none. */
  #named(): ClusterView['named'] | undefined {
    const slot = [...this.#slots.values()].find(({ need }) => need.part === 'named');
    if (slot === undefined || slot.objects === null) return undefined;
    return partOf([slot], 'named')[0] ?? null;
  }

  #view(slots: readonly Slot[]): ClusterView {
    return {
      source: this.#options.source,
      named: partOf(slots, 'named')[0] ?? null,
      pods: partOf(slots, 'pods'),
      replicaSets: partOf(slots, 'replicaSets'),
      slices: partOf(slots, 'slices'),
      jobs: partOf(slots, 'jobs'),
    };
  }

  async #scoped(replicas: readonly Replica[], pods: readonly Pod[], signal: AbortSignal): Promise<readonly Replica[]> {
    if (!pods.some((pod) => pod.sharesProcesses || pod.hostPid)) return replicas;
    return Promise.all(
      replicas.map(async (replica) => {
        const pod = pods.find(({ uid }) => replica.id.startsWith(`${uid}/`));
        if (pod === undefined || replica.state !== 'running' || !(pod.sharesProcesses || pod.hostPid)) return replica;
        const scope = await this.#options.scopeOf(pod, replica, signal);
        return scope === null ? { ...replica, state: 'stopped', note: NO_SCOPE } : { ...replica, scope };
      }),
    );
  }

  #snapshot(replicas: readonly Replica[], waitingFor: string | null, error: DebugwandError | null): Snapshot {
    const { place } = this.#options.connection;
    return { replicas, waitingFor, error, ...(place === null ? {} : { cluster: place }) };
  }
}

function partOf<P extends keyof Parts>(slots: readonly Slot[], part: P): readonly Parts[P][] {
  // Each slot's objects come from its need's own guard.
  return slots.flatMap(({ need, objects }) => (need.part === part ? ((objects ?? []) as Parts[P][]) : []));
}
