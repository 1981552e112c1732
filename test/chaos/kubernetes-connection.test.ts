/** The connection to a cluster whose API server is killed, frozen, and loses its memory. */
import { afterAll, describe, expect, it } from 'vitest';
import type { CollectionTimes } from '../../src/targets/kubernetes-collection.ts';
import type { Cluster } from '../support/kubernetes-cluster.ts';
import { collect, type Collected } from '../support/kubernetes-collected.ts';
import { startPrivateCluster } from '../support/kubernetes.ts';
import { getOrSkip } from '../support/machine.ts';
import { until } from '../support/until.ts';

const there = await getOrSkip(() => startPrivateCluster());

/** A silence of a minute is not waited for. */
const TIMES: CollectionTimes = {
  retry: { firstMs: 200, maxMs: 3_000, healthyMs: 5_000 },
  refusedMs: 30_000,
  silenceMs: 75_000,
  longestSilenceMs: 300_000,
  watchSeconds: 540,
};
const SERVICES = { path: '/api/v1/namespaces/default/services' };

describe.skipIf(there === undefined)('an API server', () => {
  const cluster = there as Cluster;
  afterAll(async () => {
    await cluster.remove();
  }, 120_000);

  const set = (name: string, value: string): Promise<void> =>
    cluster.apply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default', labels: { value } },
      spec: { clusterIP: 'None', selector: { app: name } },
    });
  const shows = (it: Collected, name: string, value: string | undefined): Promise<boolean> =>
    until(() => it.seen.get(name) === value, `${name} is ${String(value)}`, 60_000);
  const codes = (it: Collected): readonly string[] => [...new Set(it.errors.map(({ code }) => code))];

  it('that is killed is told; what changed meanwhile is seen when it is back', async () => {
    await set('killed', '1');
    await using it = collect(cluster.kubeconfig, SERVICES);
    await shows(it, 'killed', '1');
    await cluster.apiServer.kill();
    await until(() => it.errors.length > 0, 'it is told');
    expect(codes(it)).toEqual(['kubernetes-unreachable']);
    expect(it.errors[0]?.message).toMatch(/does not answer/);
    // What was known stays.
    expect(it.seen.get('killed')).toBe('1');
    await cluster.apiServer.start();
    await until(() => cluster.ready(), 'the API server is back', 60_000);
    await set('killed', '2');
    await shows(it, 'killed', '2');
    expect(codes(it).filter((code) => code !== 'kubernetes-unreachable')).toEqual([]);
  });

  it('that is frozen is found out, and told', async () => {
    await set('frozen', '1');
    await using it = collect(cluster.kubeconfig, SERVICES, { ...TIMES, silenceMs: 3_000, longestSilenceMs: 3_000 });
    await shows(it, 'frozen', '1');
    await cluster.apiServer.freeze();
    try {
      await until(() => it.errors.length > 0, 'it is told', 30_000);
      expect(it.errors[0]).toMatchObject({ code: 'kubernetes-unreachable' });
    } finally {
      await cluster.apiServer.thaw();
    }
    const { flowing } = it.counts;
    await until(() => it.counts.flowing > flowing, 'it flows again', 30_000);
    await set('frozen', '2');
    await shows(it, 'frozen', '2');
  });

  it('whose etcd forgot the past: lists again', async () => {
    await set('old', '1');
    await set('gone', '1');
    await using it = collect(cluster.kubeconfig, SERVICES);
    await shows(it, 'old', '1');
    // What the watch would go on from is compacted away while it may not go on.
    const { promise: free, resolve } = Promise.withResolvers<void>();
    it.held = free;
    await cluster.apiServer.kill();
    await cluster.apiServer.start();
    await until(() => cluster.ready(), 'the API server is back', 60_000);
    await cluster.kubectl('delete', 'service', 'gone');
    for (const value of ['2', '3', '4']) await set('old', value);
    await cluster.compact();
    await cluster.apiServer.kill();
    await cluster.apiServer.start();
    await until(() => cluster.ready(), 'the API server is back', 60_000);
    const { changed } = it.counts;
    expect(it.seen.get('old')).toBe('1');
    resolve();
    await shows(it, 'old', '4');
    await shows(it, 'gone', undefined);
    // A list, not the events one by one.
    expect(it.counts.changed).toBe(changed + 1);
    expect(codes(it).filter((code) => code !== 'kubernetes-unreachable')).toEqual([]);
  });
});
