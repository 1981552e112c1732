/** The sample app as a Knative Service of a test cluster, the project's folder mounted into its pods. */
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { IMAGES } from './images.ts';
import type { Knative } from './knative.ts';
import { APP_PORT, SERVE, type Pod } from './pod-app.ts';
import { projectFolder, sampleApp, type SampleApp } from './sample-app.ts';
import { until } from './until.ts';

const READY_MS = 90_000;

export interface KnativeOptions {
  readonly namespace: string;
  readonly name: string;
  /** Default: 1. With 0 its pods go six seconds after the last request, at the soonest. */
  readonly minScale?: number;
  /** Of a revision: `timeoutSeconds`, … */
  readonly spec?: object;
  /** Further annotations of a revision. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly edit?: (text: string) => string;
}

/** The app behind Knative: `url` goes by the ingress, and wakes it when it is scaled to zero. */
export interface KnativeApp extends SampleApp {
  readonly namespace: string;
  readonly name: string;
  /** Its pods that are not on their way out, of all revisions. */
  pods: () => Promise<Pod[]>;
  /** Name of the newest revision that is ready. */
  revision: () => Promise<string>;
  /** Changes the template; resolves when the revision that follows is ready and has the route. */
  newRevision: () => Promise<string>;
  /** Resolves when no pod is left that would answer: the next request waits for one. */
  scaledToZero: () => Promise<void>;
}

interface EndpointSlice {
  readonly endpoints: readonly { readonly conditions: { readonly ready?: boolean } }[] | null;
}

interface KnativeService {
  readonly metadata: { readonly generation: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly latestReadyRevisionName?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** Starts the app; resolves when its service is ready and it answers. */
export async function startKnativeApp(knative: Knative, options: KnativeOptions): Promise<KnativeApp> {
  const { cluster } = knative;
  const { namespace, name } = options;
  const folder = await projectFolder();
  const source = join(folder, 'app.py');
  await chmod(folder, 0o755);
  if (options.edit !== undefined) await writeFile(source, options.edit(await readFile(source, 'utf8')));
  const path = `/apis/serving.knative.dev/v1/namespaces/${namespace}/services/${name}`;
  const ready = async (): Promise<string | undefined> => {
    const { metadata, status } = await cluster.get<KnativeService>(path);
    const good = status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True');
    return good === true && status?.observedGeneration === metadata.generation
      ? status.latestReadyRevisionName
      : undefined;
  };
  const revision = (): Promise<string> => until(ready, `the Knative service ${name} is ready`, READY_MS);
  const kubectl = (...args: readonly string[]): Promise<string> => cluster.kubectl('-n', namespace, ...args);
  const pods = async (): Promise<Pod[]> => {
    const selector = encodeURIComponent(`serving.knative.dev/service=${name}`);
    const { items } = await cluster.get<{ items: Pod[] }>(
      `/api/v1/namespaces/${namespace}/pods?labelSelector=${selector}`,
    );
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  };
  /** Whether the activator knows a pod that it could ask. One that drains, for half a minute, is none. */
  const isServed = async (): Promise<boolean> => {
    const selector = encodeURIComponent(
      `serving.knative.dev/service=${name},networking.internal.knative.dev/serviceType=Private`,
    );
    const { items } = await cluster.get<{ items: EndpointSlice[] }>(
      `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=${selector}`,
    );
    return items.some(({ endpoints }) => endpoints?.some(({ conditions }) => conditions.ready === true));
  };
  await cluster.apply(manifest(options, folder));
  const why = (): Promise<string> => kubectl('get', 'ksvc,revision,king,pods,events', '-o', 'wide').catch(String);
  await revision().catch(async (error: unknown) => {
    throw new Error(`${String(error)}\n${await why()}`, { cause: error });
  });
  const app = await sampleApp(
    folder,
    () => Promise.resolve(knative.urlOf(namespace, name)),
    async () => {
      await kubectl('delete', 'services.serving.knative.dev', name, '--wait=false', '--ignore-not-found');
    },
    why,
  );
  return {
    ...app,
    namespace,
    name,
    pods,
    revision,
    newRevision: async () => {
      const before = await revision();
      const template = { metadata: { annotations: { 'debugwand.test/saved': new Date().toISOString() } } };
      const patch = JSON.stringify({ spec: { template } });
      await kubectl('patch', 'services.serving.knative.dev', name, '--type=merge', '--patch', patch);
      return until(
        async () => {
          const now = await ready();
          return now === before ? undefined : now;
        },
        `another revision than ${before} is ready`,
        READY_MS,
      );
    },
    scaledToZero: async () => {
      const idle = async (): Promise<boolean> => (await pods()).length === 0 && !(await isServed());
      await until(idle, `${name} is scaled to zero`, READY_MS);
    },
  };
}

function manifest(options: KnativeOptions, folder: string): object {
  const { namespace, name, minScale = 1 } = options;
  const container = {
    image: IMAGES.python314,
    imagePullPolicy: 'IfNotPresent',
    command: SERVE,
    workingDir: '/app',
    ports: [{ containerPort: APP_PORT }],
    volumeMounts: [{ name: 'project', mountPath: '/app' }],
  };
  const spec = {
    dnsPolicy: 'Default',
    containers: [container],
    volumes: [{ name: 'project', hostPath: { path: folder } }],
    ...options.spec,
  };
  const annotations = { 'autoscaling.knative.dev/min-scale': String(minScale), ...options.annotations };
  return {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { template: { metadata: { annotations }, spec } },
  };
}
