import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { KubernetesFailure, type ClusterApi } from '../../../src/targets/kubernetes-api.ts';
import { KubernetesConnection, type ConnectionOptions } from '../../../src/targets/kubernetes-connection.ts';
import { FakeApiServer } from '../../support/fake-api-server.ts';
import { folder, type Folder } from '../../support/folder.ts';
import { until } from '../../support/until.ts';

const { signal } = new AbortController();
const leftovers: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of leftovers.splice(0)) await one[Symbol.asyncDispose]();
});

interface Stage {
  readonly server: FakeApiServer;
  readonly dir: Folder;
  readonly connection: KubernetesConnection;
  readonly api: ClusterApi;
  readonly get: () => Promise<unknown>;
}

function kubeconfig(server: string, user: unknown, context = 'first', namespace?: string): string {
  return JSON.stringify({
    'current-context': context,
    contexts: [{ name: context, context: { cluster: 'c', user: 'u', namespace } }],
    clusters: [{ name: 'c', cluster: { server } }],
    users: [{ name: 'u', user }],
  });
}

async function stage(user: unknown, options: Partial<ConnectionOptions> = {}): Promise<Stage> {
  const server = await FakeApiServer.start();
  const dir = await folder({ config: kubeconfig(server.url, user) });
  const connection = new KubernetesConnection({ kubeconfig: dir.at('config'), allowContexts: [], ...options });
  leftovers.push({ [Symbol.asyncDispose]: () => Promise.resolve(connection.close()) }, server, dir);
  const api = await connection.api(signal);
  return { server, dir, connection, api, get: () => api.request('GET', '/api/v1/things', {}, signal) };
}

async function refusal(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'no refusal',
    (error: unknown) => error,
  );
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('the connection to a cluster', () => {
  it('is pinned to the first context and namespace, whatever becomes of the file', async () => {
    const { connection, server, dir, get } = await stage({ token: 'a' });
    expect(connection.place).toMatchObject({ context: 'first', namespace: 'default', server: server.url });
    const both = JSON.parse(kubeconfig(server.url, { token: 'b' }, 'first', 'moved')) as Record<string, unknown[]>;
    const other = JSON.parse(kubeconfig('https://127.0.0.1:1', {}, 'second')) as Record<string, unknown[]>;
    both['contexts']?.push(...(other['contexts'] ?? []));
    await dir.write({ config: JSON.stringify({ ...both, 'current-context': 'second' }) });
    await get();
    expect(connection.place).toMatchObject({ context: 'first', namespace: 'default' });
    expect(server.requests.at(-1)?.authorization).toBe('Bearer b');
  });

  it('follows the server of its context, and decides anew whether it may be entered', async () => {
    const { connection, dir, api, get } = await stage({ token: 'a' });
    expect(connection.place?.guard.allowed).toBe(true);
    await dir.write({ config: kubeconfig('http://moved.invalid:1', { token: 'a' }) });
    await refusal(get());
    expect(api.place).toMatchObject({ server: 'http://moved.invalid:1', guard: { allowed: false } });
    expect(await refusal(api.socketOptions(signal))).toMatchObject({ code: 'context-not-allowed' });
  });

  it('only reads while the guard refuses, and asks about its rights', async () => {
    const { connection, dir, api, server } = await stage({ token: 'a' });
    await dir.write({ config: kubeconfig(server.url, { token: 'a' }, 'prod') });
    const prod = new KubernetesConnection({ kubeconfig: dir.at('config'), allowContexts: [] });
    const closed = await prod.api(signal);
    expect(await closed.request('GET', '/api/v1/things', {}, signal)).toMatchObject({ items: [] });
    const review = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    expect(await closed.request('POST', review, { body: {} }, signal)).toMatchObject({ items: [] });
    expect(await refusal(closed.request('PATCH', '/api/v1/x', { body: {} }, signal))).toMatchObject({
      message: expect.stringMatching(/may not be entered/) as string,
    });
    expect(await refusal(closed.request('POST', '/api/v1/x', { body: {} }, signal))).toBeInstanceOf(DebugwandError);
    expect(await refusal(closed.socketOptions(signal))).toMatchObject({ code: 'context-not-allowed' });
    prod.close();
    const allowed = new KubernetesConnection({ kubeconfig: dir.at('config'), allowContexts: ['prod'] });
    const open = await allowed.api(signal);
    expect(await open.socketOptions(signal)).toMatchObject({ baseUrl: server.url.replace('http', 'ws') });
    expect(await open.request('PATCH', '/api/v1/things', { body: {} }, signal)).toMatchObject({ items: [] });
    allowed.close();
    expect(connection.place?.guard.allowed).toBe(true);
    expect(await api.request('PATCH', '/api/v1/things', { body: {} }, signal)).toMatchObject({ items: [] });
  });

  it('a token that was rotated in the file is used at once', async () => {
    const { server, dir, get } = await stage({ token: 'a' });
    server.token = 'a';
    await get();
    server.token = 'rotated';
    await dir.write({ config: kubeconfig(server.url, { token: 'rotated' }) });
    await get();
    expect(server.requests.map(({ authorization }) => authorization)).toEqual(['Bearer a', 'Bearer rotated']);
  });

  it('a 401 makes the plugin be asked again, once', async () => {
    const dir = await folder({ token: 'old' });
    leftovers.push(dir);
    const script = `echo run >> ${dir.at('runs')}; printf '{"status":{"token":"%s"}}' "$(cat ${dir.at('token')})"`;
    const { server, get } = await stage({ exec: { command: 'sh', args: ['-c', script] } });
    server.token = 'old';
    await get();
    server.token = 'new';
    await dir.write({ token: 'new' });
    await Promise.all([get(), get(), get()]);
    expect(await readFile(dir.at('runs'), 'utf8')).toBe('run\nrun\n');
    server.token = 'unknown';
    expect(await refusal(get())).toMatchObject({ status: 401 });
    expect(await refusal(get())).toMatchObject({ status: 401 });
    expect(await readFile(dir.at('runs'), 'utf8')).toBe('run\nrun\n');
  });

  it('a plugin that failed is asked again the next time', async () => {
    const dir = await folder();
    leftovers.push(dir);
    const script = `cat ${dir.at('credential')}`;
    const { get } = await stage({ exec: { command: 'sh', args: ['-c', script] } });
    expect(await refusal(get())).toMatchObject({ code: 'kubernetes-credentials' });
    await dir.write({ credential: '{}' });
    expect(await refusal(get())).toMatchObject({ code: 'kubernetes-credentials' });
    await dir.write({ credential: '{"status":{"token":"x"}}' });
    expect(await get()).toMatchObject({ items: [] });
  });

  it('a plugin that hangs holds nobody who has left, and ends with the connection', async () => {
    const marks = await folder();
    leftovers.push(marks);
    const { connection, api } = await stage({
      exec: { command: 'sh', args: ['-c', `echo $$ > ${marks.at('pid')}; exec sleep 60`] },
    });
    const abort = new AbortController();
    const asked = refusal(api.request('GET', '/api/v1/things', {}, abort.signal));
    const other = refusal(api.request('GET', '/api/v1/things', {}, signal));
    await until(
      () =>
        readFile(marks.at('pid'), 'utf8').then(
          (text) => text !== '',
          () => false,
        ),
      'the plugin runs',
    );
    abort.abort(new Error('left'));
    expect(await asked).toMatchObject({ message: 'left' });
    connection.close();
    expect(await other).toBeInstanceOf(Error);
    const pid = Number(await readFile(marks.at('pid'), 'utf8'));
    await until(() => !isRunning(pid), 'the plugin has ended');
  });

  it('a kubeconfig in the midst of being written changes nothing; one without its context is the reason', async () => {
    const { server, dir, get } = await stage({ token: 'a' });
    await dir.write({ config: '{"current-context": "fir' });
    expect(await get()).toMatchObject({ items: [] });
    await dir.write({ config: kubeconfig(server.url, {}, 'another') });
    expect(await get()).toMatchObject({ items: [] });
    server.faults.push('reset', 'reset');
    expect(await refusal(get())).toMatchObject({ code: 'context-not-found' });
    server.token = 'b';
    expect(await refusal(get())).toMatchObject({ code: 'context-not-found' });
    await dir.write({ config: kubeconfig(server.url, { token: 'b' }) });
    expect(await get()).toMatchObject({ items: [] });
  });

  it('a connection of the pool that the server closed meanwhile costs nothing', async () => {
    const { server, get } = await stage({ token: 'a' });
    await get();
    server.faults.push('reset');
    expect(await get()).toMatchObject({ items: [] });
  });

  it('one pool: requests in a row share a connection', async () => {
    const { server, get } = await stage({ token: 'a' });
    for (let i = 0; i < 5; i++) await get();
    expect(server.connections).toBe(1);
  });

  it.each([
    [{ status: 404, reason: 'NotFound', message: 'things not found' }, 404, 'NotFound', 'things not found'],
    [{ status: 500 }, 500, '', 'HTTP status 500'],
    ['html' as const, 200, 'NotJson', 'no JSON came back, but: Please log in'],
  ])('%j becomes a KubernetesFailure', async (fault, status, reason, message) => {
    const { server, get } = await stage({ token: 'a' });
    server.faults.push(fault);
    const error = await refusal(get());
    expect(error).toBeInstanceOf(KubernetesFailure);
    expect(error).toMatchObject({ status, reason, message });
  });

  it('an answer that is cut is an error of the wire', async () => {
    const { server, get } = await stage({ token: 'a' });
    server.faults.push('cut-body');
    expect(await refusal(get())).toMatchObject({ code: 'ECONNRESET' });
  });

  it('closing ends what is under way', async () => {
    const { server, connection, get, api } = await stage({ token: 'a' });
    const stream = await api.stream('/api/v1/things', { query: { watch: true, resourceVersion: 100 } }, signal);
    server.faults.push('hang');
    const hanging = refusal(get());
    await until(() => server.requests.length === 2, 'both arrived');
    connection.close();
    expect(await hanging).toBeInstanceOf(Error);
    await until(() => stream.destroyed && server.connections === 0, 'nothing is left');
  });
});
