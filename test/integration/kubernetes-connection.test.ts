/** The connection to a real cluster: rights, tokens, the kubeconfig, many objects. */
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WorkloadKind } from '../../src/core/types.ts';
import type { DebugwandError } from '../../src/lib/errors.ts';
import { KubernetesConnection } from '../../src/targets/kubernetes-connection.ts';
import { explainKubernetes } from '../../src/targets/kubernetes-errors.ts';
import { reportRights, watchRights } from '../../src/targets/kubernetes-rights.ts';
import { rightText } from '../../src/targets/kubernetes-rules.ts';
import { folder } from '../support/folder.ts';
import { DOCUMENTED_RULES, kubeconfigFor, type Access } from '../support/kubernetes-access.ts';
import type { Cluster, Namespace } from '../support/kubernetes-cluster.ts';
import { collect } from '../support/kubernetes-collected.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { getOrSkip } from '../support/machine.ts';
import { until } from '../support/until.ts';
import { wand } from '../support/wand.ts';

const there = await getOrSkip(() => ensureKubernetes());
const { signal } = new AbortController();

/** Which kinds of workload need what a rule is about. */
const KINDS: Readonly<Record<string, WorkloadKind>> = {
  deployments: 'deployment',
  statefulsets: 'statefulset',
  daemonsets: 'daemonset',
  jobs: 'cronjob',
  cronjobs: 'cronjob',
};

describe.skipIf(there === undefined)('the connection to a cluster', () => {
  const cluster = there as Cluster;
  let space: Namespace;

  beforeAll(async () => {
    space = await cluster.namespace();
  });
  afterAll(async () => {
    await space.remove();
  });

  const serviceLabels = (name: string, value: string): object => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: space.name, labels: { value } },
    spec: { clusterIP: 'None', selector: { app: name } },
  });
  const services = (): { path: string } => ({ path: `/api/v1/namespaces/${space.name}/services` });

  it('shows objects and their changes with the documented rights', async () => {
    const { path } = await kubeconfigFor(cluster, { namespace: space.name });
    await cluster.apply(serviceLabels('seen', '1'));
    await using it = collect(path, services());
    await until(() => it.seen.get('seen') === '1', 'the list');
    await cluster.apply(serviceLabels('seen', '2'), serviceLabels('more', '1'));
    await until(() => it.seen.get('seen') === '2' && it.seen.get('more') === '1', 'the changes');
    await cluster.kubectl('delete', 'service', 'seen', '-n', space.name);
    await until(() => !it.seen.has('seen'), 'the end');
    expect(it.errors).toEqual([]);
    expect(it.connection.place).toMatchObject({ namespace: space.name, guard: { allowed: true } });
  });

  describe('rights', () => {
    let access: Access;
    let connection: KubernetesConnection;
    beforeAll(async () => {
      access = await kubeconfigFor(cluster, { namespace: space.name });
      connection = new KubernetesConnection({ kubeconfig: access.path, allowContexts: [] });
    });
    afterAll(() => {
      connection.close();
    });

    const missing = async (kind: WorkloadKind): Promise<string[]> => {
      const report = await reportRights(await connection.api(signal), kind, signal);
      expect(report.unknown).toEqual([]);
      return report.missing.map(rightText);
    };

    it('the documented Role is enough for every kind', async () => {
      const kinds = new Set<WorkloadKind>(['service', 'pod', 'selector', 'job', 'knative', ...Object.values(KINDS)]);
      for (const kind of kinds) expect([kind, await missing(kind)]).toEqual([kind, []]);
    });

    const rules = DOCUMENTED_RULES.flatMap(({ apiGroups, resources, verbs }) =>
      resources.map((resource) => ({ group: apiGroups[0] ?? '', resource, verbs })),
    );

    it.each(rules)('without $group/$resource: named, and nothing else', async ({ group, resource, verbs }) => {
      const without = DOCUMENTED_RULES.map((rule) =>
        rule.apiGroups[0] === group ? { ...rule, resources: rule.resources.filter((one) => one !== resource) } : rule,
      ).filter(({ resources }) => resources.length > 0);
      await access.setRules(without);
      const kind = group === 'serving.knative.dev' ? 'knative' : (KINDS[resource] ?? 'service');
      const [plain = '', sub] = resource.split('/');
      const name = `${plain}${group === '' ? '' : `.${group}`}${sub === undefined ? '' : `/${sub}`}`;
      const expected = verbs.map((verb) => `${verb} ${name}`);
      // The API server hears of the Role by a watch of its own.
      await until(async () => (await missing(kind))[0] === expected[0], `${name} is missing`);
      expect(await missing(kind)).toEqual(expected);
      await access.setRules(DOCUMENTED_RULES);
      await until(async () => (await missing(kind)).length === 0, 'nothing is missing');
    });

    it('the daemon’s watch is told, and told again when they are there', async () => {
      await access.setRules(DOCUMENTED_RULES.filter(({ resources }) => !resources.includes('pods/exec')));
      await until(async () => (await missing('pod')).length > 0, 'rights are missing');
      const told: (DebugwandError | null)[] = [];
      const done = watchRights(connection, 'pod', (error) => told.push(error), signal, 50);
      await until(() => told.length > 0, 'told');
      expect(told[0]?.message).toMatch(/may not get pods\/exec, create pods\/exec in the namespace/);
      expect(told[0]?.fix).toContain('{ apiGroups: [""], resources: ["pods/exec"], verbs: ["get", "create"] }');
      await access.setRules(DOCUMENTED_RULES);
      await done;
      expect(told.at(-1)).toBeNull();
    });

    it('doctor names what is missing, and the workload that is not there', async () => {
      await access.setRules([
        { apiGroups: [''], resources: ['pods', 'services'], verbs: ['get', 'list'] },
        { apiGroups: [''], resources: ['pods/exec'], verbs: ['create'] },
      ]);
      await until(async () => (await missing('service')).includes('get pods/exec'), 'the new rules count');
      const config = { targets: { web: { kubernetes: { service: 'mroe', kubeconfig: access.path } } } };
      await using dir = await folder({ 'debugwand.config.json': JSON.stringify(config) });
      const { stdout, code } = await wand(['doctor'], { cwd: dir.path });
      expect(code).toBe(1);
      expect(stdout).toMatch(
        /✗ rights of web: you may not watch pods, watch services, get pods\/exec in the namespace/,
      );
      expect(stdout).toMatch(/! rights of web: you may not .*list replicasets\.apps/);
      expect(stdout).toMatch(/✗ workload of web: no service `mroe`.*did you mean `more`/);
      await access.setRules(DOCUMENTED_RULES);
    });

    it('a refusal names the rule, right from the server’s words', async () => {
      const api = await connection.api(signal);
      const refused = api.request('GET', `/api/v1/namespaces/${space.name}/secrets`, {}, signal);
      const error = explainKubernetes(await refused.catch((e: unknown) => e), { place: api.place });
      expect(error.code).toBe('kubernetes-forbidden');
      expect(error.message).toMatch(new RegExp(`may not list secrets in the namespace \`${space.name}\``));
      expect(error.fix).toContain('{ apiGroups: [""], resources: ["secrets"], verbs: ["list"] }');
    });
  });

  it('a token that expires is told; the kubeconfig’s new one is taken', async () => {
    const access = await kubeconfigFor(cluster, { namespace: space.name, seconds: 1 });
    await cluster.apply(serviceLabels('token', '1'));
    const connection = new KubernetesConnection({ kubeconfig: access.path, allowContexts: [] });
    const api = await connection.api(signal);
    const get = (): Promise<unknown> =>
      api.request('GET', services().path, {}, signal).catch((e: unknown) => explainKubernetes(e, { place: api.place }));
    await until(async () => (await get()) instanceof Error, 'the token is not accepted any more', 30_000);
    expect(await get()).toMatchObject({ code: 'kubernetes-unauthorized' });
    await access.renew();
    expect(await get()).toMatchObject({ kind: 'ServiceList' });
    connection.close();
  });

  it('a token of a plugin is asked for again before it is refused', async () => {
    const access = await kubeconfigFor(cluster, { namespace: space.name, seconds: 2, execPlugin: true });
    const connection = new KubernetesConnection({ kubeconfig: access.path, allowContexts: [] });
    const api = await connection.api(signal);
    await api.request('GET', services().path, {}, signal);
    await access.renew();
    const first = (await api.socketOptions(signal)).headers['authorization'];
    await until(async () => (await api.socketOptions(signal)).headers['authorization'] !== first, 'the new token');
    expect(await api.request('GET', services().path, {}, signal)).toMatchObject({ kind: 'ServiceList' });
    connection.close();
  });

  it.each([
    ['a CA that did not sign', (text: string) => text, 'kubernetes-certificate'],
    ['nobody there', (text: string) => text.replace(/127\.0\.0\.1:\d+/, '127.0.0.1:1'), 'kubernetes-unreachable'],
    ['plain HTTP to its TLS port', (text: string) => text.replace('https://', 'http://'), 'kubernetes-failed'],
  ])('%s is named', async (name, change, code) => {
    let text = change(await readFile(cluster.kubeconfig, 'utf8'));
    if (name.startsWith('a CA')) text = text.replace(/"?certificate-authority(-data)?"?: *[^\n,}]+[,\n]/, '\n');
    await using dir = await folder();
    await writeFile(dir.at('config'), text);
    const connection = new KubernetesConnection({ kubeconfig: dir.at('config'), allowContexts: [] });
    const api = await connection.api(signal);
    const error = await api.request('GET', services().path, {}, signal).catch((e: unknown) => e);
    expect(explainKubernetes(error, { place: api.place })).toMatchObject({ code });
    connection.close();
  });

  it('through a proxy: requests share a tunnel, watches have their own', async () => {
    let tunnels = 0;
    const proxy = createServer().on('connect', (request, socket, head) => {
      tunnels += 1;
      const { hostname, port } = new URL(`http://${request.url ?? ''}`);
      const wire = connect(Number(port), hostname, () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        wire.write(head);
        wire.pipe(socket).pipe(wire);
      });
      for (const one of [wire, socket])
        one.on('error', () => undefined).on('close', () => [wire, socket].map((s) => s.destroy()));
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${String((proxy.address() as AddressInfo).port)}`;
    await using dir = await folder();
    const config = JSON.parse(await readFile(cluster.kubeconfig, 'utf8')) as {
      clusters: { cluster: object }[];
      contexts: { name: string }[];
    };
    // Behind a proxy 127.0.0.1 is no sign of a local cluster; the name still is.
    for (const context of config.contexts) context.name = 'kind-proxied';
    Object.assign(config, { 'current-context': 'kind-proxied' });
    for (const { cluster: one } of config.clusters) Object.assign(one, { 'proxy-url': url });
    await writeFile(dir.at('config'), JSON.stringify(config));
    await cluster.apply(serviceLabels('proxied', '1'));
    {
      await using it = collect(dir.at('config'), services());
      await until(() => it.counts.flowing > 0, 'it watches');
      expect(it.seen.get('proxied')).toBe('1');
      const api = await it.connection.api(signal);
      for (let i = 0; i < 4; i++) await api.request('GET', services().path, {}, signal);
      expect((await api.socketOptions(signal)).agent).toBeDefined();
      expect(tunnels).toBe(2);
      expect(it.errors).toEqual([]);
    }
    await new Promise((resolve) => proxy.close(resolve));
  });
});
