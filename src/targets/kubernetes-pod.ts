// Owns what a pod looks like to us: a guard that turns `unknown` into the few fields that we use. Pure.
import type { Probe } from '../core/types.ts';
import { fields, list, number, portName, text, texts, time, type Fields } from '../lib/fields.ts';
import { parseMeta, type Meta } from './kubernetes-wire.ts';

export interface Pod extends Meta {
  readonly phase: string;
  /** The pod's own, as of an eviction: "Evicted", "NodeLost". */
  readonly reason: string;
  readonly message: string;
  readonly hostPid: boolean;
  readonly sharesProcesses: boolean;
  /** Of type Ready. */
  readonly ready: boolean;
  /** Of type PodScheduled with status False: the scheduler's words. */
  readonly unscheduled: { readonly reason: string; readonly message: string } | null;
  readonly containers: readonly Container[];
  readonly initContainers: readonly Container[];
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  readonly ports: readonly { readonly name: string | null; readonly port: number }[];
  readonly probes: readonly Probe[];
  /** Folders of the node. */
  readonly hostPaths: readonly { readonly source: string; readonly destination: string }[];
  /** An init container that runs on beside the others (restartPolicy: Always). */
  readonly isNativeSidecar: boolean;
  /** Null: the kubelet has not spoken of it yet. */
  readonly status: ContainerStatus | null;
}

export interface ContainerStatus {
  readonly ready: boolean;
  /** Its startup probe succeeded, or it has none. */
  readonly started: boolean;
  readonly restarts: number;
  readonly id: string;
  readonly state: ContainerState;
  /** How it ended the time before. */
  readonly last: Ended | null;
}

export type ContainerState =
  | { readonly is: 'running'; readonly startedAt: string }
  | { readonly is: 'waiting'; readonly reason: string; readonly message: string }
  | ({ readonly is: 'terminated' } & Ended);

export interface Ended {
  readonly reason: string;
  readonly message: string;
  readonly exitCode: number;
  readonly finishedAt: number;
}

/** Null for what is no pod. */
export function parsePod(value: unknown): Pod | null {
  const f = fields(value);
  const meta = parseMeta(value);
  if (meta === null || meta.uid === '') return null;
  const spec = fields(f['spec']);
  const status = fields(f['status']);
  const conditions = list(status['conditions']).map(fields);
  const scheduled = conditions.find((c) => c['type'] === 'PodScheduled' && c['status'] === 'False');
  const folders = hostFolders(spec['volumes']);
  const containers = (specs: string, statuses: string): Container[] => {
    const known = new Map(list(status[statuses]).map((s) => [text(fields(s)['name']), s]));
    return list(spec[specs]).map((c) => parseContainer(fields(c), known.get(text(fields(c)['name'])), folders));
  };
  return {
    ...meta,
    phase: text(status['phase']),
    reason: text(status['reason']),
    message: text(status['message']),
    hostPid: spec['hostPID'] === true,
    sharesProcesses: spec['shareProcessNamespace'] === true,
    ready: conditions.some((c) => c['type'] === 'Ready' && c['status'] === 'True'),
    unscheduled:
      scheduled === undefined ? null : { reason: text(scheduled['reason']), message: text(scheduled['message']) },
    containers: containers('containers', 'containerStatuses'),
    initContainers: containers('initContainers', 'initContainerStatuses'),
  };
}

function parseContainer(f: Fields, status: unknown, folders: ReadonlyMap<string, string>): Container {
  const ports = list(f['ports']).flatMap((entry) => {
    const p = fields(entry);
    const port = number(p['containerPort'], 0);
    return port > 0 ? [{ name: text(p['name']) || null, port }] : [];
  });
  const env = list(f['env']).map(fields);
  return {
    name: text(f['name']),
    image: text(f['image']),
    command: texts(f['command']),
    env: Object.fromEntries(env.map((entry) => [text(entry['name']), text(entry['value'])])),
    workingDir: text(f['workingDir']),
    ports,
    probes: (['startup', 'liveness', 'readiness'] as const).flatMap((kind) =>
      parseProbe(kind, f[`${kind}Probe`], ports),
    ),
    hostPaths: list(f['volumeMounts']).flatMap((entry) => {
      const mount = fields(entry);
      const folder = folders.get(text(mount['name']));
      if (folder === undefined) return [];
      const below = text(mount['subPath']);
      return [{ source: below === '' ? folder : `${folder}/${below}`, destination: text(mount['mountPath']) }];
    }),
    isNativeSidecar: f['restartPolicy'] === 'Always',
    status: parseStatus(status),
  };
}

function hostFolders(volumes: unknown): ReadonlyMap<string, string> {
  return new Map(
    list(volumes).flatMap((entry): [string, string][] => {
      const volume = fields(entry);
      const path = text(fields(volume['hostPath'])['path']);
      return path === '' ? [] : [[text(volume['name']), path]];
    }),
  );
}

/** With the API's defaults, which the server fills in anyhow. */
function parseProbe(kind: Probe['kind'], value: unknown, ports: Container['ports']): Probe[] {
  const f = fields(value);
  const by = (['httpGet', 'tcpSocket', 'grpc', 'exec'] as const).find((name) => f[name] !== undefined);
  if (by === undefined) return [];
  const how = fields(f[by]);
  const named = portName(how['port']);
  const port = typeof named === 'string' ? (ports.find((p) => p.name === named)?.port ?? null) : named;
  const isHttps = text(how['scheme']).toUpperCase() === 'HTTPS';
  const word = { httpGet: isHttps ? 'https' : 'http', tcpSocket: 'tcp', grpc: 'grpc', exec: 'exec' } as const;
  return [
    {
      kind,
      by: word[by],
      port: by === 'exec' ? null : port,
      path: by === 'httpGet' ? text(how['path']) || '/' : null,
      periodSeconds: number(f['periodSeconds'], 10) || 10,
      timeoutSeconds: number(f['timeoutSeconds'], 1) || 1,
      failureThreshold: number(f['failureThreshold'], 3) || 3,
    },
  ];
}

function parseStatus(value: unknown): ContainerStatus | null {
  const f = fields(value);
  const state = parseState(f['state']);
  if (state === null) return null;
  const last = parseState(f['lastState']);
  return {
    ready: f['ready'] === true,
    started: f['started'] === true,
    restarts: number(f['restartCount'], 0),
    id: text(f['containerID']),
    state,
    last: last?.is === 'terminated' ? last : null,
  };
}

function parseState(value: unknown): ContainerState | null {
  const f = fields(value);
  if (f['running'] !== undefined) return { is: 'running', startedAt: text(fields(f['running'])['startedAt']) };
  if (f['terminated'] !== undefined) {
    const end = fields(f['terminated']);
    return {
      is: 'terminated',
      reason: text(end['reason']),
      message: text(end['message']),
      exitCode: number(end['exitCode'], 0),
      finishedAt: time(end['finishedAt']),
    };
  }
  if (f['waiting'] === undefined) return null;
  const waiting = fields(f['waiting']);
  return { is: 'waiting', reason: text(waiting['reason']), message: text(waiting['message']) };
}
