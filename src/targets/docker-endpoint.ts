// Owns the question where a container engine may listen: facts of the machine in, candidates in order out. Pure; reading
// the facts and trying the candidates is docker-connect.ts.
import { DebugwandError } from '../lib/errors.ts';

export type Endpoint =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls: Tls | null };

/** Paths of PEM files; `verify` false: the engine's certificate is not checked. */
export interface Tls {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  readonly verify: boolean;
}

export interface Candidate {
  readonly endpoint: Endpoint;
  /** Where it came from, for messages: "DOCKER_HOST", "Docker context `colima`", "Podman (rootless)". */
  readonly origin: string;
}

/** A Docker context as its files say it. */
export interface DockerContext {
  readonly name: string;
  readonly host: string;
  readonly skipTlsVerify: boolean;
  /** The folder with ca.pem, cert.pem and key.pem; null when there is none. */
  readonly tlsDir: string | null;
}

export interface EndpointFacts {
  /** `host` of the target in the config, or a flag. */
  readonly explicit: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The current Docker context; null for `default`. An error when it is named, but cannot be read. */
  readonly context: DockerContext | DebugwandError | null;
  readonly home: string;
  readonly uid: number | null;
  readonly platform: NodeJS.Platform;
}

/**
 * Candidates in order. What somebody said (config, DOCKER_HOST, a context, CONTAINER_HOST) is the only one, as with
 * `docker` itself; else all known sockets.
 * @throws DebugwandError `docker-host-invalid` for what cannot be an endpoint.
 */
export function endpointCandidates(facts: EndpointFacts): readonly Candidate[] {
  const { env } = facts;
  const said = (host: string, origin: string): readonly Candidate[] => [
    { endpoint: parseHost(host, origin, envTls(env)), origin },
  ];
  if (facts.explicit !== null) return said(facts.explicit, 'the config');
  const dockerHost = env['DOCKER_HOST'];
  if (dockerHost !== undefined && dockerHost !== '') return said(dockerHost, 'DOCKER_HOST');
  if (facts.context instanceof DebugwandError) throw facts.context;
  if (facts.context !== null) {
    const { name, host, tlsDir, skipTlsVerify } = facts.context;
    const origin = `Docker context \`${name}\``;
    return [{ endpoint: parseHost(host, origin, tlsDir === null ? null : tlsIn(tlsDir, !skipTlsVerify)), origin }];
  }
  const containerHost = env['CONTAINER_HOST'];
  if (containerHost !== undefined && containerHost !== '') return said(containerHost, 'CONTAINER_HOST');
  return knownSockets(facts);
}

/** @throws DebugwandError `docker-host-invalid` */
export function parseHost(host: string, origin: string, tls: Tls | null): Endpoint {
  const invalid = (why: string, fix: string): DebugwandError =>
    new DebugwandError({
      code: 'docker-host-invalid',
      message: `${origin} says \`${host}\`: ${why}`,
      fix,
      permanent: true,
    });
  if (host.startsWith('/')) return { kind: 'socket', path: host };
  if (host.startsWith('//./pipe/') || host.startsWith('\\\\.\\pipe\\')) return { kind: 'socket', path: host };
  const usual = 'use unix:///path/to/docker.sock or tcp://host:port';
  const scheme = /^([a-z]+):\/\//.exec(host)?.[1];
  if (scheme === 'unix' || scheme === 'npipe') {
    const path = host.slice(scheme.length + 3);
    if (path === '') throw invalid('the path is missing', usual);
    return { kind: 'socket', path };
  }
  if (scheme === 'ssh') {
    throw invalid(
      'debugwand does not speak ssh itself',
      'forward the socket, `ssh -N -L /tmp/docker.sock:/var/run/docker.sock HOST`, and use unix:///tmp/docker.sock',
    );
  }
  if (scheme !== undefined && !['tcp', 'http', 'https'].includes(scheme)) throw invalid('unknown scheme', usual);
  let url: URL;
  try {
    url = new URL(`http://${scheme === undefined ? host : host.slice(scheme.length + 3)}`);
  } catch {
    throw invalid('that is no address', usual);
  }
  if (url.hostname === '') throw invalid('the host is missing', usual);
  const secure = scheme === 'https' || url.port === '2376' || tls !== null;
  // 80 is what URL drops as the default of http.
  const port = url.port === '' ? (/:80(\/|$)/.test(host) ? 80 : secure ? 2376 : 2375) : Number(url.port);
  return {
    kind: 'tcp',
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    tls: secure ? (tls ?? { ca: null, cert: null, key: null, verify: true }) : null,
  };
}

/** As `docker` reads them: TLS when DOCKER_TLS_VERIFY is set (then checked) or DOCKER_TLS is. */
function envTls(env: EndpointFacts['env']): Tls | null {
  const verify = (env['DOCKER_TLS_VERIFY'] ?? '') !== '';
  const dir = env['DOCKER_CERT_PATH'];
  if (!verify && (env['DOCKER_TLS'] ?? '') === '') return null;
  return dir === undefined || dir === '' ? { ca: null, cert: null, key: null, verify } : tlsIn(dir, verify);
}

function tlsIn(dir: string, verify: boolean): Tls {
  return { ca: `${dir}/ca.pem`, cert: `${dir}/cert.pem`, key: `${dir}/key.pem`, verify };
}

/** Sockets that engines are known to listen on when nobody said anything; Docker's own first. */
export function knownSockets(facts: Pick<EndpointFacts, 'env' | 'home' | 'uid' | 'platform'>): readonly Candidate[] {
  const { home, env, uid } = facts;
  const rows: [string, string][] = [];
  if (facts.platform === 'win32') {
    rows.push(
      ['Docker', '//./pipe/docker_engine'],
      ['Docker Desktop', '//./pipe/dockerDesktopLinuxEngine'],
      ['Podman', '//./pipe/podman-machine-default'],
    );
  } else {
    const config = env['XDG_CONFIG_HOME'] ?? `${home}/.config`;
    const runtime = env['XDG_RUNTIME_DIR'] ?? (uid === null || uid === 0 ? null : `/run/user/${String(uid)}`);
    rows.push(
      ['Docker', '/var/run/docker.sock'],
      ['Docker Desktop', `${home}/.docker/run/docker.sock`],
      ['Docker Desktop', `${home}/.docker/desktop/docker.sock`],
      ['OrbStack', `${home}/.orbstack/run/docker.sock`],
      ['colima', `${home}/.colima/default/docker.sock`],
      ['colima', `${config}/colima/default/docker.sock`],
      ['colima', `${home}/.colima/docker.sock`],
      ['Rancher Desktop', `${home}/.rd/docker.sock`],
    );
    if (runtime !== null) {
      rows.push(
        ['Docker (rootless)', `${runtime}/docker.sock`],
        ['Podman (rootless)', `${runtime}/podman/podman.sock`],
      );
    }
    rows.push(
      ['Podman', '/run/podman/podman.sock'],
      ['Podman machine', `${home}/.local/share/containers/podman/machine/podman.sock`],
      ['Podman machine', `${home}/.local/share/containers/podman/machine/qemu/podman.sock`],
    );
  }
  const seen = new Set<string>();
  return rows.flatMap(([origin, path]) => {
    if (seen.has(path)) return [];
    seen.add(path);
    return [{ endpoint: { kind: 'socket' as const, path }, origin }];
  });
}

/** For messages: "unix:///var/run/docker.sock", "tcp://10.0.0.1:2376". */
export function describeEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === 'socket') {
    return /^(\/\/\.\/|\\\\\.\\)/.test(endpoint.path) ? `npipe://${endpoint.path}` : `unix://${endpoint.path}`;
  }
  return `tcp://${endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host}:${String(endpoint.port)}`;
}

/** Reads `contexts/meta/<sha256 of name>/meta.json`. Null when it is none with a Docker endpoint. */
export function parseContextMeta(json: string, tlsDir: string | null): DockerContext | null {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return null;
  }
  const meta = asRecord(value);
  const docker = asRecord(asRecord(meta['Endpoints'])['docker']);
  const name = meta['Name'];
  const host = docker['Host'];
  if (typeof name !== 'string' || typeof host !== 'string') return null;
  return { name, host, skipTlsVerify: docker['SkipTLSVerify'] === true, tlsDir };
}

/** The name of the current context in the way of `docker`: DOCKER_CONTEXT, then `currentContext` of config.json. */
export function currentContextName(env: EndpointFacts['env'], configJson: string | null): string | null {
  const fromEnv = env['DOCKER_CONTEXT'];
  if (fromEnv !== undefined && fromEnv !== '') return fromEnv === 'default' ? null : fromEnv;
  if (configJson === null) return null;
  try {
    const name = asRecord(JSON.parse(configJson))['currentContext'];
    return typeof name === 'string' && name !== '' && name !== 'default' ? name : null;
  } catch {
    return null;
  }
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
