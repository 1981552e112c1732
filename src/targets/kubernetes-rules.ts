// Owns the rights that debugwand needs in a namespace, as RBAC writes them, and their words. Pure; must not import I/O.
import type { WorkloadKind } from '../core/types.ts';
import { fields, texts } from '../lib/fields.ts';

/** One rule of a Role (rbac.authorization.k8s.io/v1). */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const READ = ['get', 'list', 'watch'] as const;

/** The Role that the README lists: everything that any kind of workload needs, and nothing more. */
export const DOCUMENTED_RULES: readonly PolicyRule[] = [
  { apiGroups: [''], resources: ['pods', 'services'], verbs: READ },
  { apiGroups: ['apps'], resources: ['deployments', 'replicasets', 'statefulsets', 'daemonsets'], verbs: READ },
  { apiGroups: ['batch'], resources: ['jobs', 'cronjobs'], verbs: READ },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: READ },
  { apiGroups: ['serving.knative.dev'], resources: ['services'], verbs: READ },
  { apiGroups: [''], resources: ['pods/exec', 'pods/portforward'], verbs: ['get', 'create'] },
  { apiGroups: [''], resources: ['pods/ephemeralcontainers'], verbs: ['patch'] },
];

/** One right: one verb on one resource. */
export interface Right {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  /** What is lost without it. `watch`, `enter`: all; `detail`, `forward`, `helper`: only what they are for. */
  readonly for: 'watch' | 'enter' | 'detail' | 'forward' | 'helper';
}

function read(group: string, resource: string, purpose: 'watch' | 'detail' = 'watch'): readonly Right[] {
  return READ.map((verb) => ({ verb, group, resource, subresource: '', for: purpose }));
}

const PODS = read('', 'pods');
/** They tell which of the pods are of the current revision. */
const REPLICA_SETS = read('apps', 'replicasets', 'detail');
/** A service without a selector: its slices name the pods. */
const SLICES = read('discovery.k8s.io', 'endpointslices', 'detail');

/** What is read of each kind of workload, its pods included: kubernetes-needs.ts, and the object itself by its name. */
const READS: Readonly<Record<WorkloadKind, readonly Right[]>> = {
  pod: PODS,
  selector: [...PODS, ...REPLICA_SETS],
  service: [...PODS, ...read('', 'services'), ...SLICES, ...REPLICA_SETS],
  deployment: [...PODS, ...read('apps', 'deployments'), ...REPLICA_SETS],
  statefulset: [...PODS, ...read('apps', 'statefulsets')],
  daemonset: [...PODS, ...read('apps', 'daemonsets')],
  job: [...PODS, ...read('batch', 'jobs')],
  cronjob: [...PODS, ...read('batch', 'cronjobs'), ...read('batch', 'jobs')],
  knative: [...PODS, ...read('serving.knative.dev', 'services')],
};

const ENTER: readonly Right[] = [
  // WebSockets are opened with GET; RBAC of some servers asks for `create` all the same, newer ones always do.
  { verb: 'get', group: '', resource: 'pods', subresource: 'exec', for: 'enter' },
  { verb: 'create', group: '', resource: 'pods', subresource: 'exec', for: 'enter' },
  { verb: 'get', group: '', resource: 'pods', subresource: 'portforward', for: 'forward' },
  { verb: 'create', group: '', resource: 'pods', subresource: 'portforward', for: 'forward' },
  { verb: 'patch', group: '', resource: 'pods', subresource: 'ephemeralcontainers', for: 'helper' },
];

/** Every right that a target of this kind needs, the most needed first. */
export function rightsFor(kind: WorkloadKind): readonly Right[] {
  return [...READS[kind], ...ENTER];
}

/** "list pods", "create pods/exec", "watch deployments.apps": as `kubectl auth can-i` takes it. */
export function rightText({ verb, group, resource, subresource }: Omit<Right, 'for'>): string {
  const name = group === '' ? resource : `${resource}.${group}`;
  return `${verb} ${name}${subresource === '' ? '' : `/${subresource}`}`;
}

/** The lines to add to a Role, one rule a line. */
export function ruleLines(rights: readonly Omit<Right, 'for'>[]): readonly string[] {
  const verbs = new Map<string, { group: string; resource: string; verbs: string[] }>();
  for (const { verb, group, resource, subresource } of rights) {
    const name = subresource === '' ? resource : `${resource}/${subresource}`;
    const rule = verbs.get(`${group} ${name}`) ?? { group, resource: name, verbs: [] };
    if (!rule.verbs.includes(verb)) rule.verbs.push(verb);
    verbs.set(`${group} ${name}`, rule);
  }
  return [...verbs.values()].map(
    (rule) =>
      `- { apiGroups: ["${rule.group}"], resources: ["${rule.resource}"], verbs: [${rule.verbs.map((verb) => `"${verb}"`).join(', ')}] }`,
  );
}

/** What an RBAC refusal of the API server says; null when the 403 came from something else (admission). */
export function parseForbidden(
  message: string,
): (Omit<Right, 'for'> & { readonly user: string; readonly namespace: string | null }) | null {
  const match =
    /User "([^"]*)" cannot ([\w-]+) resource "([\w.-]+)(?:\/([\w/-]+))?" in API group "([\w.-]*)"(?:,? in the namespace "([\w.-]+)"| at the cluster scope)?/.exec(
      message,
    );
  if (match === null) return null;
  const [, user = '', verb = '', resource = '', subresource = '', group = '', namespace] = match;
  return { user, verb, resource, subresource, group, namespace: namespace ?? null };
}

/** Rules as a SelfSubjectRulesReview lists them. */
export interface ResourceRule extends PolicyRule {
  /** Empty: all of them. */
  readonly resourceNames: readonly string[];
}

/** Do these rules give that right, for all objects? */
export function gives(
  rules: readonly ResourceRule[],
  { verb, group, resource, subresource }: Omit<Right, 'for'>,
): boolean {
  const name = subresource === '' ? resource : `${resource}/${subresource}`;
  const names = ['*', name, ...(subresource === '' ? [] : [`*/${subresource}`])];
  return rules.some(
    (rule) =>
      rule.resourceNames.length === 0 &&
      rule.verbs.some((allowed) => allowed === '*' || allowed === verb) &&
      rule.apiGroups.some((allowed) => allowed === '*' || allowed === group) &&
      rule.resources.some((allowed) => names.includes(allowed)),
  );
}

/** The rules that the answer to a SelfSubjectRulesReview holds; none when it is none. */
export function parseRules(review: unknown): readonly ResourceRule[] {
  const rules = fields(fields(review)['status'])['resourceRules'];
  if (!Array.isArray(rules)) return [];
  return rules.map((rule: unknown) => ({
    apiGroups: texts(fields(rule)['apiGroups']),
    resources: texts(fields(rule)['resources']),
    verbs: texts(fields(rule)['verbs']),
    resourceNames: texts(fields(rule)['resourceNames']),
  }));
}

/** Null when it is no answer to a SelfSubjectAccessReview. */
export function parseAccess(review: unknown): boolean | null {
  const allowed = fields(fields(review)['status'])['allowed'];
  return typeof allowed === 'boolean' ? allowed : null;
}
