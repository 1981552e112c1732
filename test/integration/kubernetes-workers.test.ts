/** Every worker of gunicorn in a pod, on a real cluster: a session each, through kills and rollouts, and while paused. */
import { describe, expect, it } from 'vitest';
import { CrewApp, gunicorn, PID, WSGI } from '../support/crew-app.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { getOrSkip } from '../support/machine.ts';
import { isReady, startPodApp, type PodApp } from '../support/pod-app.ts';
import { BREAKPOINT_LINE } from '../support/sample-app.ts';
import { suiteDeveloper } from '../support/suite-namespace.ts';
import { until } from '../support/until.ts';

const cluster = await getOrSkip(() => ensureKubernetes(['python314']));
const WORKERS = 2;
const WELL = { httpGet: { path: '/well', port: 8000 } };

describe.skipIf(cluster === undefined)('every worker in a pod', { timeout: 240_000 }, () => {
  const space = suiteDeveloper(cluster);

  /** A pod with the default security context. `line`: of the breakpoint in each worker; null: none. */
  async function stage(name: string, container: object, line: number | null): Promise<[PodApp, CrewApp]> {
    if (cluster === undefined) throw new Error('no cluster');
    const app = await startPodApp(cluster, { namespace: space.name, name, container, edit: () => WSGI });
    const target = { kubernetes: { deployment: name, namespace: space.name, kubeconfig: space.kubeconfig } };
    return [app, await CrewApp.start(app, target, WORKERS, line)];
  }

  /** Adds what the cluster says to a failure. */
  async function told(app: PodApp, crew: CrewApp, story: () => Promise<void>): Promise<void> {
    try {
      await story();
    } catch (error) {
      const said = `${await app.kubectl('get', 'pods,events').catch(String)}\n${crew.daemon.output}`;
      throw new Error(`${String(error)}\n${said}`, { cause: error });
    } finally {
      await crew.stop();
    }
  }

  it('has a session, which goes on in the next worker, and in the next pod', async () => {
    // Period and threshold as Kubernetes has them by default.
    const probes = { livenessProbe: WELL, command: gunicorn(WORKERS) };
    const [app, crew] = await stage('crew', probes, BREAKPOINT_LINE);
    await told(app, crew, async () => {
      const hitInEach = async (): Promise<void> => {
        await crew.breakAt(crew.editor, BREAKPOINT_LINE);
        const pids = await crew.stopInEach(crew.editor, PID);
        expect(new Set(pids.values())).toEqual(new Set((await crew.slots(WORKERS)).values()));
        expect(pids.size).toBe(WORKERS);
      };
      await hitInEach();

      const before = await crew.slots(WORKERS);
      const kill = ['sh', '-c', `kill -9 ${String(before.get(1))}`];
      const after = await crew.anew(() => app.kubectl('exec', 'deployment/crew', '--', ...kill), [1]);
      expect(after.get(0)).toBe(before.get(0));
      await crew.editor.attached(WORKERS);
      await hitInEach();

      await crew.anew(() => app.rollout());
      await crew.editor.attached(WORKERS);
      await app.answers();
      await hitInEach();
      const { workers } = await crew.daemon.target('counted', ({ workers: rows }) =>
        rows.every(({ reattach }) => reattach.last?.reason === 'rollout'),
      );
      expect(workers.map(({ slot, reattach }) => [slot, reattach.count])).toEqual([
        [0, 1],
        [1, 2],
      ]);
      // The same sessions as at first.
      expect(crew.editor.asked).toHaveLength(WORKERS - 1);
      expect(await app.restarts()).toBe(0);
    });
  });

  it('may be paused for longer than the kubelet would wait: one of them, and all', async () => {
    const livenessProbe = { ...WELL, periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 2 };
    // Nobody asks how it is before it can know: this machine may be slow.
    const startupProbe = { tcpSocket: { port: 8000 }, periodSeconds: 1, failureThreshold: 60 };
    const probes = { startupProbe, livenessProbe, readinessProbe: livenessProbe };
    const [app, crew] = await stage('paused', { ...probes, command: gunicorn(WORKERS, '--timeout', '3') }, null);
    await told(app, crew, async () => {
      const slots = await crew.slots(WORKERS);
      const [first, child] = [crew.editor.root, crew.child(1)];
      const survives = async (): Promise<void> => {
        const start = await app.probed();
        await until(async () => (await app.probed()) >= start + 8, 'the kubelet was answered eight times', 60_000);
        expect(await app.restarts()).toBe(0);
        expect((await app.pods()).every(isReady)).toBe(true);
      };

      // One of two: the other one serves, the kubelet as everybody.
      await crew.breakAt(crew.editor, BREAKPOINT_LINE, [child]);
      const stopped = await crew.stopIn(child, PID);
      expect(Number(stopped.value)).toBe(slots.get(1));
      await survives();
      expect(await app.price(10)).toEqual({ total: 30 });

      // All of them: whoever asks is held, but for the kubelet.
      await crew.breakAt(crew.editor, BREAKPOINT_LINE, [first]);
      const alone = await crew.stopIn(first, PID);
      expect(Number(alone.value)).toBe(slots.get(0));
      const { pause } = await crew.daemon.target('all are stopped', ({ workers }) =>
        workers.every(({ phase }) => phase === 'stopped'),
      );
      expect(pause).toMatchObject({ until: null, limits: [] });
      let answered = 0;
      const held = Array.from({ length: 5 }, () => app.price(20).finally(() => (answered += 1)));
      await survives();
      expect(answered).toBe(0);

      // The first that runs again answers for all, and stands for the one that is still stopped.
      await crew.breakAt(crew.editor, null);
      await crew.goOn(first, alone.threadId);
      expect(await Promise.all(held)).toEqual(held.map(() => ({ total: 60 })));
      await survives();
      await crew.goOn(child, stopped.threadId);
      await crew.daemon.target('all run', ({ workers }) => workers.every(({ phase }) => phase === 'attached'));
      expect(await crew.slots(WORKERS)).toEqual(slots);
      expect(await app.restarts()).toBe(0);
    });
  });
});
