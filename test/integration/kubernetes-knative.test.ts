/** One editor's session over what Knative Serving does to its pods, with the real controllers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installKnative } from '../support/knative.ts';
import { startKnativeApp, type KnativeApp } from '../support/knative-app.ts';
import { kubeconfigFor } from '../support/kubernetes-access.ts';
import type { Namespace } from '../support/kubernetes-cluster.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { getOrSkip } from '../support/machine.ts';
import { ATTACHED, Rig } from '../support/rig.ts';
import { BREAKPOINT_LINE } from '../support/sample-app.ts';

const knative = await getOrSkip(async () => installKnative(await ensureKubernetes(['python314'])));

describe.skipIf(knative === undefined)('a Knative service', () => {
  let space: Namespace;
  let app: KnativeApp;
  let rig: Rig;

  beforeAll(async () => {
    if (knative === undefined) return;
    space = await knative.cluster.namespace();
    const { path: kubeconfig } = await kubeconfigFor(knative.cluster, { namespace: space.name });
    app = await startKnativeApp(knative, {
      namespace: space.name,
      name: 'shop',
      minScale: 0,
      spec: { timeoutSeconds: 120 },
    });
    await app.price(1).catch(() => null);
    rig = await Rig.start(app, { kubernetes: { knative: 'shop', namespace: space.name, kubeconfig } });
    await rig.status('attached', (t) => ATTACHED(t) || t.phase === 'waiting', 60_000);
  }, 180_000);

  afterAll(async () => {
    await rig.stop();
    await space.remove();
  });

  it('is entered in its own container, and stops there', async () => {
    await app.price(1);
    const { replicas, worker } = await rig.attached();
    await rig.attach();
    expect(worker?.replica).toMatch(/^shop-00001-deployment-[\w-]+\/user-container$/);
    expect(replicas.find((r) => r.followed)?.note).toBe('ready, revision shop-00001');
    expect(await rig.hit(14)).toMatchObject({ line: BREAKPOINT_LINE, path: rig.file, total: 42 });
  });

  it('knows how long Knative lets a request wait', async () => {
    const { pauseBudget } = await rig.attached();
    expect(JSON.stringify(pauseBudget)).toContain("Knative's timeout of a request");
  });

  it('is followed to its next revision', async () => {
    // No request: one that stops at the breakpoint would keep its pod, and Knative from scaling to zero.
    await rig.reattached(() => app.newRevision(), 90_000);
    await rig.status(
      'the new revision is followed',
      (t) => t.replicas.some((r) => r.followed && r.note === 'ready, revision shop-00002'),
      60_000,
    );
    expect(await rig.hit(14)).toMatchObject({ total: 42 });
  });

  it('is waited for while it is scaled to zero; the next request stops at the breakpoint', async () => {
    const { message, error } = await rig.status(
      'scaled to zero',
      (t) => t.phase === 'waiting' && t.message.includes('scaled to zero'),
      120_000,
    );
    expect({ message, error }).toEqual({
      message: 'Knative service `shop` is scaled to zero: the next request starts it',
      error: null,
    });
    // This one starts it, and is answered before the debugger is there, or stopped by it.
    const after = rig.editor.mark();
    const woken = app.price(14, AbortSignal.timeout(60_000));
    await rig.attached();
    const stopped = await Promise.race([woken.then(() => null), rig.editor.waitFor('stopped', undefined, { after })]);
    if (stopped !== null)
      await rig.editor.request('continue', { threadId: (stopped.body as { threadId: number }).threadId });
    expect(await woken).toEqual({ total: 42 });
    expect(await rig.hit(14)).toMatchObject({ total: 42 });
  });
});
