/** One test cluster: its programs as handles, its start, its health and its end. */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { aptInstall } from './debian.ts';
import type { ImageName } from './images.ts';
import { Daemon } from './kubernetes-daemon.ts';
import { ensureClusterImages, ensurePauseImage } from './kubernetes-images.ts';
import { makeBridge } from './kubernetes-network.ts';
import type { Program } from './kubernetes-programs.ts';
import { Rest } from './kubernetes-rest.ts';
import { removeRemains } from './kubernetes-remains.ts';
import {
  CNI_FOLDERS,
  commandOf,
  NODE,
  pathsOf,
  serverOf,
  writeSettings,
  type ClusterState,
} from './kubernetes-settings.ts';
import { Lacking } from './machine.ts';
import { attempt, run } from './run.ts';
import { until } from './until.ts';

const START_MS = 90_000;
const STATE = 'cluster.json';

/** A namespace of one test's. */
export interface Namespace {
  readonly name: string;
  /** Begins its end, with all that is in it, and does not wait for it. */
  readonly remove: () => Promise<void>;
}

export class Cluster {
  readonly state: ClusterState;
  /** The admin's. */
  readonly kubeconfig: string;
  readonly server: string;
  /** Path of our own kubectl. */
  readonly kubectlProgram: string;
  readonly etcd: Daemon;
  readonly apiServer: Daemon;
  readonly controllers: Daemon;
  readonly scheduler: Daemon;
  readonly containerd: Daemon;
  readonly kubelet: Daemon;
  readonly #rest: Rest;

  constructor(state: ClusterState) {
    this.state = state;
    this.kubeconfig = pathsOf(state).kubeconfig;
    this.server = serverOf(state);
    this.#rest = new Rest(this.server, pathsOf(state).certificates);
    this.kubectlProgram = join(state.programs, 'kubectl');
    const daemon = (program: Program | 'containerd'): Daemon =>
      new Daemon(program, state.run, () => commandOf(state, program));
    this.etcd = daemon('etcd');
    this.apiServer = daemon('kube-apiserver');
    this.controllers = daemon('kube-controller-manager');
    this.scheduler = daemon('kube-scheduler');
    this.containerd = daemon('containerd');
    this.kubelet = daemon('kubelet');
  }

  /** The cluster whose run folder this is, running or not. */
  static async at(runFolder: string): Promise<Cluster | undefined> {
    const text = await readFile(join(runFolder, STATE), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : new Cluster(JSON.parse(text) as ClusterState);
  }

  /** In the order in which they can be started; ended in the other. */
  get daemons(): readonly Daemon[] {
    return [this.etcd, this.containerd, this.apiServer, this.controllers, this.scheduler, this.kubelet];
  }

  /** Takes its network, and says where all that follows is to be found: from here on anybody can end what we began. */
  async claim(): Promise<void> {
    await mkdir(this.state.run, { recursive: true });
    await mkdir(this.state.data, { recursive: true });
    await writeFile(join(this.state.run, STATE), JSON.stringify(this.state));
    await makeBridge(this.state.bridge, this.state.subnet);
  }

  /** Starts all of it; resolves when the node is ready. Without success nothing is left. */
  async start(images: readonly ImageName[] = []): Promise<void> {
    try {
      const cniFolder = await installRuntime();
      await writeSettings(this.state, cniFolder);
      const up = async (daemons: readonly Daemon[], what: string, seen: () => Promise<boolean>): Promise<void> => {
        await until(
          async () => {
            // What has ended will never be ready, and its log says why.
            for (const daemon of daemons)
              if ((await daemon.pid()) === undefined) throw new Error(`${daemon.name} ended`);
            return seen();
          },
          what,
          START_MS,
        );
      };
      await Promise.all([this.etcd.start(), this.containerd.start(), this.apiServer.start()]);
      await up([this.containerd], 'containerd answers', () => this.runtimeReady());
      await ensurePauseImage(this.state);
      await up([this.etcd, this.apiServer], 'the API server is ready', () => this.ready());
      await Promise.all([this.controllers.start(), this.scheduler.start(), this.kubelet.start()]);
      await ensureClusterImages(this.state, images);
      await up(this.daemons, 'the node is ready', () => this.nodeReady());
      // The first pod of a namespace needs its account.
      await up(this.daemons, 'the default service account is made', () => this.#hasAccount('default'));
    } catch (error) {
      const words = await Promise.all(
        this.daemons.map(async (daemon) =>
          (await daemon.pid()) === undefined ? `--- ${daemon.name} is not running:\n${await daemon.lastWords()}` : '',
        ),
      );
      await this.remove();
      throw new Error(`The test cluster did not start: ${String(error)}\n${words.join('\n')}`, { cause: error });
    }
  }

  /** Makes sure that it has these images, under their names in `IMAGES`. */
  async ensureImages(images: readonly ImageName[]): Promise<void> {
    await ensureClusterImages(this.state, images);
  }

  /** True when every program runs and what they do together works. */
  async healthy(): Promise<boolean> {
    for (const daemon of this.daemons) if ((await daemon.pid()) === undefined) return false;
    return (await this.ready()) && (await this.runtimeReady()) && (await this.nodeReady());
  }

  /** The API server serves. */
  async ready(): Promise<boolean> {
    return (await this.#there('/readyz')) !== undefined;
  }

  async nodeReady(): Promise<boolean> {
    const text = await this.#there(`/api/v1/nodes/${NODE}`);
    if (text === undefined) return false;
    const node = JSON.parse(text) as { status: { conditions?: { type: string; status: string }[] } };
    return node.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
  }

  /** The object at a path of the API, as JSON. */
  async get<T>(path: string): Promise<T> {
    return JSON.parse(await this.#rest.get(path)) as T;
  }

  async #there(path: string): Promise<string | undefined> {
    return this.#rest.get(path).catch(() => undefined);
  }

  async runtimeReady(): Promise<boolean> {
    const { containerdSocket } = pathsOf(this.state);
    return (await attempt('ctr', ['--address', containerdSocket, 'version'], { timeoutMs: 5000 })) !== undefined;
  }

  /** Our kubectl as the admin; gives its output, throws with what it says. */
  async kubectl(...args: readonly string[]): Promise<string> {
    return run(this.kubectlProgram, ['--kubeconfig', this.kubeconfig, ...args], { timeoutMs: 180_000 });
  }

  /** Creates or changes objects. */
  async apply(...manifests: readonly object[]): Promise<void> {
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests });
    await run(this.kubectlProgram, ['--kubeconfig', this.kubeconfig, 'apply', '-f', '-'], { input: list });
  }

  /** The same for many and large ones: the server merges, and keeps no copy of each in an annotation. */
  async applyAll(manifests: readonly object[]): Promise<void> {
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests });
    const args = ['--kubeconfig', this.kubeconfig, 'apply', '--server-side', '--force-conflicts', '-f', '-'];
    await run(this.kubectlProgram, args, { input: list });
  }

  /** A fresh namespace in which pods can be made. Labels are for what admission asks, such as pod security. */
  async namespace(labels: Readonly<Record<string, string>> = {}): Promise<Namespace> {
    const name = `test-${randomUUID().slice(0, 8)}`;
    await this.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
    await until(() => this.#hasAccount(name), `namespace ${name} has its service account`, START_MS);
    return {
      name,
      remove: async () => {
        await this.kubectl('delete', 'namespace', name, '--wait=false', '--ignore-not-found');
      },
    };
  }

  async #hasAccount(namespace: string): Promise<boolean> {
    return (await this.#there(`/api/v1/namespaces/${namespace}/serviceaccounts/default`)) !== undefined;
  }

  /** etcd forgets all but the newest of everything: a watch that was cut cannot go on where it was. */
  async compact(): Promise<void> {
    const etcd = `http://127.0.0.1:${String(this.state.ports.etcd)}/v3/kv`;
    const ask = async (what: string, body: object): Promise<{ header?: { revision?: string } }> => {
      const answer = await fetch(`${etcd}/${what}`, { method: 'POST', body: JSON.stringify(body) });
      if (!answer.ok) throw new Error(`etcd refused ${what}: ${String(answer.status)} ${await answer.text()}`);
      return (await answer.json()) as { header?: { revision?: string } };
    };
    const key = Buffer.from('/').toString('base64');
    const { header } = await ask('range', { key, count_only: true });
    await ask('compaction', { revision: header?.revision, physical: true });
  }

  /** Ends it and all that it had. Safe at any time, twice, and on one that is half dead. */
  async remove(): Promise<void> {
    for (const daemon of this.daemons.toReversed()) await daemon.kill();
    await removeRemains(this.state);
    const { run: runFolder, data } = this.state;
    const rest = (await readdir(runFolder).catch(() => [])).filter((name) => name !== STATE);
    await run('rm', ['-rf', '--one-file-system', data, ...rest.map((name) => join(runFolder, name))]);
    // Last of all, so that what was not completed can be begun again.
    await run('rm', ['-rf', runFolder]);
  }
}

/** Installs what is Debian's; gives the folder of the network plugins. */
export async function installRuntime(): Promise<string> {
  await aptInstall({ containerd: 'containerd', runc: 'runc', iproute2: 'ip', iptables: 'iptables' });
  const find = (): string | undefined => CNI_FOLDERS.find((folder) => existsSync(join(folder, 'bridge')));
  if (find() === undefined) await aptInstall({ 'containernetworking-plugins': '/usr/lib/cni/bridge' });
  const folder = find();
  if (folder === undefined) throw new Lacking('CNI plugins', `Put them into ${CNI_FOLDERS.join(' or ')}.`);
  return folder;
}
