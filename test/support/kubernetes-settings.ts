/** Where a test cluster keeps what, on which ports and addresses, and the command lines and settings of its programs. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { certificateUser, writeCertificates, writeKubeconfig } from './kubernetes-certificates.ts';
import type { Program } from './kubernetes-programs.ts';

/** The only node. */
export const NODE = 'localhost';
export const PAUSE_IMAGE = 'docker.io/debugwand-test/pause:1';
/** Debian's; others put them where the second one says. */
export const CNI_FOLDERS = ['/usr/lib/cni', '/opt/cni/bin'];

/** All that has to be known of a cluster to talk to it and to end it; kept in its run folder. */
export interface ClusterState {
  readonly name: string;
  /** Sockets, pid files, logs, kubeconfigs. */
  readonly run: string;
  /** What grows: etcd, images, volumes. */
  readonly data: string;
  readonly programs: string;
  /** Of /24: `<subnet>.1` is this machine, the rest are pods. */
  readonly subnet: string;
  readonly bridge: string;
  readonly ports: {
    readonly api: number;
    readonly etcd: number;
    readonly etcdPeer: number;
    readonly kubelet: number;
    readonly kubeletHealth: number;
  };
  /** Seconds after which a watch may be ended by the API server. */
  readonly minRequestTimeout?: number;
  /** Of a cluster that is one test's: whose. */
  readonly owner?: number;
}

export interface ClusterPaths {
  readonly certificates: string;
  readonly kubeconfig: string;
  readonly containerdSocket: string;
  readonly containerdState: string;
  readonly runc: string;
  readonly kubelet: string;
}

export function pathsOf({ run, data }: ClusterState): ClusterPaths {
  return {
    certificates: join(run, 'certificates'),
    kubeconfig: join(run, 'admin.kubeconfig'),
    containerdSocket: join(run, 'containerd.sock'),
    containerdState: join(run, 'containerd'),
    runc: join(run, 'runc'),
    kubelet: join(data, 'kubelet'),
  };
}

/** How this machine reaches the API server; pods take the bridge's address. */
export function serverOf(state: ClusterState): string {
  return `https://127.0.0.1:${String(state.ports.api)}`;
}

/** Writes certificates, kubeconfigs and settings of every program. */
export async function writeSettings(state: ClusterState, cniFolder: string): Promise<void> {
  const paths = pathsOf(state);
  const gateway = `${state.subnet}.1`;
  await writeCertificates(paths.certificates, NODE, gateway);
  for (const name of ['admin', 'controllers', 'scheduler', 'node']) {
    const user = await certificateUser(paths.certificates, name);
    await writeKubeconfig(join(state.run, `${name}.kubeconfig`), paths.certificates, serverOf(state), user);
  }
  await mkdir(join(state.run, 'cni'), { recursive: true });
  await writeFile(join(state.run, 'cni/debugwand.conflist'), JSON.stringify(cniSettings(state)));
  await writeFile(join(state.run, 'containerd.toml'), containerdSettings(state, cniFolder));
  await writeFile(join(state.run, 'kubelet.json'), JSON.stringify(kubeletSettings(state)));
}

/** The command lines, by program. */
export function commandOf(state: ClusterState, program: Program | 'containerd'): readonly string[] {
  const { certificates, kubelet } = pathsOf(state);
  const certificate = (file: string): string => join(certificates, file);
  const config = (name: string): string => join(state.run, `${name}.kubeconfig`);
  const etcd = `http://127.0.0.1:${String(state.ports.etcd)}`;
  const peer = `http://127.0.0.1:${String(state.ports.etcdPeer)}`;
  const common = ['--leader-elect=false', '--secure-port=0'];
  const args: Record<typeof program, readonly string[]> = {
    containerd: ['--config', join(state.run, 'containerd.toml')],
    etcd: [
      `--data-dir=${join(state.data, 'etcd')}`,
      `--listen-client-urls=${etcd}`,
      `--advertise-client-urls=${etcd}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      // What is here may be lost at any time.
      '--unsafe-no-fsync',
      '--log-level=warn',
    ],
    'kube-apiserver': [
      `--etcd-servers=${etcd}`,
      `--secure-port=${String(state.ports.api)}`,
      // Pods come by the bridge's address. Without a certificate or token of this cluster nobody gets further.
      '--bind-address=0.0.0.0',
      `--advertise-address=${state.subnet}.1`,
      `--client-ca-file=${certificate('ca.crt')}`,
      `--tls-cert-file=${certificate('apiserver.crt')}`,
      `--tls-private-key-file=${certificate('apiserver.key')}`,
      `--kubelet-certificate-authority=${certificate('ca.crt')}`,
      `--kubelet-client-certificate=${certificate('kubelet-client.crt')}`,
      `--kubelet-client-key=${certificate('kubelet-client.key')}`,
      '--kubelet-preferred-address-types=Hostname,InternalIP',
      '--authorization-mode=Node,RBAC',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${certificate('service-accounts.pub')}`,
      `--service-account-signing-key-file=${certificate('service-accounts.key')}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      '--endpoint-reconciler-type=none',
      // Nothing routes a Service's own address here: webhooks are called at their endpoints.
      '--enable-aggregator-routing=true',
      '--allow-privileged',
      '--event-ttl=10m',
      '--profiling=false',
      ...(state.minRequestTimeout === undefined ? [] : [`--min-request-timeout=${String(state.minRequestTimeout)}`]),
    ],
    'kube-controller-manager': [
      `--kubeconfig=${config('controllers')}`,
      `--service-account-private-key-file=${certificate('service-accounts.key')}`,
      `--root-ca-file=${certificate('ca.crt')}`,
      '--use-service-account-credentials=true',
      ...common,
    ],
    'kube-scheduler': [`--kubeconfig=${config('scheduler')}`, ...common],
    kubelet: [
      `--config=${join(state.run, 'kubelet.json')}`,
      `--kubeconfig=${config('node')}`,
      `--hostname-override=${NODE}`,
      `--node-ip=${state.subnet}.1`,
      `--root-dir=${kubelet}`,
      `--cert-dir=${join(kubelet, 'pki')}`,
      // Nobody asks for metrics.
      '--housekeeping-interval=60s',
    ],
    kubectl: [],
  };
  const file = program === 'containerd' ? program : join(state.programs, program);
  return [file, ...args[program]];
}

function cniSettings(state: ClusterState): object {
  return {
    cniVersion: '0.4.0',
    name: `debugwand-${state.name}`,
    plugins: [
      {
        type: 'bridge',
        bridge: state.bridge,
        isGateway: true,
        ipMasq: false,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          dataDir: join(state.run, 'addresses'),
          ranges: [[{ subnet: `${state.subnet}.0/24` }]],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  };
}

function containerdSettings(state: ClusterState, cniFolder: string): string {
  const { containerdSocket, containerdState, runc } = pathsOf(state);
  return `version = 2
root = "${join(state.data, 'containerd')}"
state = "${containerdState}"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "${containerdSocket}"
[plugins."io.containerd.grpc.v1.cri"]
  stream_server_address = "127.0.0.1"
  sandbox_image = "${PAUSE_IMAGE}"
  # A container that tests may run in cannot lower anyone's score.
  restrict_oom_score_adj = true
  disable_apparmor = true
  # Where the end of the cluster finds and removes them.
  netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "${cniFolder}"
  conf_dir = "${join(state.run, 'cni')}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    # Not the one that every containerd of this machine shares.
    Root = "${runc}"
`;
}

function kubeletSettings(state: ClusterState): object {
  const { certificates, containerdSocket } = pathsOf(state);
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: '127.0.0.1',
    port: state.ports.kubelet,
    healthzPort: state.ports.kubeletHealth,
    tlsCertFile: join(certificates, 'node.crt'),
    tlsPrivateKeyFile: join(certificates, 'node.key'),
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: join(certificates, 'ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    cgroupDriver: 'cgroupfs',
    // As in a container: no hierarchy of cgroups is this kubelet's to manage.
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0,
    featureGates: { KubeletInUserNamespace: true },
    makeIPTablesUtilChains: false,
    localStorageCapacityIsolation: false,
    evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '1%' },
    // Images were imported, not pulled: none may be collected.
    imageGCHighThresholdPercent: 100,
    podLogsDir: join(state.run, 'pods'),
    volumePluginDir: join(state.data, 'volume-plugins'),
    maxPods: 200,
    // A small cluster that is loaded in bursts: no test waits for its kubelet's manners.
    kubeAPIQPS: 100,
    kubeAPIBurst: 200,
    shutdownGracePeriod: '0s',
  };
}
