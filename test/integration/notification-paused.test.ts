/** A pause that the kubelet will end, since nobody can answer its probe in the app's place: what the desktop says of it. */
import { expect, it } from 'vitest';
import { installDesktop, TestDesktop } from '../support/desktop.ts';
import { kubeconfigFor } from '../support/kubernetes-access.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { getOrSkip } from '../support/machine.ts';
import { startPodApp } from '../support/pod-app.ts';
import { ATTACHED, Rig } from '../support/rig.ts';
import { until } from '../support/until.ts';

const cluster = await getOrSkip(() => ensureKubernetes(['python314']));
const hasDesktop = await getOrSkip(async () => installDesktop().then(() => true));

const PROBE = 'import urllib.request as r; r.urlopen("http://127.0.0.1:8000/openapi.json", timeout=60)';
const LIMIT = 'liveness probe by exec fails: the container is restarted after 15 s';

it.skipIf(cluster === undefined || hasDesktop === undefined)(
  'paused too long: warned of in the last seconds, and told when the time is over',
  { timeout: 240_000 },
  async () => {
    if (cluster === undefined) return;
    await using desktop = await TestDesktop.start();
    const space = await cluster.namespace();
    const { path: kubeconfig } = await kubeconfigFor(cluster, { namespace: space.name });
    const livenessProbe = {
      exec: { command: ['python3', '-c', PROBE] },
      periodSeconds: 5,
      timeoutSeconds: 5,
      failureThreshold: 3,
    };
    // Nobody asks how it is before it can know: this machine may be slow.
    const startupProbe = { tcpSocket: { port: 8000 }, periodSeconds: 1, failureThreshold: 60 };
    const app = await startPodApp(cluster, {
      namespace: space.name,
      name: 'exec',
      command: ['uvicorn', 'app:app', '--host', '0.0.0.0', '--port', '8000'],
      container: { startupProbe, livenessProbe },
      // Who is paused does not hear that it shall end: it is there until this is over.
      podSpec: { terminationGracePeriodSeconds: 10 },
    });
    const target = { kubernetes: { deployment: 'exec', namespace: space.name, kubeconfig } };
    const notify = { paused: true, reattached: false, crashed: false, blocked: false };
    const rig = await Rig.start(app, target, { notify }, { CI: '', ...desktop.env });
    try {
      const { pauseBudget } = await rig.attached();
      expect(pauseBudget).toMatchObject({ limits: [LIMIT], seconds: 15 });
      const editor = await rig.attach();
      const after = editor.mark();
      const lost = app.price(14).catch(() => null);
      await editor.waitFor('stopped', undefined, { after });
      const { pause } = await rig.status('stopped', ({ phase }) => phase === 'stopped');
      expect(pause).toEqual({
        since: expect.any(Number) as number,
        until: (pause?.since ?? 0) + 15_000,
        limits: [LIMIT],
      });

      const [warned, over] = [await desktop.nth(1, 20_000), await desktop.nth(2, 30_000)];
      expect(warned.summary).toMatch(/^app: (10|[5-9]) s left$/);
      expect(warned.body).toBe(`Continue: ${LIMIT}`);
      expect(over).toMatchObject({ summary: 'app: paused for too long', body: LIMIT });
      // It stays until somebody looks.
      for (const { urgency, transient } of [warned, over])
        expect({ urgency, transient }).toEqual({ urgency: 2, transient: false });

      await until(async () => (await app.restarts()) === 1, 'the kubelet restarts it', 60_000);
      await lost;
      await rig.status('the session is back', (now) => ATTACHED(now) && now.pause === null, 60_000);
      expect(await rig.hit(10)).toMatchObject({ total: 30 });
      expect(desktop.shown()).toHaveLength(2);
    } catch (error) {
      const said = `${await app.kubectl('get', 'pods,events').catch(String)}\n${rig.daemon.output}`;
      throw new Error(`${String(error)}\n${said}`, { cause: error });
    } finally {
      await rig.stop();
      await space.remove();
    }
  },
);
