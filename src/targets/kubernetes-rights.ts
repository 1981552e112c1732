// Owns asking the API server what we may do, before anything is tried. The rules themselves: kubernetes-rules.ts.
import type { WorkloadKind } from '../core/types.ts';
import { DebugwandError } from '../lib/errors.ts';
import type { ClusterApi } from './kubernetes-api.ts';
import { rightsFor, rightText, ruleLines, type Right } from './kubernetes-rules.ts';

/** Rights change seldom, and asking costs a request each, ms. */
const CACHE_MS = 60_000;
const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
/** Reviews under way at once. */
const PARALLEL = 6;

/** What is known of the rights of one kind of workload. */
export interface RightsReport {
  readonly missing: readonly Right[];
  /** Could not be found out: the review itself failed or was forbidden. */
  readonly unknown: readonly Right[];
}

/** Which rights are there; asked once a minute at most for each. One for each connection. */
export class KubernetesRights {
  readonly #known = new Map<string, { readonly allowed: boolean; readonly at: number }>();

  /** @throws only when `signal` aborts */
  async report(api: ClusterApi, namespace: string, kind: WorkloadKind, signal: AbortSignal): Promise<RightsReport> {
    const rights = rightsFor(kind);
    const answers = new Map<Right, boolean | null>();
    const waiting = [...rights];
    const work = async (): Promise<void> => {
      for (let right = waiting.shift(); right !== undefined; right = waiting.shift()) {
        answers.set(right, await this.#allowed(api, namespace, right, signal));
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    signal.throwIfAborted();
    return {
      missing: rights.filter((right) => answers.get(right) === false),
      unknown: rights.filter((right) => answers.get(right) === null),
    };
  }

  /** Null: not to be found out. */
  async #allowed(api: ClusterApi, namespace: string, right: Right, signal: AbortSignal): Promise<boolean | null> {
    const key = `${api.place.context} ${namespace} ${rightText(right)}`;
    const known = this.#known.get(key);
    if (known !== undefined && performance.now() - known.at < CACHE_MS) return known.allowed;
    const { verb, group, resource, subresource } = right;
    const spec = { resourceAttributes: { namespace, verb, group, resource, subresource } };
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec };
    try {
      const allowed = allowedIn(await api.request('POST', REVIEWS, { body }, signal));
      if (allowed !== null) this.#known.set(key, { allowed, at: performance.now() });
      return allowed;
    } catch {
      return null;
    }
  }
}

function allowedIn(review: unknown): boolean | null {
  if (typeof review !== 'object' || review === null || !('status' in review)) return null;
  const { status } = review;
  if (typeof status !== 'object' || status === null || !('allowed' in status)) return null;
  return status.allowed === true;
}

/** Null: nothing that is needed is missing. Without `forward` and `helper` rights only their own things do not work. */
export function missingRightsError(
  missing: readonly Right[],
  place: { readonly namespace: string; readonly context: string },
): DebugwandError | null {
  if (missing.length === 0) return null;
  const rules = ruleLines(missing);
  return new DebugwandError({
    code: 'kubernetes-forbidden',
    message: `you may not ${missing.map(rightText).join(', ')} in the namespace \`${place.namespace}\` (context \`${place.context}\`)`,
    fix: `add to your Role: ${rules.map((line) => line.replace(/^- /, '')).join(', ')}`,
  });
}
