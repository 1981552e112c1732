/** The sample app in pods of a test cluster: a Deployment (or StatefulSet) and its Service, the project's folder mounted. */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { IMAGES } from './images.ts';
import type { Cluster } from './kubernetes-cluster.ts';
import { projectFolder, sampleApp, type SampleApp } from './sample-app.ts';
import { until } from './until.ts';

export const APP_PORT = 8000;
export const SERVE = ['uvicorn', 'app:app', '--reload', '--host', '0.0.0.0', '--port', String(APP_PORT)];

export interface PodOptions {
  readonly namespace: string;
  /** Of the workload, its Service and the label `app` of its pods. */
  readonly name: string;
  readonly kind?: 'Deployment' | 'StatefulSet';
  readonly replicas?: number;
  readonly image?: string;
  readonly command?: readonly string[];
  /** Of the app's container. */
  readonly securityContext?: object;
  /** Further fields of the app's container: `env`, `livenessProbe`, … `readinessProbe` replaces the one of a TCP port. */
  readonly container?: object;
  /** Further fields of the pod's spec: `securityContext`, `shareProcessNamespace`, … */
  readonly podSpec?: object;
  /** Folders of this machine, by where the app's container finds them. */
  readonly mounts?: Readonly<Record<string, string>>;
  /** Containers beside the app's. */
  readonly sidecars?: readonly object[];
  readonly podLabels?: Readonly<Record<string, string>>;
  /** Further fields of the workload's spec. */
  readonly spec?: object;
  /** Changes app.py before the first start. */
  readonly edit?: (text: string) => string;
}

/** What of a pod tests ask for. */
export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly containers: readonly { readonly name: string }[] };
  readonly status: {
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly name: string;
      readonly containerID?: string;
      readonly restartCount: number;
      readonly ready: boolean;
      readonly state?: { readonly running?: object };
    }[];
  };
}

/** The app of some pods, with the handles that tests pull. */
export interface PodApp extends SampleApp {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly name: string;
  /** kubectl in the app's namespace. */
  kubectl: (...args: readonly string[]) => Promise<string>;
  /** Its pods that are not on their way out, the newest first. */
  pods: () => Promise<Pod[]>;
  /** `kubectl rollout restart`; resolves when the new pods are ready and the old ones gone. */
  rollout: () => Promise<void>;
  /** Changes the pod template (a strategic merge) and waits for the rollout that follows. */
  patch: (podTemplate: object) => Promise<void>;
  scale: (replicas: number) => Promise<void>;
  /** How often the app's container was started again, summed over the pods. */
  restarts: () => Promise<number>;
  /** How often the kubelet was satisfied by the liveness probe, by its own count, summed over the pods. */
  probed: () => Promise<number>;
  /** Deletes a pod (default: the newest); resolves when another one is ready in its place. */
  deletePod: (name?: string) => Promise<void>;
}

/** True when all of the pod's containers are ready. */
export function isReady(pod: Pod): boolean {
  return pod.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
}

/** Starts the app; resolves when it answers. A save in its folder reloads it in the pods. */
export async function startPodApp(cluster: Cluster, options: PodOptions): Promise<PodApp> {
  const { namespace, name, kind = 'Deployment' } = options;
  const folder = await projectFolder();
  const source = join(folder, 'app.py');
  // Whoever the app runs as must be able to read it.
  await chmod(folder, 0o755);
  if (options.edit !== undefined) await writeFile(source, options.edit(await readFile(source, 'utf8')));
  const workload = `${kind.toLowerCase()}/${name}`;
  const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('-n', namespace, ...args);
  const allPods = async (): Promise<Pod[]> => {
    const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=${encodeURIComponent(`app=${name}`)}`;
    const { items } = await cluster.get<{ items: Pod[] }>(path);
    return items.toSorted((a, b) => b.metadata.creationTimestamp.localeCompare(a.metadata.creationTimestamp));
  };
  const pods = async (): Promise<Pod[]> =>
    (await allPods()).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const rolledOut = async (): Promise<void> => {
    await kubectl('rollout', 'status', workload, '--timeout=90s');
    // Until then an old one may answer in the new one's place.
    const settled = async (): Promise<boolean> => (await allPods()).length === (await pods()).length;
    await until(settled, `the old pods of ${workload} are gone`, 60_000);
  };
  await cluster.apply(...manifests(options, folder));
  const locate = async (): Promise<string> => {
    const there = await pods();
    const pod = there.find(isReady) ?? there[0];
    return `http://${pod?.status.podIP ?? 'no-pod-yet.invalid'}:${String(APP_PORT)}`;
  };
  const app = await sampleApp(
    folder,
    locate,
    async () => {
      await kubectl('delete', workload, `service/${name}`, '--wait=false', '--ignore-not-found');
    },
    async () => {
      const logs = await kubectl('logs', '--tail=30', '--all-containers', `--selector=app=${name}`).catch(String);
      return `${await kubectl('get', 'pods,events', '-o', 'wide').catch(String)}\n${logs}`;
    },
  );
  return {
    ...app,
    // The first that answered: when it was made there was no pod to ask.
    url: await locate(),
    cluster,
    namespace,
    name,
    kubectl,
    pods,
    rollout: async () => {
      await kubectl('rollout', 'restart', workload);
      await rolledOut();
    },
    patch: async (podTemplate) => {
      await kubectl('patch', workload, '--patch', JSON.stringify({ spec: { template: podTemplate } }));
      await rolledOut();
    },
    scale: async (replicas) => {
      await kubectl('scale', workload, `--replicas=${String(replicas)}`);
      await rolledOut();
    },
    restarts: async () =>
      (await pods())
        .flatMap(({ status }) => status.containerStatuses ?? [])
        .filter((container) => container.name === 'app')
        .reduce((sum, { restartCount }) => sum + restartCount, 0),
    probed: async () => {
      const kubelet = `https://127.0.0.1:${String(cluster.state.ports.kubelet)}`;
      const flags = ['--server', kubelet, '--insecure-skip-tls-verify'];
      const metrics = await cluster.kubectl(...flags, 'get', '--raw', '/metrics/probes');
      const wanted = ['prober_probe_total{', `"${namespace}"`, `"${name}-`, '"Liveness"', '"successful"'];
      const counts = metrics.split('\n').filter((line) => wanted.every((part) => line.includes(part)));
      return counts.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    },
    deletePod: async (which) => {
      const doomed = which ?? (await pods())[0]?.metadata.name;
      if (doomed === undefined) throw new Error(`${workload} has no pod`);
      const uids = new Set((await allPods()).map(({ metadata }) => metadata.uid));
      await kubectl('delete', 'pod', doomed, '--wait=false');
      const another = async (): Promise<boolean> =>
        (await pods()).some((pod) => !uids.has(pod.metadata.uid) && isReady(pod));
      await until(another, `another pod takes the place of ${doomed}`, 60_000);
    },
  };
}

function manifests(options: PodOptions, folder: string): object[] {
  const { namespace, name, kind = 'Deployment', replicas = 1, image = IMAGES.python314, command = SERVE } = options;
  const metadata = { name, namespace, labels: { app: name } };
  const mounts = Object.entries({ '/app': folder, ...options.mounts });
  const app = {
    name: 'app',
    image,
    imagePullPolicy: 'Never',
    command,
    workingDir: '/app',
    ports: [{ containerPort: APP_PORT }],
    volumeMounts: mounts.map(([mountPath], index) => ({ name: `folder-${String(index)}`, mountPath })),
    // No request: none may come by a breakpoint before a test wants it.
    readinessProbe: { tcpSocket: { port: APP_PORT }, periodSeconds: 1, initialDelaySeconds: 1 },
    ...(options.securityContext === undefined ? {} : { securityContext: options.securityContext }),
    ...options.container,
  };
  const template = {
    metadata: { labels: { app: name, ...options.podLabels } },
    spec: {
      // There is no name server in the cluster; without this each pod comes with a warning.
      dnsPolicy: 'Default',
      terminationGracePeriodSeconds: 1,
      volumes: mounts.map(([, path], index) => ({ name: `folder-${String(index)}`, hostPath: { path } })),
      containers: [app, ...(options.sidecars ?? [])],
      ...options.podSpec,
    },
  };
  const spec = {
    replicas,
    selector: { matchLabels: { app: name } },
    template,
    ...(kind === 'StatefulSet' ? { serviceName: name } : {}),
    ...options.spec,
  };
  const service = { selector: { app: name }, ports: [{ port: 80, targetPort: APP_PORT }] };
  return [
    { apiVersion: 'apps/v1', kind, metadata, spec },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: service },
  ];
}
