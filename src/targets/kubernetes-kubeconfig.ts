// Owns the kubeconfig: which files, which context, and the credentials that they give. The only file that knows the
// Kubernetes client library. Must not talk to a cluster.
import { readFile, stat } from 'node:fs/promises';
import { Agent } from 'node:http';
import type { RequestOptions } from 'node:https';
import { delimiter, dirname, join, resolve } from 'node:path';
import { DebugwandError, messageOf } from '../lib/errors.ts';
import { nearest } from '../lib/nearest.ts';
import { CredentialPlugin } from './kubernetes-credential-plugin.ts';
import type { Credentials } from './kubernetes-request.ts';
import './lean-kubernetes.ts';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { Cluster, Context, User } from '@kubernetes/client-node/dist/config_types.js';

export interface KubeconfigChoice {
  /** Absolute; default: KUBECONFIG, then ~/.kube/config, then the service account of the pod that we run in. */
  readonly file?: string;
  /** Default: the current one. */
  readonly context?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** @internal for tests */
  readonly serviceAccount?: string;
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const IN_CLUSTER = 'in-cluster';

/** One context of the kubeconfig, as it was when it was read. */
export class Kubeconfig {
  readonly context: string;
  /** Of the context; null: it names none. */
  readonly namespace: string | null;
  readonly server: string;
  readonly #config: KubeConfig;
  readonly #plugin: CredentialPlugin | null;
  readonly #proxied: boolean;
  readonly #files: readonly string[];
  readonly #stamps: string;
  #asking: Promise<Credentials> | null = null;

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
    this.#proxied = cluster.proxyUrl !== undefined;
    this.#files = files;
    this.#stamps = stamps;
    this.#plugin = pluginOf(config, user, cluster, folder);
  }

  /** Did one of its files change since it was read? Certificates and tokens count. */
  async changed(): Promise<boolean> {
    return (await stampsOf(this.#files)) !== this.#stamps;
  }

  /** Credentials that are valid now; a plugin runs at most once at a time. */
  async credentials(signal: AbortSignal): Promise<Credentials> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    const credentials = await this.#asking;
    signal.throwIfAborted();
    return credentials;
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
      proxy: this.#proxied && options.agent instanceof Agent ? options.agent : null,
    };
  }
}

function pem<K extends 'ca' | 'cert' | 'key'>(name: K, value: unknown): Partial<Record<K, string | Buffer>> {
  return typeof value === 'string' || Buffer.isBuffer(value)
    ? ({ [name]: value } as Partial<Record<K, string | Buffer>>)
    : {};
}

/** @throws DebugwandError `kubeconfig-missing`, `kubeconfig-invalid`, `context-not-found` */
export async function loadKubeconfig(choice: KubeconfigChoice): Promise<Kubeconfig> {
  const { config, files, folders, from } = await readMerged(choice);
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
  return (await readMerged(choice)).config.contexts.map(({ name }) => name);
}

interface Merged {
  readonly config: KubeConfig;
  /** All that were looked at, those that do not exist included: they may come. */
  readonly files: readonly string[];
  /** By user: where its kubeconfig lies. */
  readonly folders: ReadonlyMap<string, string>;
  /** For messages. */
  readonly from: string;
}

/** As kubectl merges: the first file that says something wins; files that do not exist are left out. */
async function readMerged(choice: KubeconfigChoice): Promise<Merged> {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const listed = (choice.env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  const files = (
    choice.file !== undefined ? [choice.file] : listed.length > 0 ? listed : [join(choice.home, '.kube', 'config')]
  ).map((file) => resolve(file));
  const merged = new KubeConfig();
  const folders = new Map<string, string>();
  const found: string[] = [];
  for (const file of files) {
    const text = await readText(file);
    if (text === null) continue;
    found.push(file);
    const one = new KubeConfig();
    if (text.trim() !== '') {
      try {
        one.loadFromString(text, { onInvalidEntry: 'filter' });
      } catch (error) {
        throw invalid(file, messageOf(error).split('\n')[0] ?? '', error);
      }
    }
    one.makePathsAbsolute(dirname(file));
    if (text.includes('tokenFile')) await useTokenFiles(one, text, dirname(file));
    for (const user of one.users) if (!folders.has(user.name)) folders.set(user.name, dirname(file));
    addMissing(merged.contexts, one.contexts);
    addMissing(merged.clusters, one.clusters);
    addMissing(merged.users, one.users);
    if (!merged.currentContext) merged.currentContext = one.currentContext;
  }
  if (found.length > 0) return { config: merged, files, folders, from: found.join(', ') };
  if (choice.file === undefined) {
    const account = await inCluster(merged, choice);
    if (account) return { config: merged, files, folders, from: 'the service account of this pod' };
  }
  throw new DebugwandError({
    code: 'kubeconfig-missing',
    message: `there is no kubeconfig: ${files.map((file) => `\`${file}\``).join(', ')} ${files.length > 1 ? 'do' : 'does'} not exist`,
    fix: 'fetch one from the cluster (`kind export kubeconfig`, `aws eks update-kubeconfig`, `gcloud container clusters get-credentials`, …), or name it: KUBECONFIG, or `kubeconfig` of the target in the config',
  });
}

function addMissing<T extends { readonly name: string }>(to: T[], from: readonly T[]): void {
  for (const entry of from) if (!to.some(({ name }) => name === entry.name)) to.push(entry);
}

async function readText(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw invalid(file, messageOf(error), error);
  }
}

/** `tokenFile` of a user: the library reads such files, but does not know this field of the kubeconfig. */
async function useTokenFiles(config: KubeConfig, text: string, folder: string): Promise<void> {
  const { parseYaml } = await import('../lib/yaml.ts');
  const parsed = parseYaml(text);
  const value = 'value' in parsed ? parsed.value : null;
  const users = isRecord(value) && Array.isArray(value['users']) ? (value['users'] as unknown[]) : [];
  for (const entry of users) {
    const settings = isRecord(entry) && isRecord(entry['user']) ? entry['user'] : {};
    const tokenFile = settings['tokenFile'];
    if (!isRecord(entry) || typeof tokenFile !== 'string') continue;
    const user = config.users.find(({ name }) => name === entry['name']);
    if (user === undefined) continue;
    const provider = { name: 'tokenFile', config: { tokenFile: resolve(folder, tokenFile) } };
    Object.assign(user, { authProvider: provider, token: undefined });
  }
}

async function inCluster(config: KubeConfig, choice: KubeconfigChoice): Promise<boolean> {
  const folder = choice.serviceAccount ?? SERVICE_ACCOUNT;
  const host = choice.env['KUBERNETES_SERVICE_HOST'] ?? '';
  const tokenFile = join(folder, 'token');
  if (host === '' || (await readText(tokenFile)) === null) return false;
  const namespace = (await readText(join(folder, 'namespace')))?.trim();
  const address = host.includes(':') ? `[${host}]` : host;
  config.loadFromOptions({
    clusters: [
      {
        name: IN_CLUSTER,
        server: `https://${address}:${choice.env['KUBERNETES_SERVICE_PORT'] ?? '443'}`,
        caFile: join(folder, 'ca.crt'),
        skipTLSVerify: false,
      },
    ],
    users: [{ name: IN_CLUSTER, authProvider: { name: 'tokenFile', config: { tokenFile } } }],
    contexts: [
      { name: IN_CLUSTER, cluster: IN_CLUSTER, user: IN_CLUSTER, ...(namespace === undefined ? {} : { namespace }) },
    ],
    currentContext: IN_CLUSTER,
  });
  return true;
}

function tokenFileOf(user: User): string | undefined {
  const provider: unknown = user.authProvider;
  const config = isRecord(provider) && isRecord(provider['config']) ? provider['config'] : {};
  return typeof config['tokenFile'] === 'string' ? config['tokenFile'] : undefined;
}

/** Puts our way to run a plugin into the library, which gives it no limit and not what kubectl gives. */
function pluginOf(config: KubeConfig, user: User, cluster: Cluster, folder: string): CredentialPlugin | null {
  const exec: unknown = user.exec;
  if (!isRecord(exec) || typeof exec['command'] !== 'string') return null;
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

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(from: string, why: string, cause?: unknown): DebugwandError {
  return new DebugwandError({
    code: 'kubeconfig-invalid',
    message: `the kubeconfig ${from} cannot be used: ${why}`,
    fix: 'see `kubectl config view`, or name another one: KUBECONFIG, or `kubeconfig` of the target in the config',
    cause,
  });
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
