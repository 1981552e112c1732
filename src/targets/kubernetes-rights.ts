// Owns asking the API server what we may do, before anything is tried. The rules themselves: kubernetes-rules.ts.
import type { WorkloadKind } from '../core/types.ts';
import { DebugwandError } from '../lib/errors.ts';
import { pause } from '../lib/time.ts';
import type { ClusterApi } from './kubernetes-api.ts';
import { gives, parseAccess, parseRules, rightsFor, rightText, ruleLines, type Right } from './kubernetes-rules.ts';

const REVIEWS = '/apis/authorization.k8s.io/v1';
/** Reviews under way at once. */
const PARALLEL = 6;
/** Between two looks while something is missing, ms. */
const AGAIN_MS = 30_000;

/** What is known of the rights of one kind of workload. */
export interface RightsReport {
  readonly missing: readonly Right[];
  /** Could not be found out: the review itself failed or was forbidden. */
  readonly unknown: readonly Right[];
}

/**
 * Which rights are there. One request where all are; one more for each that the list of rules does not show, since other
 * authorizers than RBAC show none.
 * @throws only when `signal` aborts
 */
export async function reportRights(api: ClusterApi, kind: WorkloadKind, signal: AbortSignal): Promise<RightsReport> {
  const { namespace } = api.place;
  const rules = parseRules(await review(api, 'SelfSubjectRulesReview', { namespace }, signal));
  const answers = new Map<Right, boolean | null>();
  const waiting = rightsFor(kind).filter((right) => !gives(rules, right));
  const asked = [...waiting];
  const work = async (): Promise<void> => {
    for (let right = waiting.shift(); right !== undefined; right = waiting.shift()) {
      const { verb, group, resource, subresource } = right;
      const resourceAttributes = { namespace, verb, group, resource, subresource };
      answers.set(right, parseAccess(await review(api, 'SelfSubjectAccessReview', { resourceAttributes }, signal)));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  signal.throwIfAborted();
  return {
    missing: asked.filter((right) => answers.get(right) === false),
    unknown: asked.filter((right) => answers.get(right) === null),
  };
}

/** Undefined: it failed. */
async function review(api: ClusterApi, kind: string, spec: unknown, signal: AbortSignal): Promise<unknown> {
  const body = { apiVersion: 'authorization.k8s.io/v1', kind, spec };
  try {
    return await api.request('POST', `${REVIEWS}/${kind.toLowerCase()}s`, { body }, signal);
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

/**
 * Tells at once, and whenever it changes, which rights are missing without which nothing works; asks again while there is
 * one, until there is none or `signal` aborts. Never rejects.
 */
export async function watchRights(
  connection: { api(signal: AbortSignal): Promise<ClusterApi> },
  kind: WorkloadKind,
  on: (error: DebugwandError | null) => void,
  signal: AbortSignal,
  againMs = AGAIN_MS,
): Promise<void> {
  try {
    for (;;) {
      const api = await connection.api(signal);
      const { missing } = await reportRights(api, kind, signal);
      const error = missingRights(missing.filter(isNeeded), api.place);
      on(error);
      if (error === null) return;
      await pause(againMs, signal);
    }
  } catch {
    // A kubeconfig that cannot be read any more is the watch's news.
    if (!signal.aborted) on(null);
  }
}

/** Without it nothing works. */
export function isNeeded(right: Right): boolean {
  return right.for === 'watch' || right.for === 'enter';
}

/** Null: nothing is missing. */
export function missingRights(
  missing: readonly Right[],
  place: { readonly namespace: string; readonly context: string },
): DebugwandError | null {
  if (missing.length === 0) return null;
  const rules = ruleLines(missing).map((line) => line.replace(/^- /, ''));
  return new DebugwandError({
    code: 'kubernetes-forbidden',
    message: `you may not ${missing.map(rightText).join(', ')} in the namespace \`${place.namespace}\` (context \`${place.context}\`)`,
    fix: `add to a Role of yours: ${rules.join(', ')}`,
  });
}
