// Owns kubectl's way to name a workload: `deploy/web`, `svc/web`, `po/web-0`. Pure.
import type { KubernetesSource, WorkloadKind } from './types.ts';

/** Names, plurals and short names, as `kubectl api-resources` has them. */
const KINDS: Readonly<Record<string, WorkloadKind>> = {
  service: 'service',
  services: 'service',
  svc: 'service',
  deployment: 'deployment',
  deployments: 'deployment',
  deploy: 'deployment',
  'deployment.apps': 'deployment',
  statefulset: 'statefulset',
  statefulsets: 'statefulset',
  sts: 'statefulset',
  'statefulset.apps': 'statefulset',
  daemonset: 'daemonset',
  daemonsets: 'daemonset',
  ds: 'daemonset',
  'daemonset.apps': 'daemonset',
  job: 'job',
  jobs: 'job',
  'job.batch': 'job',
  cronjob: 'cronjob',
  cronjobs: 'cronjob',
  cj: 'cronjob',
  'cronjob.batch': 'cronjob',
  pod: 'pod',
  pods: 'pod',
  po: 'pod',
  ksvc: 'knative',
  kservice: 'knative',
  'service.serving.knative.dev': 'knative',
  'services.serving.knative.dev': 'knative',
  knative: 'knative',
};

/** What users of kubectl know. */
export const KIND_WORDS = ['svc', 'deploy', 'sts', 'ds', 'job', 'cronjob', 'pod', 'ksvc'] as const;

/** Null for what has no `/` in it; `kind` null: no kind that we know. */
export function parseWorkload(
  text: string,
): { readonly workload: KubernetesSource['workload'] } | { readonly unknownKind: string } | null {
  const slash = text.indexOf('/');
  if (slash < 0) return null;
  const word = text.slice(0, slash).toLowerCase();
  const kind = Object.hasOwn(KINDS, word) ? KINDS[word] : undefined;
  const name = text.slice(slash + 1);
  return kind === undefined || name === '' ? { unknownKind: word } : { workload: { kind, name } };
}

/** Which of its pods, as a config or a flag says it: 'newest' (undefined), 'all' or a name. */
export function replicaNamed(name: string | undefined): KubernetesSource['replica'] {
  if (name === undefined || name === 'newest') return 'newest';
  return name === 'all' ? 'all' : { pod: name };
}
