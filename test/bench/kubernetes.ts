/**
 * Figures of the Kubernetes target: rollouts against `kubectl port-forward` with `debugpy.listen()`, reloads in a pod, round
 * trips, `wand debug`, what an idle daemon costs. The cluster's own time is measured apart.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DapClient } from '../support/dap-client.ts';
import { debugpyRequirement } from '../support/debugpy-requirement.ts';
import { ensureKubernetes } from '../support/kubernetes.ts';
import { freePort } from '../support/machine.ts';
import { startPodApp, type PodApp } from '../support/pod-app.ts';
import { venv } from '../support/python.ts';
import { BREAKPOINT_LINE } from '../support/sample-app.ts';
import { until } from '../support/until.ts';
import { WandDaemon } from '../support/wand.ts';
import { cpuSeconds, rssBytes } from './processes.ts';
import { countRequests } from './proxy.ts';
import { startBenchPod, startRun } from './wand-run.ts';

export interface RolloutTimes {
  /** From the start of the new pod's worker to its breakpoints verified, ms. */
  readonly startToVerified: number[];
  /** From when the API server told of the running container to there, ms: what is left when the cluster's own time is off. */
  readonly toldToVerified: number[];
  /** From `kubectl rollout restart` to there: the cluster's time and ours. */
  readonly whole: number[];
  readonly editorDisconnects: number;
}

/** Rollouts, one after the other, in one session of the editor. */
export async function measureRollouts(rollouts: number): Promise<RolloutTimes> {
  const run = await startRun('kubernetes');
  const app = run.app as PodApp;
  const startToVerified: number[] = [];
  const toldToVerified: number[] = [];
  const whole: number[] = [];
  using pods = new PodWatch(app);
  try {
    const editor = await run.attach();
    for (let round = 1; round <= rollouts && !editor.closed; round += 1) {
      const begin = Date.now();
      const rolling = app.rollout();
      const { reattach, worker } = await run.daemon.target('re-attached', (target) => target.reattach.count >= round, {
        timeoutMs: 60_000,
      });
      if (reattach.last !== null) {
        startToVerified.push(reattach.last.ms);
        whole.push(reattach.last.at - begin);
        const told = pods.running.get(worker?.replica.split('/')[0] ?? '');
        if (told !== undefined) toldToVerified.push(reattach.last.at - told);
      }
      await rolling;
    }
    return { startToVerified, toldToVerified, whole, editorDisconnects: editor.closed ? 1 : 0 };
  } finally {
    await run.stop();
  }
}

/** When the API server told that a pod's container runs, by kubectl's own watch. */
class PodWatch implements Disposable {
  /** Name of the pod → ms since the epoch. */
  readonly running = new Map<string, number>();
  readonly #kubectl: ChildProcess;

  constructor({ cluster, namespace }: PodApp) {
    const fields = '{.metadata.name} {.status.containerStatuses[0].state.running.startedAt}{"\\n"}';
    const args = ['--kubeconfig', cluster.kubeconfig, '-n', namespace, 'get', 'pods', '-w', '-o', `jsonpath=${fields}`];
    this.#kubectl = spawn(cluster.kubectlProgram, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    if (this.#kubectl.stdout === null) return;
    createInterface(this.#kubectl.stdout).on('line', (line) => {
      const [name = '', startedAt = ''] = line.split(' ');
      if (startedAt !== '' && !this.running.has(name)) this.running.set(name, Date.now());
    });
  }

  [Symbol.dispose](): void {
    this.#kubectl.kill();
  }
}

const LISTENING = `import json, os, time
import debugpy
debugpy.listen(("127.0.0.1", 5678))
_ticks = int(open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19])
_boot = time.time() - float(open("/proc/uptime").read().split()[0])
with open("/app/listened.json", "w") as _file:
    json.dump({"pod": os.uname().nodename, "started": (_boot + _ticks / os.sysconf("SC_CLK_TCK")) * 1000}, _file)
`;

/** What a script does without wand: `debugpy.listen()` in the app, after each rollout a new port-forward and attach. */
export async function measureRolloutBaseline(rollouts: number): Promise<number[]> {
  const cluster = await ensureKubernetes(['python314']);
  const { name: namespace } = await cluster.namespace();
  const site = await venv('3.14', [debugpyRequirement()]);
  const app = await startPodApp(cluster, {
    namespace,
    name: 'web',
    command: ['uvicorn', 'app:app', '--host', '0.0.0.0', '--port', '8000'],
    container: {
      readinessProbe: undefined,
      env: [{ name: 'PYTHONPATH', value: '/debugpy' }],
    },
    mounts: { '/debugpy': join(site, 'lib/python3.14/site-packages') },
    edit: (text) => LISTENING + text,
  });
  const times: number[] = [];
  try {
    const file = join(app.folder, 'app.py');
    const line = BREAKPOINT_LINE + LISTENING.split('\n').length - 1;
    let last = '';
    for (let round = 0; round <= rollouts; round += 1) {
      const listened = await until(() => newer(app.folder, last), 'the new pod listens', 60_000);
      last = listened.pod;
      const port = await freePort();
      const forward = spawn(
        cluster.kubectlProgram,
        ['--kubeconfig', cluster.kubeconfig, '-n', namespace, 'port-forward', `pod/${last}`, `${String(port)}:5678`],
        { stdio: ['ignore', 'pipe', 'ignore'] },
      );
      await said(forward, 'Forwarding from');
      const editor = await until(() => DapClient.connect(port).catch(() => null), 'debugpy accepts', 30_000);
      await editor.attach({ [file]: [{ line }] });
      if (round > 0) times.push(Date.now() - listened.started);
      editor.destroy();
      forward.kill();
      await app.rollout();
    }
  } finally {
    await app.stop();
  }
  return times;
}

async function said(child: ChildProcess, text: string): Promise<void> {
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await until(() => output.includes(text), text, 30_000);
}

function newer(folder: string, pod: string): { pod: string; started: number } | null {
  try {
    const listened = JSON.parse(readFileSync(join(folder, 'listened.json'), 'utf8')) as {
      pod: string;
      started: number;
    };
    return listened.pod === pod ? null : listened;
  } catch {
    return null;
  }
}

/** From the shell to a worker that an editor can attach to, ms. */
export async function measureDebugCommand(rounds: number): Promise<number[]> {
  const app = await startBenchPod();
  const times: number[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) {
      const begin = performance.now();
      const port = String(await freePort());
      const args = ['debug', '-n', app.namespace, '-s', 'web', '--kubeconfig', app.cluster.kubeconfig, '-p', port];
      const daemon = new WandDaemon([...args, '--plain'], { cwd: app.folder });
      await until(() => daemon.output.includes(' attached'), 'attached', 30_000);
      times.push(performance.now() - begin);
      await daemon.stop();
    }
  } finally {
    await app.stop();
  }
  return times;
}

export interface IdleCluster {
  readonly requestsPerMinute: number;
  readonly daemonRssMb: number;
  readonly daemonCpuPercent: number;
}

/** An idle daemon beside two hundred pods in its namespace. */
export async function measureIdleCluster(pods: number, seconds: number): Promise<IdleCluster> {
  const app = await startBenchPod();
  const proxy = await countRequests(app.cluster.kubeconfig, app.folder);
  try {
    const crowd = Array.from({ length: pods }, (_, index) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `crowd-${String(index)}`, namespace: app.namespace, labels: { app: 'crowd' } },
      // They wait for a node that there is not.
      spec: { nodeSelector: { none: 'such' }, containers: [{ name: 'app', image: 'none' }] },
    }));
    await app.cluster.apply(...crowd);
    const port = await freePort();
    const kubernetes = { service: 'web', namespace: app.namespace, kubeconfig: proxy.kubeconfig };
    await writeFile(
      join(app.folder, 'debugwand.config.json'),
      JSON.stringify({ targets: { bench: { kubernetes, port } }, notify: false }),
    );
    const daemon = new WandDaemon(['watch', '--plain'], { cwd: app.folder });
    await daemon.target('attached', (target) => target.phase === 'attached', { timeoutMs: 60_000 });
    const pid = daemon.child.pid ?? 0;
    // What a start costs is over after a moment.
    const started = performance.now();
    await until(() => performance.now() - started > 5_000, 'a moment', 10_000);
    const before = { requests: proxy.count(), cpu: cpuSeconds(pid), at: performance.now() };
    await until(() => performance.now() - before.at > seconds * 1000, 'an idle while', seconds * 1000 + 5_000);
    const elapsed = (performance.now() - before.at) / 1000;
    const idle = {
      requestsPerMinute: ((proxy.count() - before.requests) / elapsed) * 60,
      daemonRssMb: rssBytes(pid) / 1e6,
      daemonCpuPercent: ((cpuSeconds(pid) - before.cpu) / elapsed) * 100,
    };
    await daemon.stop();
    return idle;
  } finally {
    proxy.close();
    await app.stop();
    await app.kubectl('delete', 'pods', '-l', 'app=crowd', '--wait=false');
  }
}
