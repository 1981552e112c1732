// Owns the names and fixes of everything that a cluster, its credentials and its runtimes can refuse. Pure; must not
// import I/O.
import type { ClusterPlace } from '../core/types.ts';
import { asDebugwandError, DebugwandError, messageOf, type ErrorFacts } from '../lib/errors.ts';
import { KubernetesFailure } from './kubernetes-api.ts';
import { parseForbidden, rightText, ruleLines } from './kubernetes-rules.ts';

export interface KubernetesFacts {
  /** Null: not known yet. */
  readonly place: ClusterPlace | null;
  /** Pod and container, when the failure is about one. */
  readonly replica?: string;
}

/** Any failure of a Kubernetes target. */
export function explainKubernetes(error: unknown, facts: KubernetesFacts): DebugwandError {
  if (error instanceof DebugwandError) return error;
  if (error instanceof KubernetesFailure) return explainAnswer(error, facts);
  const code = wireCode(error);
  if (TLS_CODES.test(code)) return tlsError(error, code, facts);
  if (WIRE_CODES.has(code) || code.startsWith('ERR_SSL') || code === 'EPROTO' || WIRE_WORDS.test(messageOf(error))) {
    return unreachableError(error, facts);
  }
  return asDebugwandError(error, 'kubernetes-failed');
}

const WIRE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_SOCKET_CONNECTION_TIMEOUT',
  // A server that speaks something else.
  'HPE_INVALID_CONSTANT',
]);

const WIRE_WORDS = /socket hang up|timed out|timeout|aborted|premature close|Bad response: \d|no answer within/i;

/** The server's certificate is not believed. */
const TLS_CODES =
  /^(CERT_|ERR_TLS_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT|UNABLE_TO_(VERIFY|GET)_|INVALID_CA|HOSTNAME_MISMATCH)/;

function wireCode(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  // Several addresses of one name: AggregateError, with the errors of each.
  if (error instanceof AggregateError && error.errors.length > 0) return wireCode(error.errors[0]);
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function build(code: string, message: string, fix: string, rest?: Pick<ErrorFacts, 'cause' | 'permanent'>) {
  return new DebugwandError({ code, message, fix, ...rest });
}

function at(facts: KubernetesFacts): string {
  return facts.place === null
    ? 'the API server'
    : `the API server ${facts.place.server} (context \`${facts.place.context}\`)`;
}

function contextFlag(facts: KubernetesFacts): string {
  return facts.place === null ? '' : ` --context ${facts.place.context}`;
}

export function unreachableError(error: unknown, facts: KubernetesFacts): DebugwandError {
  const text = messageOf(error instanceof AggregateError ? (error.errors[0] ?? error) : error) || wireCode(error);
  return build(
    'kubernetes-unreachable',
    `${at(facts)} does not answer: ${text}`,
    `see \`kubectl${contextFlag(facts)} get --raw /livez\`: is the cluster up, the VPN connected? It is tried again`,
    { cause: error },
  );
}

function tlsError(error: unknown, code: string, facts: KubernetesFacts): DebugwandError {
  const name = code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'HOSTNAME_MISMATCH';
  const old = code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID';
  return build(
    'kubernetes-certificate',
    `the certificate of ${at(facts)} is not accepted: ${messageOf(error)}`,
    name
      ? 'its name is another one: set `tls-server-name` of the cluster in the kubeconfig'
      : old
        ? 'renew the certificate of the API server, or set the clock of this machine right'
        : 'fetch the kubeconfig again: its `certificate-authority-data` must be of the CA that signed the certificate',
    { cause: error },
  );
}

/** The server answered, with a refusal. */
function explainAnswer(error: KubernetesFailure, facts: KubernetesFacts): DebugwandError {
  const { status, reason, message } = error;
  const where = facts.replica === undefined ? null : `\`${facts.replica}\``;
  const refused = refusedByAdmission(message);
  if (refused !== null) return admissionError(error, facts, refused);
  if (status === 401 || reason === 'Unauthorized') {
    return build(
      'kubernetes-unauthorized',
      `${at(facts)} does not accept the credentials of the kubeconfig: ${message}`,
      `log in to the cluster again, then see \`kubectl${contextFlag(facts)} auth whoami\`; it is tried again with what the kubeconfig has then`,
      { cause: error },
    );
  }
  if (status === 403) return forbiddenError(error, facts);
  const missing = /namespaces "([^"]+)" not found/.exec(message)?.[1];
  if (missing !== undefined) return namespaceNotFound(missing, [], error);
  // exec and port-forward: the pod is gone, or its container has ended or was not started yet.
  if (where !== null && (status === 404 || NOT_RUNNING.test(message))) {
    return build(
      'replica-gone',
      `${where} does not run any more: ${message}`,
      'nothing to do: it is entered again as soon as it runs',
      {
        cause: error,
      },
    );
  }
  if (status === 429 || status === 503 || status === 504 || status === 502) {
    return build(
      'kubernetes-unreachable',
      `${at(facts)} cannot answer just now (${String(status)}): ${message}`,
      'nothing to do: it is tried again',
      { cause: error },
    );
  }
  if (status === 404) {
    return build(
      'kubernetes-not-found',
      `${at(facts)} does not know it: ${message}`,
      'check the name, the namespace and the context',
      {
        cause: error,
      },
    );
  }
  return build(
    'kubernetes-failed',
    `${at(facts)} answered ${String(status)}${reason === '' ? '' : ` ${reason}`}: ${message}`,
    'it is tried again; `wand logs` has more',
    { cause: error },
  );
}

const NOT_RUNNING =
  /container not found|container is not (created|running)|pod does not exist|not found in pod|cannot exec (in|into) a (stopped|container|deleted)|can(not|'t) exec in a completed|current phase is (Succeeded|Failed)|container .* (is terminated|has terminated)|task .* not found|no running task/i;

export function namespaceNotFound(namespace: string, near: readonly string[], cause?: unknown): DebugwandError {
  const [guess] = near;
  return build(
    'namespace-not-found',
    `there is no namespace \`${namespace}\`${guess === undefined ? '' : `: did you mean \`${guess}\`?`}`,
    'see `kubectl get namespaces`, then set `namespace` in the config, or `-n`',
    { cause },
  );
}

function forbiddenError(error: KubernetesFailure, facts: KubernetesFacts): DebugwandError {
  const rule = parseForbidden(error.message);
  const context = facts.place === null ? '' : ` in the context \`${facts.place.context}\``;
  if (rule === null) {
    return build(
      'kubernetes-forbidden',
      `${at(facts)} forbids it: ${error.message}`,
      'debugwand needs the Role of its README: `wand doctor` names what is missing',
      { cause: error },
    );
  }
  const namespace = rule.namespace ?? facts.place?.namespace ?? null;
  const who = rule.user === '' ? 'this user' : `\`${rule.user}\``;
  return build(
    'kubernetes-forbidden',
    `${who} may not ${rightText(rule)} in ${namespace === null ? 'the cluster' : `the namespace \`${namespace}\``}${context}`,
    `add this rule to a Role of that user: ${ruleLines([rule]).join(' ').replace(/^- /, '')}`,
    { cause: error },
  );
}

/** Who refused, when a request that RBAC allows was refused all the same. */
function refusedByAdmission(message: string): string | null {
  const webhook = /admission webhook "([^"]+)" denied the request/.exec(message)?.[1];
  if (webhook !== undefined) return `the admission webhook \`${webhook}\``;
  const level = /violates PodSecurity "([^"]+)"/.exec(message)?.[1];
  if (level !== undefined) return `PodSecurity \`${level}\``;
  const policy = /ValidatingAdmissionPolicy '([^']+)'/.exec(message)?.[1];
  return policy === undefined ? null : `the ValidatingAdmissionPolicy \`${policy}\``;
}

function admissionError(error: KubernetesFailure, facts: KubernetesFacts, by: string): DebugwandError {
  const what = facts.replica === undefined ? 'it' : `\`${facts.replica}\``;
  const podSecurity = by.startsWith('PodSecurity');
  return build(
    'exec-denied',
    podSecurity
      ? `${by} does not allow an ephemeral container with more rights in ${what}: ${error.message}`
      : `${by} refused to let debugwand into ${what}: ${error.message}`,
    podSecurity
      ? 'let the app run as the user that the container starts with (`securityContext.runAsUser` of the pod template), or label the namespace `pod-security.kubernetes.io/enforce: privileged`'
      : 'ask whoever made it for an exception, or debug in a namespace that it leaves alone',
    { cause: error, permanent: true },
  );
}

/**
 * A program that could not be started in a container, by the words of the runtime (containerd and CRI-O with runc, crun,
 * youki; cri-dockerd): status channel of the exec, or the body of the refused handshake. Null: not that.
 */
export function execFailure(text: string, program: string): DebugwandError | null {
  const line = (text.trim().split('\n')[0] ?? '').slice(0, 500);
  if (
    /unable to find user|no matching entries in (passwd|group)|setgroups|setuid|operation not permitted/i.test(line)
  ) {
    return build(
      'exec-denied',
      `the container's runtime refused to run a program: ${line}`,
      'run the app as the user that the container starts with (`securityContext.runAsUser`)',
      { cause: line },
    );
  }
  const why = NOT_STARTED.exec(line)?.[0];
  if (why !== undefined && EXEC_WORDS.test(line)) {
    return build(
      'exec-not-found',
      `\`${program}\` cannot be run in the container: ${why.trim()}`,
      'use an image that has Python 3.8 or later',
      {
        cause: line,
      },
    );
  }
  if (!EXEC_WORDS.test(line)) return null;
  return build(
    'exec-failed',
    `a program could not be started in the container: ${line}`,
    'it is tried again; see the events of the pod',
    {
      cause: line,
    },
  );
}

const EXEC_WORDS =
  /OCI runtime|runc|crun|youki|exec failed|failed to exec|unable to (start|exec)|starting container process|executable file/i;

const NOT_STARTED =
  /executable file( `[^`]*')? not found( in \$PATH)?|no such file or directory|permission denied|is a directory|exec format error|not a directory/i;
