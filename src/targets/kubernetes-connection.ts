// Owns the connection of one target to its cluster: context and namespace pinned at the first load, credentials renewed,
// one pool, and nothing but reading until the guard has passed. Must not know workloads.
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { homedir } from 'node:os';
import type { ClusterPlace } from '../core/types.ts';
import { asDebugwandError, type DebugwandError } from '../lib/errors.ts';
import { KubernetesFailure, type ClusterApi, type RequestOptions, type SocketOptions } from './kubernetes-api.ts';
import { guard, notAllowed } from './kubernetes-guard.ts';
import type { KubeconfigChoice } from './kubernetes-kubeconfig-files.ts';
import { loadKubeconfig, type Kubeconfig } from './kubernetes-kubeconfig.ts';
import { requestJson, requestStream, type Credentials, type WireRequest } from './kubernetes-request.ts';

/** A KubernetesSource will do. */
export interface ConnectionOptions {
  readonly context?: string;
  readonly kubeconfig?: string;
  readonly namespace?: string;
  readonly allowContexts: readonly string[];
  /** Default: of this process. */
  readonly env?: KubeconfigChoice['env'];
}

/** Credentials that were refused are not asked for anew more often than this, ms: a plugin may open a browser. */
const RENEW_EVERY_MS = 5_000;
/** After so long without a word TCP asks whether the other side is there. */
const KEEP_ALIVE_MS = 20_000;
/** Reviews of one's own rights are POSTs that write nothing. */
const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubject';

export class KubernetesConnection {
  readonly #options: ConnectionOptions;
  readonly #env: KubeconfigChoice['env'];
  readonly #agents: readonly [https: HttpsAgent, http: HttpAgent];
  readonly #close = new AbortController();
  #kubeconfig: Kubeconfig | null = null;
  #loading: Promise<Kubeconfig> | null = null;
  #place: ClusterPlace | null = null;
  /** Why the kubeconfig could not be read anew; the former one is used meanwhile. */
  #stale: DebugwandError | null = null;
  #loads = 0;
  #loadedAt = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#env = options.env ?? process.env;
    const keepAlive = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, scheduling: 'lifo' as const };
    this.#agents = [new HttpsAgent(keepAlive), new HttpAgent(keepAlive)];
  }

  /** Null until the kubeconfig has been read. */
  get place(): ClusterPlace | null {
    return this.#place;
  }

  /**
   * Reads the kubeconfig; the first request meets the server.
   * @throws DebugwandError `kubeconfig-missing`, `kubeconfig-invalid`, `context-not-found`
   */
  async api(signal: AbortSignal): Promise<ClusterApi> {
    await this.#current();
    signal.throwIfAborted();
    return this.#api;
  }

  close(): void {
    this.#close.abort();
    for (const agent of this.#agents) agent.destroy();
    this.#kubeconfig?.close();
  }

  readonly #api: ClusterApi = this.#clusterApi();

  #clusterApi(): ClusterApi {
    const placeOf = (): ClusterPlace => this.#placeNow();
    return {
      get place() {
        return placeOf();
      },
      request: async (method, path, options, signal) => {
        if (method !== 'GET' && !path.startsWith(REVIEWS)) this.#passGuard();
        return this.#send((credentials) => this.#wire(method, path, options, credentials), requestJson, signal);
      },
      stream: (path, options, signal) =>
        this.#send((credentials) => this.#wire('GET', path, options, credentials), requestStream, signal),
      socketOptions: (signal) => this.#socketOptions(signal),
      renew: async (signal) => {
        await this.#renew(this.#loads);
        signal.throwIfAborted();
      },
    };
  }

  #placeNow(): ClusterPlace {
    if (this.#place === null) throw asDebugwandError('the kubeconfig has not been read');
    return this.#place;
  }

  #passGuard(): void {
    const place = this.#placeNow();
    if (!place.guard.allowed) throw notAllowed(place);
  }

  #wire(method: WireRequest['method'], path: string, options: RequestOptions, credentials: Credentials): WireRequest {
    const agent = this.#agents[credentials.baseUrl.startsWith('http:') ? 1 : 0];
    return { method, path, options, credentials, agent };
  }

  async #socketOptions(signal: AbortSignal): Promise<SocketOptions> {
    const { baseUrl, headers, tls, proxy } = await this.#credentials(signal);
    this.#passGuard();
    return { baseUrl: baseUrl.replace(/^http/, 'ws'), headers, ...tls, ...(proxy === null ? {} : { agent: proxy }) };
  }

  /** A 401 is answered once with credentials that were asked for anew. */
  async #send<T>(
    build: (credentials: Credentials) => WireRequest,
    run: (request: WireRequest, signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const ended = AbortSignal.any([signal, this.#close.signal]);
    const credentials = await this.#credentials(ended);
    const loads = this.#loads;
    try {
      return await run(build(credentials), ended);
    } catch (error) {
      if (!(error instanceof KubernetesFailure) || error.status !== 401) {
        // The context may be gone from the kubeconfig together with its server: then that is the news.
        if (this.#stale !== null && !(error instanceof KubernetesFailure) && !ended.aborted) throw this.#stale;
        throw error;
      }
      if (!(await this.#renew(loads))) {
        if (this.#stale !== null) throw this.#stale;
        throw error;
      }
      return run(build(await this.#credentials(ended)), ended);
    }
  }

  async #credentials(signal: AbortSignal): Promise<Credentials> {
    let kubeconfig = await this.#current();
    if (await kubeconfig.changed()) kubeconfig = await this.#reload();
    // It is as it was read: a moment without it is no news any more.
    else this.#stale = null;
    try {
      return await kubeconfig.credentials(signal);
    } catch (error) {
      // The library remembers what a plugin printed, whatever it was: begin anew next time.
      if (!signal.aborted && this.#kubeconfig === kubeconfig) {
        kubeconfig.retire();
        this.#kubeconfig = null;
      }
      throw error;
    }
  }

  /** False: they were asked for anew just now, and that did not help. */
  async #renew(loads: number): Promise<boolean> {
    if (loads !== this.#loads) return true;
    if (Date.now() - this.#loadedAt < RENEW_EVERY_MS && this.#loads > 1) return false;
    await this.#reload();
    return loads !== this.#loads;
  }

  #current(): Promise<Kubeconfig> {
    return this.#kubeconfig === null ? this.#load() : Promise.resolve(this.#kubeconfig);
  }

  /** Keeps the former one while the new one cannot be read: it may be in the midst of being written. */
  async #reload(): Promise<Kubeconfig> {
    const former = this.#kubeconfig;
    try {
      return await this.#load();
    } catch (error) {
      this.#stale = asDebugwandError(error);
      if (former === null) throw error;
      return former;
    }
  }

  /** The context stays the one of the first load, whatever becomes of `current-context`. */
  #load(): Promise<Kubeconfig> {
    const context = this.#place?.context ?? this.#options.context;
    this.#loading ??= loadKubeconfig({
      ...(this.#options.kubeconfig === undefined ? {} : { file: this.#options.kubeconfig }),
      ...(context === undefined ? {} : { context }),
      env: this.#env,
      home: this.#env['HOME'] ?? homedir(),
    })
      .then((kubeconfig) => {
        this.#kubeconfig?.retire();
        this.#kubeconfig = kubeconfig;
        if (this.#close.signal.aborted) kubeconfig.close();
        this.#stale = null;
        this.#loads += 1;
        this.#loadedAt = Date.now();
        this.#pin(kubeconfig);
        return kubeconfig;
      })
      .finally(() => {
        this.#loading = null;
      });
    return this.#loading;
  }

  #pin({ context, namespace, server, proxied }: Kubeconfig): void {
    this.#place = {
      context,
      namespace: this.#place?.namespace ?? this.#options.namespace ?? namespace ?? 'default',
      server,
      guard: guard(context, server, this.#options.allowContexts, proxied),
    };
  }
}
