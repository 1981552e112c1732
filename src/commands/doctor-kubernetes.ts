// Owns what `wand doctor` checks of a Kubernetes target before it looks inside: kubeconfig, guard, server, rights, workload.
// Reads only; the one mend it offers changes the config.
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { loadConfigFile } from '../config/load.ts';
import type { ClusterPlace, KubernetesSource } from '../core/types.ts';
import { DebugwandError } from '../lib/errors.ts';
import type { ClusterApi } from '../targets/kubernetes-api.ts';
import { KubernetesConnection } from '../targets/kubernetes-connection.ts';
import { explainKubernetes } from '../targets/kubernetes-errors.ts';
import { notAllowed } from '../targets/kubernetes-guard.ts';
import { missingWorkload, workloadExists } from '../targets/kubernetes-names.ts';
import { isNeeded, missingRights, reportRights } from '../targets/kubernetes-rights.ts';
import { rightText, type Right } from '../targets/kubernetes-rules.ts';
import { withAllowedContext } from './config-edit.ts';
import { failed, ok, skip, warn, type Check, type Mend } from './doctor-check.ts';

/** What is lost without a right that not everything needs. */
const LOST: Readonly<Record<Exclude<Right['for'], 'watch' | 'enter'>, string>> = {
  detail: 'pods of an old revision, or of a service without a selector, are not told apart',
  forward: 'bytes go through exec streams only',
  helper: 'workers that the user of the container may not enter stay closed',
};

/** Each check as it is done. Returns whether the target may be looked into. */
export async function* kubernetesChecks(
  name: string,
  source: KubernetesSource,
  file: string | null,
  signal: AbortSignal,
): AsyncGenerator<Check, boolean, void> {
  const connection = new KubernetesConnection(source);
  let doing = `context of ${name}`;
  try {
    const api = await connection.api(signal);
    const { place } = api;
    yield place.guard.allowed
      ? ok(doing, `\`${place.context}\`, namespace \`${place.namespace}\`; may be entered: ${place.guard.reason}`)
      : failed(doing, notAllowed(place), file === null ? null : allowing(file, place));
    doing = `API server of ${name}`;
    yield await server(api, doing, signal);
    doing = `rights of ${name}`;
    let fine = place.guard.allowed;
    for (const check of await rights(api, doing, source, signal)) {
      fine = fine && check.state !== 'fail';
      yield check;
    }
    doing = `workload of ${name}`;
    const { workload } = source;
    if (await workloadExists(api, workload, signal)) {
      yield ok(doing, `${workload.kind} \`${workload.name}\` is there`);
    } else {
      fine = false;
      yield failed(doing, await missingWorkload(api, workload, signal));
    }
    return fine;
  } catch (error) {
    yield signal.aborted
      ? {
          name: doing,
          state: 'fail',
          detail: 'the cluster takes too long to answer',
          fix: 'see `kubectl get --raw /livez`',
          mend: null,
        }
      : failed(doing, explainKubernetes(error, { place: connection.place }));
    return false;
  } finally {
    connection.close();
  }
}

/** Changes the config, not the cluster; whether a cluster may be entered is for a person to say. */
function allowing(file: string, { context, server }: ClusterPlace): Mend | null {
  const what = `allow debugging in the context ${context} (${server}): it goes into allowContexts of ${basename(file)}`;
  return {
    what,
    personal: true,
    run: async (signal) => {
      const before = await readFile(file, 'utf8');
      const after = withAllowedContext(file, before, context);
      if (after !== null) await writeFile(file, after);
      const config = after === null ? null : await loadConfigFile(file, signal).catch(() => null);
      const isIn = config?.targets.some(
        ({ source }) => source.kind === 'kubernetes' && source.allowContexts.includes(context),
      );
      if (isIn === true) return;
      if (after !== null) await writeFile(file, before);
      throw new DebugwandError({
        code: 'config-not-edited',
        message: `${basename(file)} is not of a form that wand can add to`,
        fix: `add \`allowContexts: ['${context}']\` to it`,
      });
    },
  };
}

async function server(api: ClusterApi, name: string, signal: AbortSignal): Promise<Check> {
  const began = performance.now();
  const version = await api.request('GET', '/version', {}, signal);
  const text =
    typeof version === 'object' && version !== null && 'gitVersion' in version && typeof version.gitVersion === 'string'
      ? version.gitVersion
      : 'of an unknown version';
  return ok(
    name,
    `${api.place.server}, Kubernetes ${text}, answered in ${String(Math.round(performance.now() - began))} ms`,
  );
}

async function rights(
  api: ClusterApi,
  name: string,
  { workload: { kind }, ephemeralContainers }: KubernetesSource,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const { missing, unknown } = await reportRights(api, kind, signal);
  const wanted = missing.filter((right) => right.for !== 'helper' || ephemeralContainers !== 'never');
  const checks: Check[] = [];
  const needed = missingRights(wanted.filter(isNeeded), api.place);
  if (needed !== null) checks.push(failed(name, needed));
  for (const [purpose, lost] of Object.entries(LOST)) {
    const error = missingRights(
      wanted.filter((right) => right.for === purpose),
      api.place,
    );
    if (error !== null) checks.push(warn(name, `${error.message}: ${lost}`, error.fix));
  }
  if (unknown.length > 0) {
    checks.push(skip(name, `could not be found out: ${unknown.map(rightText).join(', ')}`));
  }
  return checks.length > 0 ? checks : [ok(name, `all that a ${kind} needs`)];
}
