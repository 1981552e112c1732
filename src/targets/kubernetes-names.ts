// Owns saying what is there instead of what was named: namespaces and workloads with near names. Asks the cluster once for
// each question; what it may not ask it does not say.
import type { KubernetesSource } from '../core/types.ts';
import { DebugwandError } from '../lib/errors.ts';
import { nearest } from '../lib/nearest.ts';
import { KubernetesFailure, type ClusterApi } from './kubernetes-api.ts';
import { namespaceNotFound } from './kubernetes-errors.ts';
import { fields, list, text } from '../lib/fields.ts';
import { pathOf } from './kubernetes-needs.ts';
import { describeWorkload } from './kubernetes-words.ts';

/** Names shown at most. */
const SHOWN = 10;
const MOST_NAMES = 500;

type Workload = KubernetesSource['workload'];

/** Names of the workloads of that kind. @throws what the server says */
export async function workloadNames(
  api: ClusterApi,
  workload: Workload,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const path = pathOf(workload, api.place.namespace);
  return path === null ? [] : namesIn(api, path, signal);
}

/** Names of all namespaces; empty where they may not be listed. */
export async function namespaceNames(api: ClusterApi, signal: AbortSignal): Promise<readonly string[]> {
  return orNothing(namesIn(api, '/api/v1/namespaces', signal), signal);
}

/**
 * What to say of a workload that does not exist.
 * @returns `namespace-not-found` or `workload-not-found`, with near names where they may be seen
 */
export async function missingWorkload(
  api: ClusterApi,
  workload: Workload,
  signal: AbortSignal,
): Promise<DebugwandError> {
  const { namespace, context } = api.place;
  if (await isMissing(api, `/api/v1/namespaces/${encodeURIComponent(namespace)}`, signal)) {
    const near = nearest(namespace, await namespaceNames(api, signal));
    return namespaceNotFound(namespace, near === null ? [] : [near]);
  }
  const names = await orNothing(workloadNames(api, workload, signal), signal);
  const near = nearest(workload.name, names);
  const what = `no ${describeWorkload(workload)} in \`${namespace}\``;
  return new DebugwandError({
    code: 'workload-not-found',
    message: near === null ? what : `${what}: did you mean \`${near}\`?`,
    fix:
      names.length === 0
        ? `check the name, the namespace (-n) and the context (--context), which is \`${context}\``
        : `there are: ${names.slice(0, SHOWN).join(', ')}${names.length > SHOWN ? ', …' : ''}`,
  });
}

/** Whether the workload exists: for commands that do not wait. A selector always does. */
export async function workloadExists(api: ClusterApi, workload: Workload, signal: AbortSignal): Promise<boolean> {
  const path = pathOf(workload, api.place.namespace);
  return path === null || !(await isMissing(api, `${path}/${encodeURIComponent(workload.name)}`, signal));
}

async function isMissing(api: ClusterApi, path: string, signal: AbortSignal): Promise<boolean> {
  try {
    await api.request('GET', path, {}, signal);
    return false;
  } catch (error) {
    signal.throwIfAborted();
    // What may not be seen may well exist.
    return error instanceof KubernetesFailure && error.status === 404;
  }
}

async function namesIn(api: ClusterApi, path: string, signal: AbortSignal): Promise<readonly string[]> {
  const answer = await api.request('GET', path, { query: { limit: MOST_NAMES } }, signal);
  return list(fields(answer)['items']).flatMap((item) => {
    const name = text(fields(fields(item)['metadata'])['name']);
    return name === '' ? [] : [name];
  });
}

async function orNothing(names: Promise<readonly string[]>, signal: AbortSignal): Promise<readonly string[]> {
  try {
    return await names;
  } catch {
    signal.throwIfAborted();
    return [];
  }
}
