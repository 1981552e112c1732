/** Knative Serving in the test cluster: what tests of Knative services build on. */
import { describe, expect, test } from 'vitest';
import { installKnative } from '../support/knative.ts';
import { startKnativeApp } from '../support/knative-app.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { getOrSkip } from '../support/machine.ts';
import { until } from '../support/until.ts';

const knative = await getOrSkip(async () => installKnative(await ensureKubernetes(['python314'])));

describe.skipIf(knative === undefined)('Knative in the test cluster', () => {
  test('a service gets ready, follows its folder, and gets another revision', async () => {
    if (knative === undefined) return;
    const namespace = await knative.cluster.namespace();
    const app = await startKnativeApp(knative, { namespace: namespace.name, name: 'shop' });
    expect(await app.price(14)).toEqual({ total: 42 });
    await app.setFactor(5);
    const cheaper = async (): Promise<boolean> => (await app.price(14).catch(() => undefined))?.total === 70;
    await until(cheaper, 'the save reloaded the app', 30_000);
    expect(await app.revision()).toBe('shop-00001');
    expect(await app.newRevision()).toBe('shop-00002');
    await app.answers();
    expect(await app.price(14)).toEqual({ total: 70 });
    const [pod] = await app.pods();
    expect(pod?.metadata.labels?.['serving.knative.dev/service']).toBe('shop');
    expect(pod?.spec.containers.map(({ name }) => name)).toEqual(['user-container', 'queue-proxy']);
    await app.stop();
    await namespace.remove();
  });

  test('a service without requests is scaled to zero, and the next request wakes it', async () => {
    if (knative === undefined) return;
    const namespace = await knative.cluster.namespace();
    const app = await startKnativeApp(knative, { namespace: namespace.name, name: 'idle', minScale: 0 });
    await app.scaledToZero();
    expect(await app.price(14, AbortSignal.timeout(60_000))).toEqual({ total: 42 });
    expect((await app.pods()).length).toBeGreaterThan(0);
    await app.stop();
    await namespace.remove();
  });
});
