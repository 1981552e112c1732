/** Users of a test cluster other than its admin: service accounts with exactly the rights that a test gives them. */
import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cluster } from './kubernetes-cluster.ts';
import { writeKubeconfig, type KubeconfigUser } from './kubernetes-certificates.ts';
import { pathsOf } from './kubernetes-settings.ts';
import { DOCUMENTED_RULES, type PolicyRule } from '../../src/targets/kubernetes-rules.ts';

export { DOCUMENTED_RULES };

export interface AccessOptions {
  readonly namespace: string;
  /** Default: `DOCUMENTED_RULES`. */
  readonly rules?: readonly PolicyRule[];
  /** How long a token lives. Default: a day. The API server may go on believing in one for ten seconds more. */
  readonly seconds?: number;
  /** The token comes from a program that the kubeconfig names, as with cloud providers. */
  readonly execPlugin?: boolean;
  /** Name of the context, and of its cluster. */
  readonly context?: string;
}

export interface Access {
  /** Path of the kubeconfig; its context names the namespace. */
  readonly path: string;
  readonly account: string;
  /** Gives the account another token: in the kubeconfig, or to be had from its plugin from now on. */
  readonly renew: (seconds?: number) => Promise<void>;
  /** Changes what the account may do, from now on. */
  readonly setRules: (rules: readonly PolicyRule[]) => Promise<void>;
}

const DAY = 86_400;
/** The API server takes a token for that much longer than it says, as its clock may be another. */
const LEEWAY = 60;

/** Makes a service account with these rights in that namespace, and a kubeconfig for it. They go with the namespace. */
export async function kubeconfigFor(cluster: Cluster, options: AccessOptions): Promise<Access> {
  const { namespace, rules = DOCUMENTED_RULES, seconds = DAY, execPlugin = false } = options;
  const account = `developer-${randomUUID().slice(0, 8)}`;
  const metadata = { name: account, namespace };
  const setRules = (allowed: readonly PolicyRule[]): Promise<void> =>
    cluster.apply({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules: allowed });
  await cluster.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata });
  await setRules(rules);
  await cluster.apply({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: account },
    subjects: [{ kind: 'ServiceAccount', name: account, namespace }],
  });
  const uid = await cluster.kubectl('get', 'serviceaccount', account, '-n', namespace, '-o=jsonpath={.metadata.uid}');
  const { certificates } = pathsOf(cluster.state);
  const path = join(cluster.state.run, `${account}.kubeconfig`);
  const credential = join(cluster.state.run, `${account}.credential`);
  const context = { namespace, ...(options.context === undefined ? {} : { name: options.context }) };
  const write = (user: KubeconfigUser): Promise<string> =>
    writeKubeconfig(path, certificates, cluster.server, user, context);
  const renew = async (lifetime = DAY): Promise<void> => {
    const expires = Math.floor(Date.now() / 1000) + lifetime;
    const token = await signToken(certificates, { namespace, account, uid, expires });
    if (!execPlugin) {
      await write({ token });
      return;
    }
    const status = { token, expirationTimestamp: new Date(expires * 1000).toISOString() };
    const answer = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status };
    await writeFile(credential, JSON.stringify(answer), { mode: 0o600 });
  };
  await renew(seconds);
  if (execPlugin) {
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'cat', args: [credential] };
    await write({ exec: { ...exec, interactiveMode: 'Never' } });
  }
  return { path, account, renew, setRules };
}

/**
 * A token as the API server would give it, signed with its key: it gives none that lives for less than ten minutes, and
 * no test waits for that.
 */
async function signToken(
  certificates: string,
  claims: { namespace: string; account: string; uid: string; expires: number },
): Promise<string> {
  const { namespace, account, uid, expires } = claims;
  const issuer = 'https://kubernetes.default.svc';
  const since = Math.floor(Date.now() / 1000) - 2 * LEEWAY;
  const body = {
    aud: [issuer],
    exp: expires - LEEWAY,
    iat: since,
    nbf: since,
    iss: issuer,
    jti: randomUUID(),
    sub: `system:serviceaccount:${namespace}:${account}`,
    'kubernetes.io': { namespace, serviceaccount: { name: account, uid } },
  };
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const text = `${encode({ alg: 'ES256', typ: 'JWT' })}.${encode(body)}`;
  const key = createPrivateKey(await readFile(join(certificates, 'service-accounts.key')));
  return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}
