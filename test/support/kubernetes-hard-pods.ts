/** Pods by hand, for tests of what goes in and out of them; and a wire to the API server that can be cut. */
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import type { ClusterApi } from '../../src/targets/kubernetes-api.ts';
import { IMAGES } from './images.ts';
import type { Cluster } from './kubernetes-cluster.ts';
import { until } from './until.ts';

export const SLEEP = ['python3.14', '-c', 'import time; time.sleep(1e6)'];
/** Started as root, it becomes somebody else, as gunicorn does with `--user`: its memory is root's with SYS_PTRACE only. */
export const CHANGE_USER = [
  'python3.14',
  '-c',
  'import os, time\nif os.getuid() == 0:\n  os.setgid(1000); os.setuid(1000)\ntime.sleep(1e6)',
];

export interface HardPod {
  readonly name: string;
  readonly command?: readonly string[] | null;
  readonly args?: readonly string[];
  readonly image?: string;
  readonly securityContext?: object;
  readonly podSpec?: object;
}

/** Starts a pod with the container `app`; resolves when it runs. */
export async function startPod(cluster: Cluster, namespace: string, pod: HardPod): Promise<void> {
  const { name, command = SLEEP, args, image = IMAGES.python314, securityContext, podSpec } = pod;
  const container = {
    name: 'app',
    image,
    imagePullPolicy: 'Never',
    ...(command === null ? {} : { command }),
    ...(args === undefined ? {} : { args }),
    ...(securityContext === undefined ? {} : { securityContext }),
  };
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: { dnsPolicy: 'Default', terminationGracePeriodSeconds: 1, containers: [container], ...podSpec },
  });
  const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
  await until(
    async () => {
      const { status } = await cluster.get<{ status: { containerStatuses?: { ready: boolean }[] } }>(path);
      return status.containerStatuses?.[0]?.ready;
    },
    `pod ${name} runs`,
    60_000,
  );
}

/** A way to the API server that a test may cut. */
export interface Wire extends AsyncDisposable {
  readonly api: ClusterApi;
  /** How many connections are open. */
  readonly open: () => number;
  /** Ends all that is open, as a router does that forgets. */
  readonly cut: () => void;
}

export async function wireTo(api: ClusterApi, cluster: Cluster): Promise<Wire> {
  const { hostname, port } = new URL(cluster.server);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => undefined);
      from.pipe(to);
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port: own } = server.address() as AddressInfo;
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    api: {
      place: api.place,
      request: (...asked) => api.request(...asked),
      stream: (...asked) => api.stream(...asked),
      socketOptions: async (signal) => ({
        ...(await api.socketOptions(signal)),
        baseUrl: `wss://127.0.0.1:${String(own)}`,
      }),
    },
    open: () => sockets.size / 2,
    cut,
    [Symbol.asyncDispose]: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
