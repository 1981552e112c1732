// Owns the kubernetes target: puts watch, exec, helper and interpreters together. The parts are kubernetes-*.ts.
import type { Duplex } from 'node:stream';
import type { KubernetesSource, Replica, Scope, Snapshot } from '../core/types.ts';
import { DebugwandError } from '../lib/errors.ts';
import type { ClusterApi } from './kubernetes-api.ts';
import { KubernetesConnection } from './kubernetes-connection.ts';
import { explainKubernetes } from './kubernetes-errors.ts';
import { execInPod } from './kubernetes-exec.ts';
import { KubernetesHelpers } from './kubernetes-helper.ts';
import { kubernetesInterpreters } from './kubernetes-interpreters.ts';
import type { Pod } from './kubernetes-pod.ts';
import { dialPod } from './kubernetes-tunnel.ts';
import { watchWorkload } from './kubernetes-watch.ts';
import { isPythonName } from './python-names.ts';
import { sharedScope } from './shared-scope.ts';
import { observed } from './snapshots.ts';
import type { Confirm, ExecOptions, ExecStream, Target } from './target.ts';

interface Place {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** More than a workload has pods: each that is forgotten costs a program run in it. */
const MOST_SCOPES = 2_000;

export class KubernetesTarget implements Target {
  readonly kind = 'kubernetes';
  readonly #source: KubernetesSource;
  readonly #confirm: Confirm | null;
  readonly #connection: KubernetesConnection;
  readonly #helpers = new KubernetesHelpers();
  /** Of the workload, as last seen. */
  #pods: readonly Pod[] = [];
  /** By image: the Python that ran in a container of it last. */
  readonly #proven = new Map<string, string>();
  /** By start of a container. */
  readonly #scopes = new Map<string, Scope>();

  /** `confirm`: for what the config wants to be asked about; null: nobody can be. */
  constructor(source: KubernetesSource, confirm: Confirm | null) {
    this.#source = source;
    this.#confirm = confirm;
    this.#connection = new KubernetesConnection(source);
  }

  watch(signal: AbortSignal): AsyncIterable<Snapshot> {
    const options = {
      connection: this.#connection,
      source: this.#source,
      onPods: (pods: readonly Pod[]): void => {
        this.#pods = pods;
      },
      scopeOf: this.#scopeOf,
    };
    return observed((push, inner) => watchWorkload(options, push, inner), signal);
  }

  exec(replica: Replica, argv: readonly string[], options: ExecOptions, signal: AbortSignal): Promise<ExecStream> {
    return this.#named(replica, signal, async (api) => {
      if (options.user !== undefined) throw noOtherUser(replica, options.user);
      const stream = await execInPod(api, { ...this.#placeOf(api, replica), argv }, signal);
      const program = argv[0] ?? '';
      if (isPythonName(program)) this.#proven.set(replica.image ?? '', program);
      return stream;
    });
  }

  readonly execHelper = (replica: Replica, argv: readonly string[], signal: AbortSignal): Promise<ExecStream> =>
    this.#named(replica, signal, async (api) => {
      const place = this.#placeOf(api, replica);
      const options = {
        mode: this.#source.ephemeralContainers,
        confirm: this.#confirm,
        interpreters: [...new Set([...argv.slice(0, 1), ...this.#candidates(replica)])],
      };
      const container = await this.#helpers.nameFor(api, place, options, signal);
      return execInPod(api, { ...place, container, argv }, signal);
    });

  dial(replica: Replica, port: number, signal: AbortSignal): Promise<Duplex> {
    return this.#named(replica, signal, (api) => dialPod(api, this.#placeOf(api, replica), port, signal));
  }

  interpreters(replica: Replica, signal: AbortSignal): Promise<readonly string[]> {
    signal.throwIfAborted();
    return Promise.resolve(this.#candidates(replica));
  }

  explain(error: unknown): DebugwandError {
    return explainKubernetes(error, { place: this.#connection.place });
  }

  close(): Promise<void> {
    this.#connection.close();
    return Promise.resolve();
  }

  #candidates(replica: Replica): readonly string[] {
    const pod = this.#podOf(replica);
    const { container: name } = partsOf(replica);
    const container = [...(pod?.containers ?? []), ...(pod?.initContainers ?? [])].find((c) => c.name === name);
    const facts = {
      command: container?.command ?? [],
      env: container?.env ?? {},
      workingDir: container?.workingDir ?? '',
      sharesProcesses: pod !== undefined && (pod.sharesProcesses || pod.hostPid),
    };
    return kubernetesInterpreters(facts, this.#proven.get(replica.image ?? '') ?? null);
  }

  readonly #scopeOf = async (pod: Pod, replica: Replica, signal: AbortSignal): Promise<Scope | null> => {
    const key = `${replica.id}@${replica.startedAt}`;
    const known = this.#scopes.get(key);
    if (known !== undefined) return known;
    const api = await this.#connection.api(signal);
    const place = { namespace: api.place.namespace, ...partsOf(replica) };
    const run = (argv: readonly string[], limit: AbortSignal): Promise<ExecStream> =>
      execInPod(api, { ...place, argv }, limit);
    const scope = await sharedScope(this.#candidates(replica), run, signal);
    // What could not be asked is asked again. Meanwhile all of a pod is better than nothing; all of a node is not: there
    // are workers of others in it.
    if (scope.kind !== 'descendants') return pod.hostPid ? null : scope;
    if (this.#scopes.size > MOST_SCOPES) this.#scopes.clear();
    this.#scopes.set(key, scope);
    return scope;
  };

  #podOf(replica: Replica): Pod | undefined {
    return this.#pods.find((pod) => replica.id.startsWith(`${pod.uid}/`));
  }

  /** Pods of a StatefulSet are called like the ones before them: the name alone may mean another one. */
  #placeOf(api: ClusterApi, replica: Replica): Place {
    const { pod, container } = partsOf(replica);
    if (this.#pods.length > 0 && this.#podOf(replica) === undefined) {
      throw new DebugwandError({
        code: 'replica-gone',
        message: `pod \`${pod}\` does not exist any more`,
        fix: 'nothing to do: its successor is entered as soon as it runs',
      });
    }
    return { namespace: api.place.namespace, pod, container };
  }

  /** Names what goes wrong, with the replica's name in it. */
  async #named<T>(replica: Replica, signal: AbortSignal, work: (api: ClusterApi) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#connection.api(signal));
    } catch (error) {
      signal.throwIfAborted();
      const named = explainKubernetes(error, { place: this.#connection.place, replica: replica.name });
      throw named.code === 'replica-gone' && this.#stillRuns(replica) ? notReachedNow(named) : named;
    }
  }

  /** As far as the watch knows, which is what counts: a kubelet that has just started knows no container yet. */
  #stillRuns(replica: Replica): boolean {
    const status = this.#podOf(replica)?.containers.find(({ name }) => name === partsOf(replica).container)?.status;
    return status?.state.is === 'running' && replica.startedAt.endsWith(status.id);
  }
}

function partsOf({ name }: Replica): { readonly pod: string; readonly container: string } {
  const slash = name.indexOf('/');
  return { pod: name.slice(0, slash), container: name.slice(slash + 1) };
}

function notReachedNow({ message, fix, cause }: DebugwandError): DebugwandError {
  return new DebugwandError({ code: 'exec-failed', message, fix, cause });
}

function noOtherUser(replica: Replica, user: string): DebugwandError {
  return new DebugwandError({
    code: 'exec-denied',
    message: `the API server runs programs in \`${replica.name}\` as the container's own user only, not as ${user}`,
    fix: 'run the app as the user that the container starts with (`securityContext.runAsUser`)',
  });
}
