/** A run of the real wand on the sample app, with an editor attached: what most figures need. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DapClient } from '../support/dap-client.ts';
import { ensureDocker } from '../support/docker.ts';
import { IMAGES } from '../support/images.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { freePort } from '../support/machine.ts';
import { startPodApp, type PodApp } from '../support/pod-app.ts';
import { BREAKPOINT_LINE, startContainerApp, startLocalApp, type SampleApp } from '../support/sample-app.ts';
import { WandDaemon } from '../support/wand.ts';

export type Place = 'local' | 'docker' | 'kubernetes';

export interface WandRun {
  readonly app: SampleApp;
  readonly daemon: WandDaemon;
  readonly file: string;
  readonly port: number;
  attach: (line?: number) => Promise<DapClient>;
  stop: () => Promise<void>;
}

/** The sample app as a Deployment that is ready as soon as it runs: what a probe adds is the cluster's own time. */
export async function startBenchPod(): Promise<PodApp> {
  const cluster = await ensureKubernetes(['python314']);
  const namespace = await cluster.namespace();
  return startPodApp(cluster, { namespace: namespace.name, name: 'web', container: { readinessProbe: undefined } });
}

async function startApp(place: Place, uvicornArgs: readonly string[]): Promise<{ app: SampleApp; source: object }> {
  if (place === 'kubernetes') {
    const app = await startBenchPod();
    const { namespace, cluster } = app;
    return { app, source: { kubernetes: { service: 'web', namespace, kubeconfig: cluster.kubeconfig } } };
  }
  if (place === 'local') {
    const app = await startLocalApp(uvicornArgs);
    return { app, source: { process: { match: `uvicorn app:app --port ${new URL(app.url).port}` } } };
  }
  const name = `wand-bench-${String(process.pid)}`;
  const app = await startContainerApp(await ensureDocker(['python314']), { image: IMAGES.python314, name });
  return { app, source: { docker: { container: name } } };
}

export async function startRun(place: Place, uvicornArgs: readonly string[] = ['--reload']): Promise<WandRun> {
  const { app, source } = await startApp(place, uvicornArgs);
  const port = await freePort();
  await writeFile(
    join(app.folder, 'debugwand.config.json'),
    JSON.stringify({ targets: { bench: { ...source, port } }, notify: false }),
  );
  const daemon = new WandDaemon(['watch', '--plain'], { cwd: app.folder });
  const file = join(app.folder, 'app.py');
  await daemon.target('attached', (target) => target.phase === 'attached', { timeoutMs: 60_000 });
  return {
    app,
    daemon,
    file,
    port,
    attach: async (line = BREAKPOINT_LINE) => {
      const editor = await DapClient.connect(port);
      await editor.attach({ [file]: [{ line }] });
      return editor;
    },
    stop: async () => {
      await daemon.stop();
      await app.stop();
    },
  };
}
