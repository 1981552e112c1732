// Owns ephemeral containers: one sleeper for each container of a pod that cannot be entered with its own rights, of its
// own image, in its PID namespace, with SYS_PTRACE. Must not decide when one is needed.
// None can be removed or started again: one that runs is found by its name, by later daemons too, and goes with the pod.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubernetesFailure, type ClusterApi } from './kubernetes-api.ts';
import { execInPod } from './kubernetes-exec.ts';
import {
  helperDenied,
  helperFailed,
  helperPatch,
  helpersOf,
  HELPER_PREFIX,
  notAllowed,
  targetOf,
  type HelperPlace,
  type HelperState,
} from './kubernetes-helper-facts.ts';
import { outputOf } from './shared-scope.ts';
import type { Confirm } from './target.ts';

/** Every one that is started stays in the pod's manifest. */
const MAX_TRIES = 3;
/** How long a helper may take to run: its image is on the node already, ms. */
const START_MS = 30_000;

export type HelperMode = 'ask' | 'allow' | 'never';

export interface HelperOptions {
  readonly mode: HelperMode;
  /** For `ask`: asks the user; null where nobody can be asked. */
  readonly confirm: Confirm | null;
  /** Of the container, best first: the one that an agent runs on already. */
  readonly interpreters: readonly string[];
}

/** Helpers of a target: asked and started once, however many ask for one at a time. */
export class KubernetesHelpers {
  readonly #starting = new Map<string, Promise<string>>();
  #answer: boolean | null = null;

  /**
   * The name of an ephemeral container that runs beside the container, started if there is none.
   * @throws DebugwandError `helper-denied`, `helper-failed`; KubernetesFailure; the wire's error
   */
  async nameFor(api: ClusterApi, place: HelperPlace, options: HelperOptions, signal: AbortSignal): Promise<string> {
    const key = `${place.namespace}/${place.pod}/${place.container}`;
    const known = this.#starting.get(key);
    if (known !== undefined) return known;
    const starting = this.#ensure(api, place, options, signal);
    this.#starting.set(key, starting);
    try {
      return await starting;
    } finally {
      this.#starting.delete(key);
    }
  }

  async #ensure(api: ClusterApi, place: HelperPlace, options: HelperOptions, signal: AbortSignal): Promise<string> {
    const pod = await readPod(api, place, signal);
    for (const { name, state } of helpersOf(pod, place.container)) {
      if (state.is === 'running') return name;
      if (state.is === 'starting') {
        const now = await settled(api, place, name, signal);
        if (now.is === 'running') return name;
      }
    }
    await this.#permit(place, options, signal);
    let last: HelperState = { is: 'starting', reason: '', message: '' };
    for (const interpreter of (await programs(api, place, options.interpreters, signal)).slice(0, MAX_TRIES)) {
      const name = `${HELPER_PREFIX}${randomBytes(4).toString('hex')}`;
      await start(api, place, helperPatch(targetOf(pod, place), name, interpreter), signal);
      last = await settled(api, place, name, signal);
      if (last.is === 'running') return name;
      // Only another program can help, and only where the program was the fault.
      if (last.is !== 'ended') break;
    }
    throw helperFailed(place, last);
  }

  async #permit(place: HelperPlace, { mode, confirm }: HelperOptions, signal: AbortSignal): Promise<void> {
    if (mode === 'allow') return;
    if (mode === 'ask' && confirm !== null) {
      this.#answer ??= await confirm(
        `Entering \`${place.container}\` of pod \`${place.pod}\` takes an ephemeral container with SYS_PTRACE. It stays until the pod ends. Add it?`,
        signal,
      );
      if (this.#answer) return;
    }
    throw notAllowed(place, mode);
  }
}

function podUrl({ namespace, pod }: HelperPlace): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}`;
}

async function readPod(api: ClusterApi, place: HelperPlace, signal: AbortSignal): Promise<unknown> {
  return api.request('GET', podUrl(place), {}, signal);
}

async function start(api: ClusterApi, place: HelperPlace, body: object, signal: AbortSignal): Promise<void> {
  const contentType = 'application/strategic-merge-patch+json';
  try {
    await api.request('PATCH', `${podUrl(place)}/ephemeralcontainers`, { body, contentType }, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof KubernetesFailure)) throw error;
    throw helperDenied(place, error) ?? error;
  }
}

/** Waits until it runs, or never will. */
async function settled(api: ClusterApi, place: HelperPlace, name: string, signal: AbortSignal): Promise<HelperState> {
  const until = Date.now() + START_MS;
  for (let pause = 100; ; pause = Math.min(500, pause * 1.4)) {
    const pod = await readPod(api, place, signal);
    const state = helpersOf(pod, place.container).find((helper) => helper.name === name)?.state;
    if (state !== undefined && state.is !== 'starting') return state;
    // Undefined for ever where the pod was made anew under its name, as a StatefulSet's is.
    if (Date.now() > until) return state ?? { is: 'starting', reason: '', message: '' };
    await sleep(pause, undefined, { signal });
  }
}

/** `/proc/1/exe` is another program in another container: what it is there is asked of the container itself. */
async function programs(
  api: ClusterApi,
  place: HelperPlace,
  interpreters: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const [first] = interpreters;
  if (first !== '/proc/1/exe') return interpreters.filter((path) => path !== '/proc/1/exe');
  const script = 'import os; print(os.readlink("/proc/self/exe"))';
  const stream = await execInPod(api, { ...place, argv: [first, '-I', '-S', '-c', script] }, signal);
  const { text } = await outputOf(stream, signal);
  return [text.trim(), ...interpreters.slice(1)];
}
