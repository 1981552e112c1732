// Owns the production guard: which clusters may be entered. Pure; must not import I/O.
import { DebugwandError } from '../lib/errors.ts';

export interface GuardDecision {
  readonly allowed: boolean;
  /** In words, for the status: "the context is named like one of kind". */
  readonly reason: string;
}

/** Contexts that tools for local clusters make, by the name that they give them. */
const LOCAL_CONTEXTS: readonly (readonly [string, RegExp])[] = [
  ['kind', /^kind-./],
  ['minikube', /^minikube$/],
  ['k3d', /^k3d-./],
  ['Docker Desktop', /^docker-(desktop|for-desktop)$/],
  ['Rancher Desktop', /^rancher-desktop$/],
  ['colima', /^colima(-.+)?$/],
  ['OrbStack', /^orbstack$/],
  ['MicroK8s', /^microk8s$/],
];

/** Clusters that are reached through a tunnel which ends on this machine: not local, whatever the server's address says. */
const REMOTE_CONTEXTS = /^(gke_|arn:aws[\w-]*:eks:)|(^|[^a-z])prod(uction)?([^a-z]|$)/i;

/**
 * May this cluster be entered (exec, port-forward, ephemeral containers)? Reading is always allowed. Addresses of private
 * networks say nothing: production has them too.
 * @param proxied it is reached through a proxy: 127.0.0.1 is then the proxy's machine (`ssh -D`)
 */
export function guard(
  context: string,
  server: string,
  allowContexts: readonly string[],
  proxied = false,
): GuardDecision {
  const pattern = allowContexts.find((allowed) => matchesGlob(allowed, context));
  // Settings, a flag, or the answer to the question below: all come as a name.
  if (pattern !== undefined) {
    return { allowed: true, reason: `you allowed it${pattern === context ? '' : ` (\`${pattern}\`)`}` };
  }
  const maker = LOCAL_CONTEXTS.find(([, name]) => name.test(context));
  if (maker !== undefined) return { allowed: true, reason: `local: a context of ${maker[0]}` };
  const local = !proxied && isLocalServer(server);
  if (local && !REMOTE_CONTEXTS.test(context)) {
    return { allowed: true, reason: `local: its server is on this machine (${server})` };
  }
  return {
    allowed: false,
    reason: local
      ? `its server is on this machine (${server}), but by its name it is remote, and allowContexts does not name it`
      : `it does not look local (${server}${proxied ? ' behind a proxy' : ''}), and allowContexts does not name it`,
  };
}

/** What a user on a terminal is asked, to be answered with yes or no. */
export function guardQuestion(place: {
  readonly context: string;
  readonly namespace: string;
  readonly server: string;
}): string {
  return `The context \`${place.context}\` (${place.server}) does not look local. Debug in its namespace \`${place.namespace}\`? A breakpoint there stops the app for everybody who uses it.`;
}

export function notAllowed(place: {
  readonly context: string;
  readonly guard: { readonly reason: string };
}): DebugwandError {
  return new DebugwandError({
    code: 'context-not-allowed',
    message: `the context \`${place.context}\` may not be entered: ${place.guard.reason}`,
    fix: `if you mean to debug there: \`allowContexts: ['${place.context}']\` in the config, or \`--allow-context ${place.context}\`; else choose another context`,
    permanent: true,
  });
}

function isLocalServer(server: string): boolean {
  if (!URL.canParse(server)) return false;
  const host = new URL(server).hostname
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === 'host.docker.internal' ||
    host === 'kubernetes.docker.internal' ||
    /^127\.\d+\.\d+\.\d+$/.test(host) ||
    // k3d writes 0.0.0.0 into its kubeconfig.
    host === '0.0.0.0' ||
    host === '::1' ||
    /^::ffff:7f[0-9a-f]{2}:/.test(host)
  );
}

/** `*` stands for anything, `?` for one character. */
function matchesGlob(pattern: string, text: string): boolean {
  if (pattern === text) return true;
  if (!/[*?]/.test(pattern)) return false;
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replace(/\?/g, '.');
  return new RegExp(`^${source}$`).test(text);
}
