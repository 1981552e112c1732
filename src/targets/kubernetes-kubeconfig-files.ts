// Owns which files make up the kubeconfig and how they are merged, as kubectl does it. Must not know what a context means.
import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { DebugwandError, messageOf } from '../lib/errors.ts';
import { isFields } from '../lib/fields.ts';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';

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

export interface Merged {
  readonly config: KubeConfig;
  /** All that were looked at, those that do not exist included: they may come. */
  readonly files: readonly string[];
  /** By user: where its kubeconfig lies. */
  readonly folders: ReadonlyMap<string, string>;
  /** For messages. */
  readonly from: string;
}

/** As kubectl merges: the first file that says something wins; files that do not exist are left out. */
export async function readMerged(choice: KubeconfigChoice, create: () => KubeConfig): Promise<Merged> {
  const listed = (choice.env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  const files = (
    choice.file !== undefined ? [choice.file] : listed.length > 0 ? listed : [join(choice.home, '.kube', 'config')]
  ).map((file) => resolve(file));
  const merged = create();
  const folders = new Map<string, string>();
  const found: string[] = [];
  for (const file of files) {
    const text = await readText(file);
    if (text === null) continue;
    found.push(file);
    const one = create();
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
  const users = isFields(value) && Array.isArray(value['users']) ? (value['users'] as unknown[]) : [];
  for (const entry of users) {
    const settings = isFields(entry) && isFields(entry['user']) ? entry['user'] : {};
    const tokenFile = settings['tokenFile'];
    if (!isFields(entry) || typeof tokenFile !== 'string') continue;
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

export function invalid(from: string, why: string, cause?: unknown): DebugwandError {
  return new DebugwandError({
    code: 'kubeconfig-invalid',
    message: `the kubeconfig ${from} cannot be used: ${why}`,
    fix: 'see `kubectl config view`, or name another one: KUBECONFIG, or `kubeconfig` of the target in the config',
    cause,
  });
}
