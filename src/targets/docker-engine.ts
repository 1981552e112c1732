// Owns the connection to one container engine: the only file that knows dockerode. Every answer leaves here guarded. Must
// not decide anything about targets.
import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { Duplex, Readable } from 'node:stream';
import './lean-dockerode.ts';
import Docker from 'dockerode';
import { describeEndpoint, type Endpoint } from './docker-endpoint.ts';
import {
  parseContainers,
  isPodmanVersion,
  parseDetails,
  parseExecState,
  parseTop,
  type ContainerDetails,
  type ContainerSummary,
  type ExecState,
} from './docker-wire.ts';

/** Nothing of what we ask takes an engine this long, ms, but an engine that hangs must not hang us. */
const REQUEST_TIMEOUT_MS = 20_000;

export interface ExecSpec {
  readonly container: string;
  readonly argv: readonly string[];
  /** "uid:gid"; default: the user of the container. */
  readonly user?: string;
}

/** An exec that was started. */
export interface RunningExec {
  /** Multiplexed output comes from it, stdin goes into it; half-closes. */
  readonly wire: Duplex;
  state(signal: AbortSignal): Promise<ExecState>;
}

export interface HelperSpec {
  readonly name: string;
  readonly imageId: string;
  readonly command: readonly [string, ...string[]];
  readonly labels: Readonly<Record<string, string>>;
  /** Whose PID and network namespaces it joins: the container's id, and the host's PID of its first process. */
  readonly joins: { readonly id: string; readonly pid: number };
  /** The image has a health check, which must not run in a helper. */
  readonly healthCheck: boolean;
  readonly userNamespaceMode: string;
}

export class DockerEngine {
  readonly endpoint: string;
  readonly #docker: Docker;
  readonly #agent: HttpAgent;
  readonly #wires = new Set<Duplex>();
  #podman: Promise<boolean> | null = null;

  private constructor(docker: Docker, agent: HttpAgent, endpoint: string) {
    this.#docker = docker;
    this.#agent = agent;
    this.endpoint = endpoint;
  }

  /** Connects lazily: only reads the TLS files. @throws Error of the file system when they cannot be read. */
  static async open(endpoint: Endpoint): Promise<DockerEngine> {
    const tls = endpoint.kind === 'tcp' ? endpoint.tls : null;
    const pem = async (path: string | null | undefined): Promise<Buffer | undefined> =>
      path === null || path === undefined ? undefined : readFile(path);
    const [ca, cert, key] = await Promise.all([pem(tls?.ca), pem(tls?.cert), pem(tls?.key)]);
    // No keep-alive: an idle connection that a restarted engine closed would fail the next request.
    const agent = tls === null ? new HttpAgent() : new HttpsAgent({ rejectUnauthorized: tls.verify });
    const options = {
      // All of them are given, as dockerode fills gaps from DOCKER_HOST, even beside an explicit socketPath.
      socketPath: endpoint.kind === 'socket' ? endpoint.path : undefined,
      host: endpoint.kind === 'tcp' ? endpoint.host : undefined,
      port: endpoint.kind === 'tcp' ? endpoint.port : undefined,
      protocol: tls === null ? ('http' as const) : ('https' as const),
      ca,
      cert,
      key,
      agent,
    };
    return new DockerEngine(new Docker(options), agent, describeEndpoint(endpoint));
  }

  /** Asks for something small that every target needs: an engine that only answers pings is of no use. */
  async ping(signal: AbortSignal): Promise<void> {
    await bounded(signal, (abortSignal) => this.#docker.listContainers({ limit: 1, abortSignal }));
  }

  /** All containers, also those that do not run. */
  async list(signal: AbortSignal): Promise<readonly ContainerSummary[]> {
    return parseContainers(
      await bounded(signal, (abortSignal) => this.#docker.listContainers({ all: true, abortSignal })),
    );
  }

  /** Null when the container is gone. */
  async inspect(id: string, signal: AbortSignal): Promise<ContainerDetails | null> {
    try {
      return parseDetails(
        await bounded(signal, (abortSignal) => this.#docker.getContainer(id).inspect({ abortSignal })),
      );
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw error;
    }
  }

  /** Command lines of the container's processes; empty where the engine cannot tell. */
  async top(id: string, signal: AbortSignal): Promise<readonly string[]> {
    try {
      // Podman streams for ever unless told not to.
      return parseTop(
        await bounded(signal, (abortSignal) => this.#docker.getContainer(id).top({ stream: false, abortSignal })),
      );
    } catch (error) {
      if (statusOf(error) === null) throw error;
      return [];
    }
  }

  /** NDJSON, until `signal` aborts or the engine goes. @param since seconds since the Unix epoch */
  async events(since: number, signal: AbortSignal): Promise<Readable> {
    // No filters: they differ between engines and versions, and what does not concern us is cheap to skip.
    const stream: unknown = await this.#docker.getEvents({ since, abortSignal: signal });
    if (!(stream instanceof Readable)) throw new Error('the event stream of the container engine is none');
    return stream;
  }

  /** `signal` covers the opening only: afterwards the wire is the caller's, to destroy. */
  async exec(spec: ExecSpec, signal: AbortSignal): Promise<RunningExec> {
    const options = {
      Cmd: [...spec.argv],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
      // The app's working directory may be gone; `/` is always there.
      WorkingDir: '/',
      ...(spec.user === undefined ? {} : { User: spec.user }),
    };
    const container = this.#docker.getContainer(spec.container);
    const exec = await bounded(signal, (abortSignal) => container.exec({ ...options, abortSignal }));
    const wire = await this.#hijack(signal, (abortSignal) =>
      exec.start({ hijack: true, stdin: true, Detach: false, Tty: false, abortSignal }),
    );
    return {
      wire,
      state: async (inner) => parseExecState(await bounded(inner, (abortSignal) => exec.inspect({ abortSignal }))),
    };
  }

  /** Creates and starts a helper container; gives its id. */
  async startHelper(spec: HelperSpec, signal: AbortSignal): Promise<string> {
    const [program, ...args] = spec.command;
    // Podman refuses to remove a container that another one was made to join: there the namespaces are joined by path.
    const podman = await this.#isPodman(signal);
    const join = (namespace: 'pid' | 'net'): string =>
      podman ? `ns:/proc/${String(spec.joins.pid)}/ns/${namespace}` : `container:${spec.joins.id}`;
    const options = {
      name: spec.name,
      Image: spec.imageId,
      Entrypoint: [program],
      Cmd: args,
      User: '0:0',
      WorkingDir: '/',
      Labels: { ...spec.labels },
      // Not said without need: Podman takes NONE for a check, and wants systemd for it.
      ...(spec.healthCheck ? { Healthcheck: { Test: ['NONE'] } } : {}),
      HostConfig: {
        PidMode: join('pid'),
        NetworkMode: join('net'),
        CapAdd: ['SYS_PTRACE'],
        // An unconfined tracer may trace whatever AppArmor or SELinux profile the app runs under.
        SecurityOpt: ['apparmor=unconfined', 'label=disable'],
        AutoRemove: true,
        LogConfig: { Type: 'none', Config: {} },
        ...(spec.userNamespaceMode === '' ? {} : { UsernsMode: spec.userNamespaceMode }),
      },
    };
    const created = await bounded(signal, (abortSignal) => this.#docker.createContainer({ ...options, abortSignal }));
    const { id } = created;
    try {
      await bounded(signal, (abortSignal) => this.#docker.getContainer(id).start({ abortSignal }));
      return id;
    } catch (error) {
      await this.remove(id, AbortSignal.timeout(REQUEST_TIMEOUT_MS)).catch(() => undefined);
      throw error;
    }
  }

  /** Removes a container, running or not; one that is gone (or going) is fine. */
  async remove(id: string, signal: AbortSignal): Promise<void> {
    try {
      await bounded(signal, (abortSignal) =>
        this.#docker.getContainer(id).remove({ force: true, v: true, abortSignal }),
      );
    } catch (error) {
      const status = statusOf(error);
      if (status !== 404 && status !== 409) throw error;
    }
  }

  async #isPodman(signal: AbortSignal): Promise<boolean> {
    // Its types know no signal here, its code does; without one this is bounded by the close.
    this.#podman ??= this.#docker.version().then(isPodmanVersion);
    this.#podman.catch(() => {
      this.#podman = null;
    });
    const podman = await this.#podman;
    signal.throwIfAborted();
    return podman;
  }

  /** Cuts everything. */
  close(): void {
    for (const wire of this.#wires) wire.destroy();
    this.#agent.destroy();
  }

  async #hijack(signal: AbortSignal, start: (abortSignal: AbortSignal) => Promise<unknown>): Promise<Duplex> {
    signal.throwIfAborted();
    // A controller of its own, let go once the wire is there: an abort later on must not cut what the caller owns.
    const opening = new AbortController();
    const abort = (): void => {
      opening.abort(signal.reason);
    };
    const timer = setTimeout(() => {
      opening.abort(new Error('the container engine timed out'));
    }, REQUEST_TIMEOUT_MS);
    signal.addEventListener('abort', abort, { once: true });
    try {
      const wire = await start(opening.signal);
      if (!(wire instanceof Duplex)) throw new Error('the container engine did not hand over the connection');
      this.#wires.add(wire);
      wire.once('close', () => this.#wires.delete(wire));
      // Whoever uses it listens too; this one keeps an early error from ending the process.
      wire.on('error', () => undefined);
      return wire;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }
}

/** Bounds a request in time. */
async function bounded<T>(signal: AbortSignal, request: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  try {
    return await request(AbortSignal.any([signal, timeout]));
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) throw new Error('the container engine timed out', { cause: error });
    throw error;
  }
}

function statusOf(error: unknown): number | null {
  return typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : null;
}
