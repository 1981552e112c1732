/** Who is who in the test cluster: one authority, a certificate for each program, and kubeconfigs that carry them. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { aptInstall } from './debian.ts';
import { run } from './run.ts';

/** Elliptic: a key takes milliseconds, where one of RSA takes a second. */
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '3650'];

interface Identity {
  readonly subject: string;
  /** What a serving certificate is for. */
  readonly names?: string;
}

/** Writes `<name>.crt` and `<name>.key` for every program into `folder`. `address`: where pods reach the API server. */
export async function writeCertificates(folder: string, node: string, address: string): Promise<void> {
  await aptInstall({ openssl: 'openssl' });
  await mkdir(folder, { recursive: true });
  const identities: Record<string, Identity> = {
    apiserver: {
      subject: '/CN=kube-apiserver',
      names: `IP:127.0.0.1,IP:${address},DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc`,
    },
    admin: { subject: '/O=system:masters/CN=admin' },
    // The API server as a client of the kubelet: it may do all there.
    'kubelet-client': { subject: '/O=system:masters/CN=kube-apiserver-kubelet-client' },
    controllers: { subject: '/CN=system:kube-controller-manager' },
    scheduler: { subject: '/CN=system:kube-scheduler' },
    node: { subject: `/O=system:nodes/CN=system:node:${node}`, names: `IP:127.0.0.1,IP:${address},DNS:${node}` },
  };
  const at = (name: string): string => join(folder, name);
  const ca = ['-keyout', at('ca.key'), '-out', at('ca.crt'), '-subj', '/CN=debugwand-test'];
  await run('openssl', ['req', '-x509', ...NEW_KEY, ...ca]);
  const curve = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  await run('openssl', ['genpkey', ...curve, '-out', at('service-accounts.key')]);
  await run('openssl', ['pkey', '-in', at('service-accounts.key'), '-pubout', '-out', at('service-accounts.pub')]);
  for (const [name, { subject, names }] of Object.entries(identities)) {
    const extensions = [
      'basicConstraints=critical,CA:FALSE',
      'extendedKeyUsage=serverAuth,clientAuth',
      ...(names === undefined ? [] : [`subjectAltName=${names}`]),
    ].flatMap((extension) => ['-addext', extension]);
    const signed = [
      '-CA',
      at('ca.crt'),
      '-CAkey',
      at('ca.key'),
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.crt`),
    ];
    await run('openssl', ['req', '-x509', ...NEW_KEY, ...signed, '-subj', subject, ...extensions]);
  }
}

/** How a kubeconfig says who its user is. */
export type KubeconfigUser = Readonly<Record<string, unknown>>;

/** The user of a certificate that `writeCertificates` wrote, with the bytes in it: such a file can be copied anywhere. */
export async function certificateUser(folder: string, name: string): Promise<KubeconfigUser> {
  const base64 = (file: string): Promise<string> => readFile(join(folder, file), 'base64');
  return {
    'client-certificate-data': await base64(`${name}.crt`),
    'client-key-data': await base64(`${name}.key`),
  };
}

/** Writes a kubeconfig. JSON is YAML. */
export async function writeKubeconfig(
  file: string,
  certificates: string,
  server: string,
  user: KubeconfigUser,
  context: { readonly name?: string; readonly namespace?: string } = {},
): Promise<string> {
  const name = context.name ?? 'debugwand-test';
  const namespace = context.namespace === undefined ? {} : { namespace: context.namespace };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name,
        cluster: { server, 'certificate-authority-data': await readFile(join(certificates, 'ca.crt'), 'base64') },
      },
    ],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name, ...namespace } }],
    'current-context': name,
  };
  await writeFile(file, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
  return file;
}
