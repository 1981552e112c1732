import { chmod, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { contextNames, loadKubeconfig, type Kubeconfig } from '../../../src/targets/kubernetes-kubeconfig.ts';
import { folder, type Folder } from '../../support/folder.ts';

const signal = new AbortController().signal;

interface Parts {
  readonly current?: string;
  /** name → server */
  readonly clusters?: Readonly<Record<string, unknown>>;
  /** name → what `user` holds */
  readonly users?: Readonly<Record<string, unknown>>;
  /** name → [cluster, user, namespace] */
  readonly contexts?: Readonly<Record<string, readonly [string, string, string?]>>;
}

function config({ current, clusters = {}, users = {}, contexts = {} }: Parts): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    ...(current === undefined ? {} : { 'current-context': current }),
    clusters: Object.entries(clusters).map(([name, value]) => ({
      name,
      cluster: typeof value === 'string' ? { server: value } : value,
    })),
    users: Object.entries(users).map(([name, user]) => ({ name, user })),
    contexts: Object.entries(contexts).map(([name, [cluster, user, namespace]]) => ({
      name,
      context: { cluster, user, namespace },
    })),
  });
}

const ONE = config({
  current: 'dev',
  clusters: { dev: 'https://dev:6443/' },
  users: { dev: { token: 'secret' } },
  contexts: { dev: ['dev', 'dev', 'shop'], other: ['dev', 'dev'] },
});

async function load(dir: Folder, kubeconfig: readonly string[], context?: string): Promise<Kubeconfig> {
  const env = { KUBECONFIG: kubeconfig.map((file) => dir.at(file)).join(':') };
  return loadKubeconfig({
    env,
    home: dir.path,
    serviceAccount: dir.at('account'),
    ...(context === undefined ? {} : { context }),
  });
}

async function refusal(work: Promise<unknown>): Promise<DebugwandError> {
  const error: unknown = await work.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(error instanceof DebugwandError)) throw new Error(`no DebugwandError: ${String(error)}`, { cause: error });
  expect(error.fix).not.toBe('');
  return error;
}

async function headers(kubeconfig: Kubeconfig): Promise<Readonly<Record<string, string>>> {
  return (await kubeconfig.credentials(signal)).headers;
}

describe('which kubeconfig', () => {
  it('KUBECONFIG, then ~/.kube/config', async () => {
    await using dir = await folder({ one: ONE, '.kube/config': ONE.replace('https://dev', 'https://home') });
    expect(await load(dir, ['one'])).toMatchObject({ context: 'dev', namespace: 'shop', server: 'https://dev:6443' });
    expect(await load(dir, [])).toMatchObject({ server: 'https://home:6443' });
    const explicit = await loadKubeconfig({ file: dir.at('one'), env: { KUBECONFIG: '/nowhere' }, home: '/nowhere' });
    expect(explicit.server).toBe('https://dev:6443');
  });

  it('several files: the first that says something wins, those that do not exist are left out', async () => {
    await using dir = await folder({
      a: config({ clusters: { main: 'https://a' }, contexts: { x: ['main', 'late'] } }),
      b: config({
        current: 'x',
        clusters: { main: 'https://b', second: 'https://second' },
        users: { late: { token: 'b' } },
        contexts: { y: ['second', 'late', 'ns'], x: ['second', 'late'] },
      }),
      c: config({ current: 'y', users: { late: { token: 'c' } } }),
      empty: '',
    });
    const merged = await load(dir, ['missing', 'empty', 'a', 'b', 'c']);
    expect(merged).toMatchObject({ context: 'x', server: 'https://a', namespace: null });
    expect(await headers(merged)).toEqual({ authorization: 'Bearer b' });
    expect(await load(dir, ['a', 'b'], 'y')).toMatchObject({ server: 'https://second', namespace: 'ns' });
    const env = { KUBECONFIG: `${dir.at('a')}:${dir.at('b')}` };
    expect(await contextNames({ env, home: dir.path })).toEqual(['x', 'y']);
  });

  it('none at all is named, and is never http://localhost:8080', async () => {
    await using dir = await folder();
    const none = await refusal(load(dir, []));
    expect(none.code).toBe('kubeconfig-missing');
    expect(none.message).toContain(dir.at('.kube/config'));
    expect((await refusal(load(dir, ['a', 'b']))).message).toMatch(/\/a`, .*\/b` do not exist/);
    const file = dir.at('mine');
    expect((await refusal(loadKubeconfig({ file, env: {}, home: dir.path }))).message).toContain(file);
  });

  it('the service account of a pod, only when there is no kubeconfig', async () => {
    await using dir = await folder({
      'account/token': 'of-pod\n',
      'account/namespace': 'team\n',
      'account/ca.crt': 'CA',
    });
    const choose = (more: Readonly<Record<string, string>>): Promise<Kubeconfig> =>
      loadKubeconfig({
        env: { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443', ...more },
        home: dir.path,
        serviceAccount: dir.at('account'),
      });
    const inside = await choose({});
    expect(inside).toMatchObject({ context: 'in-cluster', namespace: 'team', server: 'https://[fd00::1]:443' });
    expect(await headers(inside)).toEqual({ authorization: 'Bearer of-pod' });
    await dir.write({ own: ONE });
    expect((await choose({ KUBECONFIG: dir.at('own') })).context).toBe('dev');
    // Outside of a pod the files alone mean nothing.
    expect((await refusal(load(dir, []))).code).toBe('kubeconfig-missing');
  });

  it.each([
    ['no YAML', 'a: [', /cannot be used/, 'kubeconfig-invalid'],
    ['no cluster', config({ current: 'a', contexts: { a: ['b', ''] } }), /cluster `b`/, 'kubeconfig-invalid'],
    [
      'no user',
      config({ current: 'a', contexts: { a: ['b', 'jane'] }, clusters: { b: 'https://b' } }),
      /user `jane`/,
      'kubeconfig-invalid',
    ],
    [
      'no server',
      config({ current: 'a', contexts: { a: ['b', ''] }, clusters: { b: 'ftp://b' } }),
      /valid `server`/,
      'kubeconfig-invalid',
    ],
    ['a word', 'hello', /no `current-context`/, 'context-not-found'],
    ['a list', '- a\n- b', /no `current-context`/, 'context-not-found'],
    ['nothing', '', /no `current-context`/, 'context-not-found'],
    [
      'lists of junk',
      '{"contexts":[1,null,{}],"users":7,"clusters":[{"name":"x"}]}',
      /no `current/,
      'context-not-found',
    ],
  ])('%s in it: says what is wrong', async (_name, text, words, code) => {
    await using dir = await folder({ one: text });
    const error = await refusal(load(dir, ['one']));
    expect(error.message).toMatch(words);
    expect(error.code).toBe(code);
  });

  it('an unknown context: did you mean', async () => {
    await using dir = await folder({ one: ONE });
    const error = await refusal(load(dir, ['one'], 'othr'));
    expect(error).toMatchObject({ code: 'context-not-found' });
    expect(error.message).toMatch(/no context `othr`.*did you mean `other`/);
    expect(error.fix).toMatch(/`dev`, `other`/);
  });
});

describe('credentials', () => {
  async function of(dir: Folder, user: unknown, cluster: unknown = 'https://c'): Promise<Kubeconfig> {
    const text = config({ current: 'c', clusters: { c: cluster }, users: { u: user }, contexts: { c: ['c', 'u'] } });
    await dir.write({ 'sub/config': text });
    return load(dir, ['sub/config']);
  }

  it('certificates, in the file or beside it', async () => {
    await using dir = await folder({ 'sub/ca.pem': 'CA', 'sub/cert.pem': 'CERT', 'sub/key.pem': 'KEY' });
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    const beside = await of(
      dir,
      { 'client-certificate': 'cert.pem', 'client-key': 'key.pem' },
      { server: 'https://c', 'certificate-authority': 'ca.pem', 'tls-server-name': 'name' },
    );
    const inside = await of(
      dir,
      { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') },
      { server: 'https://c', 'certificate-authority-data': base64('CA'), 'tls-server-name': 'name' },
    );
    for (const kubeconfig of [beside, inside]) {
      const { tls, proxy } = await kubeconfig.credentials(signal);
      expect({ ...tls, ca: String(tls.ca), cert: String(tls.cert), key: String(tls.key), proxy }).toEqual({
        ca: 'CA',
        cert: 'CERT',
        key: 'KEY',
        servername: 'name',
        rejectUnauthorized: true,
        proxy: null,
      });
    }
  });

  it('the CA counts without a user, too', async () => {
    await using dir = await folder();
    const cluster = { server: 'https://c', 'certificate-authority-data': Buffer.from('CA').toString('base64') };
    await dir.write({ one: config({ current: 'c', clusters: { c: cluster }, contexts: { c: ['c', ''] } }) });
    expect(String((await (await load(dir, ['one'])).credentials(signal)).tls.ca)).toBe('CA');
  });

  it('insecure-skip-tls-verify, basic authentication, impersonation, a proxy', async () => {
    await using dir = await folder();
    const kubeconfig = await of(
      dir,
      { username: 'jane', password: 'p', as: 'joe' },
      { server: 'https://c', 'insecure-skip-tls-verify': true, 'proxy-url': 'http://proxy:3128' },
    );
    const { headers: sent, tls, proxy } = await kubeconfig.credentials(signal);
    expect(sent).toEqual({
      authorization: `Basic ${Buffer.from('jane:p').toString('base64')}`,
      'impersonate-user': 'joe',
    });
    expect(tls.rejectUnauthorized).toBe(false);
    expect(proxy).not.toBeNull();
  });

  it('tokenFile, relative to the kubeconfig, its newline cut off', async () => {
    await using dir = await folder({ 'sub/token': 'from-file\n' });
    const kubeconfig = await of(dir, { tokenFile: 'token', token: 'inline' });
    expect(await headers(kubeconfig)).toEqual({ authorization: 'Bearer from-file' });
    expect(await kubeconfig.changed()).toBe(false);
    await dir.write({ 'sub/token': 'rotated, and longer' });
    expect(await kubeconfig.changed()).toBe(true);
  });

  it('a file that is gone is named', async () => {
    await using dir = await folder();
    const kubeconfig = await of(dir, { 'client-certificate': 'cert.pem', 'client-key': 'key.pem' });
    const error = await refusal(kubeconfig.credentials(signal));
    expect(error.code).toBe('kubernetes-credentials');
    expect(error.message).toContain(dir.at('sub/cert.pem'));
  });

  describe('of a plugin', () => {
    const API = 'client.authentication.k8s.io/v1';
    const script = (body: string): Record<string, unknown> => ({
      exec: { apiVersion: API, command: 'sh', args: ['-c', body] },
    });
    const credential = (status: unknown): string =>
      `echo '${JSON.stringify({ apiVersion: API, kind: 'ExecCredential', status })}'`;

    it('a token, asked for once until it expires', async () => {
      await using dir = await folder();
      const count = `echo run >> ${dir.at('runs')}; `;
      const lasting = await of(dir, script(count + credential({ token: 't' })));
      const all = await Promise.all([headers(lasting), headers(lasting), headers(lasting)]);
      expect([...all, await headers(lasting)]).toEqual(
        Array.from({ length: 4 }, () => ({ authorization: 'Bearer t' })),
      );
      const expired = await of(
        dir,
        script(count + credential({ token: 't', expirationTimestamp: '2001-01-01T00:00:00Z' })),
      );
      await headers(expired);
      await headers(expired);
      expect(await readFile(dir.at('runs'), 'utf8')).toBe('run\nrun\nrun\n');
    });

    it('a client certificate', async () => {
      await using dir = await folder();
      const status = { clientCertificateData: 'CERT', clientKeyData: 'KEY' };
      const kubeconfig = await of(dir, script(credential(status)));
      expect((await kubeconfig.credentials(signal)).tls).toMatchObject({ cert: 'CERT', key: 'KEY' });
    });

    it('is told what kubectl tells, with its environment, and found beside the kubeconfig', async () => {
      await using dir = await folder({
        'sub/plugin':
          '#!/bin/sh\nprintf \'{"status":{"token":"%s"}}\' "$EXTRA $(echo $KUBERNETES_EXEC_INFO | tr -d \'"\')"\n',
      });
      await chmod(dir.at('sub/plugin'), 0o755);
      const exec = {
        apiVersion: API,
        command: './plugin',
        env: [{ name: 'EXTRA', value: 'e' }],
        provideClusterInfo: true,
      };
      const { authorization } = await headers(await of(dir, { exec }));
      expect(authorization).toBe(
        `Bearer e {apiVersion:${API},kind:ExecCredential,spec:{interactive:false,cluster:{server:https://c}}}`,
      );
    });

    it.each([
      [
        'is missing',
        { exec: { command: 'no-such-plugin', installHint: 'brew install\n it' } },
        /`no-such-plugin` of the user `u` is not there/,
        /^brew install it$/,
      ],
      ['is missing, without a hint', { exec: { command: 'no-such-plugin' } }, /is not there/, /PATH/],
      ['fails', script('echo "please log in" >&2; exit 1'), /please log in/, /log in again.*`sh -c/],
      ['fails silently', script('exit 3'), /without a word/, /sh -c/],
      ['prints nothing', script(':'), /printed no ExecCredential/, /sh -c/],
      ['prints junk', script('echo "{}"'), /printed no ExecCredential/, /sh -c/],
      ['prints for ever', script('yes'), /printed more than a credential/, /sh -c/],
    ])('that %s is named', async (_name, user, words, fix) => {
      await using dir = await folder();
      const error = await refusal((await of(dir, user)).credentials(signal));
      expect(error.code).toBe('kubernetes-credentials');
      expect(error.message).toMatch(words);
      expect(error.fix).toMatch(fix);
    });
  });
});
