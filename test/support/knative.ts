/**
 * Knative Serving in a test cluster: its own controller, webhook, autoscaler, activator and queue proxy, each as a pod of an
 * image with that one program. The ingress is ours (`cluster/knative/gateway`), as all real ones need Envoy, which is to be
 * had from registries only. The cluster has no name server, so the activator is told the autoscaler's address, and the
 * autoscaler asks the gateway for the names of services.
 */
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { locked } from './cache.ts';
import { ensureDocker } from './docker.ts';
import type { Cluster } from './kubernetes-cluster.ts';
import { importImage, programImage } from './kubernetes-images.ts';
import { KNATIVE_PROGRAMS, knativePrograms } from './knative-programs.ts';
import type { Pod } from './pod-app.ts';
import { until } from './until.ts';

const NAMESPACE = 'knative-serving';
const GATEWAY_PORT = 80;
const INGRESS_CLASS = 'gateway.debugwand.test';
/** Services get names below it: `<service>.<namespace>.test.example`. */
const DOMAIN = 'test.example';
const READY_MS = 120_000;

/** Knative, installed. */
export interface Knative {
  readonly cluster: Cluster;
  /** Where a service's requests go in: `<address>/price/1`. */
  readonly urlOf: (namespace: string, service: string) => string;
}

/** What a manifest says, as far as it is changed here. */
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  data?: Record<string, string>;
  spec?: Record<string, unknown> & { template?: { spec: PodSpec } };
}

interface PodSpec {
  containers: ({ name: string; image: string; env?: object[] } & Record<string, unknown>)[];
  [field: string]: unknown;
}

/** Installs it unless it is there; resolves when every part of it is ready. */
export async function installKnative(cluster: Cluster): Promise<Knative> {
  const programs = await knativePrograms();
  const version = basename(programs);
  return locked(`knative-${cluster.state.name}`, async () => {
    if (!(await isInstalled(cluster, version))) {
      const { command } = await ensureDocker();
      for (const program of KNATIVE_PROGRAMS) {
        const image = imageOf(program, version);
        await programImage(command, image, join(programs, program), `/${program}`, ['USER 65532']);
        await importImage(cluster.state, command, image);
      }
      await install(cluster, programs, version);
    }
    const address = await addressOf(cluster, 'gateway');
    return {
      cluster,
      // A client that cannot choose its Host header says it in the path: our gateway takes both.
      urlOf: (namespace, service) => `http://${address}/-/${service}.${namespace}.${DOMAIN}`,
    };
  });
}

function imageOf(program: string, version: string): string {
  return `docker.io/debugwand-test/knative-${program}:${version}`;
}

/** What was installed, and the addresses that its parts were told. */
interface Installed {
  readonly version: string;
  readonly gateway: string;
  readonly autoscaler: string;
}

/** Whether it is there in that version, and nobody was told the address of a pod that has been replaced. */
async function isInstalled(cluster: Cluster, version: string): Promise<boolean> {
  const note = await cluster
    .get<{ data: Installed }>(`/api/v1/namespaces/${NAMESPACE}/configmaps/installed`)
    .catch(() => undefined);
  if (note?.data.version !== version) return false;
  const { gateway, autoscaler } = note.data;
  return gateway === (await addressOf(cluster, 'gateway')) && autoscaler === (await addressOf(cluster, 'autoscaler'));
}

async function install(cluster: Cluster, programs: string, version: string): Promise<void> {
  const read = (...patterns: readonly string[]): Promise<Manifest[]> => manifests(join(programs, 'config'), patterns);
  const core = 'serving/core';
  const resources = await read('caching/image.yaml', 'networking/*.yaml', `${core}/300-resources/*.yaml`);
  const rights = await read(`${core}/100-namespace.yaml`, `${core}/200-*.yaml`, `${core}/200-roles/*.yaml`);
  const settings = resources.filter(({ kind }) => kind === 'ConfigMap');
  settings.push(...(await read(`${core}/configmaps/*.yaml`)));
  await cluster.applyAll([...rights, ...resources.filter(({ kind }) => kind !== 'ConfigMap')]);
  await cluster.kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s');
  await cluster.applyAll(settings.map((manifest) => configured(manifest, version)));
  await cluster.applyAll(await read(`${core}/webhooks/*.yaml`));
  const parts = await read(`${core}/deployments/{webhook,controller,autoscaler,activator}.yaml`);
  const deploy = async (names: readonly string[], change: (spec: PodSpec) => void = () => undefined): Promise<void> => {
    const chosen = parts.filter((manifest) => names.includes(partOf(manifest)));
    await cluster.applyAll(chosen.map((manifest) => deployable(cluster, manifest, version, change)));
    for (const name of names) {
      await cluster.kubectl('rollout', 'status', `deployment/${name}`, '-n', NAMESPACE, '--timeout=120s');
    }
  };
  await cluster.applyAll(gateway(cluster, version));
  // Until then one of an earlier version may be there.
  await cluster.kubectl('rollout', 'status', 'deployment/gateway', '-n', NAMESPACE, '--timeout=120s');
  const names = await addressOf(cluster, 'gateway');
  await deploy(['webhook', 'autoscaler'], (spec) => {
    spec['dnsPolicy'] = 'None';
    spec['dnsConfig'] = { nameservers: [names] };
  });
  const ip = await addressOf(cluster, 'autoscaler');
  await deploy(['controller', 'activator'], (spec) => {
    spec['hostAliases'] = [{ ip, hostnames: [`autoscaler.${NAMESPACE}.svc.cluster.local`] }];
  });
  const metadata = { name: 'installed', namespace: NAMESPACE };
  const data: Installed = { version, gateway: names, autoscaler: ip };
  await cluster.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
}

async function manifests(folder: string, patterns: readonly string[]): Promise<Manifest[]> {
  const files = patterns.flatMap((pattern) => globSync(pattern, { cwd: folder }).toSorted());
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  return texts.flatMap((text) =>
    parseAllDocuments(text).flatMap((document) => {
      const value = document.toJS() as Manifest | null;
      return value === null ? [] : [value];
    }),
  );
}

/** The Deployment that a manifest of `deployments/` belongs to; its Service has nearly the same name. */
function partOf({ metadata }: Manifest): string {
  return metadata.name.replace(/-service$/, '');
}

/** The settings that make it work here, and quick. What a test needs otherwise it says by annotations of its service. */
function configured(manifest: Manifest, version: string): Manifest {
  const settings: Record<string, Record<string, string>> = {
    'config-network': { 'ingress-class': INGRESS_CLASS, 'mesh-compatibility-mode': 'disabled' },
    'config-domain': { [DOMAIN]: '' },
    'config-deployment': {
      'queue-sidecar-image': imageOf('queue', version),
      // No registry can be asked which digest a tag means.
      'registries-skipping-tag-resolving': 'index.docker.io,docker.io,dev.local',
    },
    'config-features': {
      'kubernetes.podspec-volumes-hostpath': 'enabled',
      'kubernetes.podspec-dnspolicy': 'enabled',
      'kubernetes.podspec-securitycontext': 'enabled',
    },
    // One that is replaced begins when the lease of the other has ended: a minute by default.
    'config-leader-election': { 'lease-duration': '20s', 'renew-deadline': '15s', 'retry-period': '2s' },
    // The least that it takes.
    'config-autoscaler': { 'stable-window': '6s', 'scale-to-zero-grace-period': '2s' },
  };
  const more = settings[manifest.metadata.name];
  if (more !== undefined) manifest.data = { ...manifest.data, ...more };
  return manifest;
}

function deployable(cluster: Cluster, manifest: Manifest, version: string, change: (spec: PodSpec) => void): Manifest {
  const spec = manifest.spec?.template?.spec;
  if (manifest.kind !== 'Deployment' || spec === undefined) return manifest;
  for (const container of spec.containers) {
    container.image = imageOf(partOf(manifest), version);
    container['imagePullPolicy'] = 'Never';
    container.env = [...(container.env ?? []), ...serverEnv(cluster)];
    // A small machine has what it has.
    delete container['resources'];
  }
  delete spec['affinity'];
  spec['dnsPolicy'] = 'Default';
  spec['terminationGracePeriodSeconds'] = 1;
  change(spec);
  return manifest;
}

/** The kubelet names a Service's address, and here nothing carries that anywhere. */
function serverEnv(cluster: Cluster): object[] {
  return [
    { name: 'KUBERNETES_SERVICE_HOST', value: `${cluster.state.subnet}.1` },
    { name: 'KUBERNETES_SERVICE_PORT', value: String(cluster.state.ports.api) },
  ];
}

function gateway(cluster: Cluster, version: string): object[] {
  const labels = { app: 'gateway' };
  const container = {
    name: 'gateway',
    image: imageOf('gateway', version),
    imagePullPolicy: 'Never',
    env: [...serverEnv(cluster), { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }],
    // For ports below 1024.
    securityContext: { runAsUser: 0 },
    readinessProbe: { tcpSocket: { port: GATEWAY_PORT }, periodSeconds: 1 },
  };
  const spec = {
    // That account may read services and write the state of an Ingress.
    serviceAccountName: 'controller',
    dnsPolicy: 'Default',
    terminationGracePeriodSeconds: 1,
    containers: [container],
  };
  const template = { metadata: { labels }, spec };
  const metadata = { name: 'gateway', namespace: NAMESPACE };
  return [
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { selector: { matchLabels: labels }, template } },
  ];
}

async function addressOf(cluster: Cluster, app: string): Promise<string> {
  const path = `/api/v1/namespaces/${NAMESPACE}/pods?labelSelector=app%3D${app}`;
  return until(
    async () => {
      const { items } = await cluster.get<{ items: Pod[] }>(path);
      const pod = items.find(({ metadata }) => metadata.deletionTimestamp === undefined);
      return pod?.status.podIP;
    },
    `the ${app} of Knative has an address`,
    READY_MS,
  );
}
