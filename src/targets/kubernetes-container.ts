// Owns which container of a pod is the app's: never a sidecar. Pure.
import { nearest } from '../lib/nearest.ts';
import type { Container, Pod } from './kubernetes-pod.ts';

const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

/** What meshes, secret stores, clouds and log shippers put beside an app, by the names that they give it. */
const SIDECARS: ReadonlySet<string> = new Set(
  `istio-proxy istio-init istio-validation linkerd-proxy linkerd-init linkerd-debug queue-proxy envoy
  envoy-sidecar consul-dataplane consul-connect-envoy-sidecar kuma-sidecar daprd vault-agent vault-agent-init
  secrets-store cloud-sql-proxy cloudsql-proxy csql-proxy alloydb-auth-proxy xray-daemon aws-xray-daemon
  datadog-agent otel-agent otc-container opentelemetry-collector jaeger-agent fluent-bit fluentd filebeat
  promtail vector config-reloader kube-rbac-proxy oauth-proxy oauth2-proxy authproxy gke-gcsfuse-sidecar`.split(/\s+/),
);

/**
 * The container to debug: the one that is asked for, else the pod's default container, else Knative's, else the first
 * that is no sidecar. Containers of our own (ephemeral ones) are none of the pod's.
 */
export function chooseContainer(pod: Pod, wanted: string | undefined): Container | null {
  const { containers, initContainers } = pod;
  if (wanted !== undefined) return [...containers, ...initContainers].find((c) => c.name === wanted) ?? null;
  const named = containers.find((c) => c.name === pod.annotations[DEFAULT_CONTAINER]);
  return named ?? containers.find(isKnatives) ?? containers.find((c) => !isSidecar(c)) ?? containers[0] ?? null;
}

export function isSidecar(container: Container): boolean {
  return container.isNativeSidecar || SIDECARS.has(container.name);
}

/** Knative's name for the app, if the manifest gives none. */
function isKnatives(container: Container): boolean {
  return container.name === 'user-container';
}

/** Words for a container that is asked for and not there. */
export function missingContainerText(pod: Pod, wanted: string): string {
  const names = pod.containers.map((c) => c.name);
  const near = nearest(wanted, names);
  const meant = near === null ? `it has ${names.map((n) => `\`${n}\``).join(', ')}` : `did you mean \`${near}\`?`;
  return `pod \`${pod.name}\` has no container \`${wanted}\`: ${meant}`;
}
