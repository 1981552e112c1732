// Owns the kubeconfig: which files, which context, and the credentials that they give. The only file that knows the
// Kubernetes client library. Must not talk to a cluster.
import { stat } from 'node:fs/promises';
import { Agent } from 'node:http';
import type { RequestOptions } from 'node:https';
import { DebugwandError, messageOf } from '../lib/errors.ts';
import { nearest } from '../lib/nearest.ts';
import { CredentialPlugin } from './kubernetes-credential-plugin.ts';
import { invalid, readMerged, type KubeconfigChoice, type Merged } from './kubernetes-kubeconfig-files.ts';
import { isFields } from '../lib/fields.ts';
import { environmentProxy } from './kubernetes-proxy.ts';
import type { Credentials } from './kubernetes-request.ts';
import './lean-kubernetes.ts';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { Cluster, Context, User } from '@kubernetes/client-node/dist/config_types.js';

/** One context of the kubeconfig, as it was when it was read. */
export class Kubeconfig {
  readonly context: string;
  /** Of the context; null: it names none. */
  readonly namespace: string | null;
  readonly server: string;
  /** It is reached through a proxy. */
  readonly proxied: boolean;
  readonly #config: KubeConfig;
  readonly #plugin: CredentialPlugin | null;
  readonly #files: readonly string[];
  readonly #stamps: string;
  #asking: Promise<Credentials> | null = null;
  /** To the proxy, once there were credentials. */
  #proxy: Agent | null = null;

  /** @internal */
  constructor(
    config: KubeConfig,
    context: Context,
    cluster: Cluster,
    user: User,
    files: readonly string[],
    stamps: string,
    folder: string,
  ) {
    this.#config = config;
    this.context = context.name;
    this.namespace = context.namespace ?? null;
    this.server = cluster.server;
    this.proxied = cluster.proxyUrl !== undefined;
    this.#files = files;
    this.#stamps = stamps;
    this.#plugin = pluginOf(config, user, cluster, folder);
  }

  /** Did one of its files change since it was read? Certificates and tokens count. */
  async changed(): Promise<boolean> {
    return (await stampsOf(this.#files)) !== this.#stamps;
  }

  /** It is replaced: what is under way goes on, nothing new is begun. */
  retire(): void {
    if (this.#proxy === null) return;
    Object.assign(this.#proxy, { keepAlive: false });
    for (const sockets of Object.values(this.#proxy.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  close(): void {
    this.#proxy?.destroy();
    this.#plugin?.close();
  }

  /** Credentials that are valid now; a plugin runs at most once at a time. */
  async credentials(signal: AbortSignal): Promise<Credentials> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return unlessAborted(this.#asking, signal);
  }

  async #ask(): Promise<Credentials> {
    const options: RequestOptions = {};
    try {
      await this.#config.applyToHTTPSOptions(options);
    } catch (error) {
      if (this.#plugin !== null) throw this.#plugin.explain(error);
      throw new DebugwandError({
        code: 'kubernetes-credentials',
        message: `the context \`${this.context}\` gives no credentials: ${messageOf(error).split('\n')[0] ?? ''}`,
        fix: `log in to the cluster again; see \`kubectl --context ${this.context} auth whoami\``,
        cause: error,
      });
    }
    // The library's agents for proxies open a connection, and a tunnel, for each request unless they are told.
    if (this.proxied && options.agent instanceof Agent) this.#proxy = Object.assign(options.agent, { keepAlive: true });
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      // A token read from a file may end with a newline.
      if (typeof value === 'string') headers[name.toLowerCase()] = value.trim();
    }
    if (typeof options.auth === 'string') {
      headers['authorization'] ??= `Basic ${Buffer.from(options.auth).toString('base64')}`;
    }
    return {
      baseUrl: this.server,
      headers,
      tls: {
        ...pem('ca', options.ca),
        ...pem('cert', options.cert),
        ...pem('key', options.key),
        ...(typeof options.servername === 'string' ? { servername: options.servername } : {}),
        rejectUnauthorized: options.rejectUnauthorized !== false,
      },
      proxy: this.#proxy,
    };
  }
}

/** A plugin may take long: who does not want its answer any more does not wait for it. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    void work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', abort);
    });
  });
}

function pem<K extends 'ca' | 'cert' | 'key'>(name: K, value: unknown): Partial<Record<K, string | Buffer>> {
  return typeof value === 'string' || Buffer.isBuffer(value)
    ? ({ [name]: value } as Partial<Record<K, string | Buffer>>)
    : {};
}

/** @throws DebugwandError `kubeconfig-missing`, `kubeconfig-invalid`, `context-not-found` */
export async function loadKubeconfig(choice: KubeconfigChoice): Promise<Kubeconfig> {
  const { config, files, folders, from } = await merged(choice);
  const names = config.contexts.map(({ name }) => name);
  const wanted = choice.context ?? config.currentContext ?? '';
  const context = config.contexts.find(({ name }) => name === wanted);
  if (context === undefined) throw contextNotFound(wanted, names, from);
  const cluster = config.clusters.find(({ name }) => name === context.cluster);
  if (cluster === undefined || !/^https?:\/\/./.test(cluster.server)) {
    throw invalid(
      from,
      `the cluster \`${context.cluster}\` of the context \`${context.name}\` is not there or has no valid \`server\``,
    );
  }
  const user = config.users.find(({ name }) => name === context.user) ?? { name: context.user };
  if (!config.users.includes(user)) {
    if (context.user !== undefined && context.user !== '') {
      throw invalid(from, `the user \`${context.user}\` of the context \`${context.name}\` is not there`);
    }
    config.users.push(user);
  }
  config.setCurrentContext(context.name);
  // The library refuses plain HTTP (`kubectl proxy`) unless TLS is not checked, which means nothing there.
  if (cluster.server.startsWith('http:')) Object.assign(cluster, { skipTLSVerify: true });
  const proxyUrl = cluster.proxyUrl ?? environmentProxy(choice.env, cluster.server);
  if (proxyUrl !== null) Object.assign(cluster, { proxyUrl });
  const watched = [
    ...files,
    ...[cluster.caFile, user.certFile, user.keyFile, tokenFileOf(user)].filter(
      (file) => file !== undefined && file !== null,
    ),
  ];
  return new Kubeconfig(
    config,
    context,
    cluster,
    user,
    watched,
    await stampsOf(watched),
    folders.get(user.name) ?? '/',
  );
}

/** The contexts that can be named. */
export async function contextNames(choice: KubeconfigChoice): Promise<readonly string[]> {
  return (await merged(choice)).config.contexts.map(({ name }) => name);
}

async function merged(choice: KubeconfigChoice): Promise<Merged> {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  return readMerged(choice, () => new KubeConfig());
}

function tokenFileOf(user: User): string | undefined {
  const provider: unknown = user.authProvider;
  const config = isFields(provider) && isFields(provider['config']) ? provider['config'] : {};
  return typeof config['tokenFile'] === 'string' ? config['tokenFile'] : undefined;
}

/** Puts our way to run a plugin into the library, which gives it no limit and not what kubectl gives. */
function pluginOf(config: KubeConfig, user: User, cluster: Cluster, folder: string): CredentialPlugin | null {
  const exec: unknown = user.exec;
  if (!isFields(exec) || typeof exec['command'] !== 'string') return null;
  const plugin = new CredentialPlugin({
    user: user.name,
    command: exec['command'],
    args: Array.isArray(exec['args']) ? exec['args'].map(String) : [],
    apiVersion: typeof exec['apiVersion'] === 'string' ? exec['apiVersion'] : 'client.authentication.k8s.io/v1',
    installHint:
      typeof exec['installHint'] === 'string' ? exec['installHint'].trim().replaceAll(/\s+/g, ' ').slice(0, 500) : null,
    cluster:
      exec['provideClusterInfo'] === true
        ? {
            server: cluster.server,
            ...(cluster.caData === undefined ? {} : { 'certificate-authority-data': cluster.caData }),
            ...(cluster.tlsServerName === undefined ? {} : { 'tls-server-name': cluster.tlsServerName }),
            ...(cluster.skipTLSVerify ? { 'insecure-skip-tls-verify': true } : {}),
            ...(cluster.proxyUrl === undefined ? {} : { 'proxy-url': cluster.proxyUrl }),
          }
        : null,
    folder,
  });
  for (const authenticator of config['authenticators']) {
    if ('execFn' in authenticator) Object.assign(authenticator, { execFn: plugin.spawn });
  }
  return plugin;
}

async function stampsOf(files: readonly string[]): Promise<string> {
  const stamps = files.map((file) =>
    stat(file).then(
      ({ mtimeMs, size, ino }) => `${String(mtimeMs)} ${String(size)} ${String(ino)}`,
      () => 'none',
    ),
  );
  return (await Promise.all(stamps)).join('\n');
}

function contextNotFound(wanted: string, names: readonly string[], from: string): DebugwandError {
  const guess = wanted === '' ? null : nearest(wanted, names);
  const listed = names
    .slice(0, 8)
    .map((name) => `\`${name}\``)
    .join(', ');
  return new DebugwandError({
    code: 'context-not-found',
    message:
      wanted === ''
        ? `no context is chosen: ${from} has no \`current-context\``
        : `there is no context \`${wanted}\` in ${from}${guess === null ? '' : `: did you mean \`${guess}\`?`}`,
    fix:
      names.length === 0
        ? 'it has no context at all: fetch the kubeconfig of your cluster again'
        : `set \`context\` in the config, or \`--context\`: ${listed}${names.length > 8 ? ', …' : ''}`,
  });
}
