/** A namespace for the tests of one `describe`, and who may work in it: made before them, gone after them. */
import { afterAll, beforeAll } from 'vitest';
import { kubeconfigFor } from './kubernetes-access.ts';
import type { Cluster, Namespace } from './kubernetes-cluster.ts';

const MAKE_MS = 60_000;

export interface SuiteNamespace {
  readonly name: string;
}

export interface SuiteDeveloper extends SuiteNamespace {
  /** Of an account with the documented rights in the namespace, and nothing more. */
  readonly kubeconfig: string;
}

/** Without a cluster nothing is made: the tests are skipped. */
export function suiteNamespace(cluster: Cluster | undefined): SuiteNamespace {
  let space: Namespace | null = null;
  beforeAll(async () => {
    space = (await cluster?.namespace()) ?? null;
  }, MAKE_MS);
  afterAll(() => space?.remove());
  return {
    get name() {
      if (space === null) throw new Error('no cluster');
      return space.name;
    },
  };
}

export function suiteDeveloper(cluster: Cluster | undefined): SuiteDeveloper {
  const space = suiteNamespace(cluster);
  let kubeconfig = '';
  beforeAll(async () => {
    if (cluster !== undefined) ({ path: kubeconfig } = await kubeconfigFor(cluster, { namespace: space.name }));
  }, MAKE_MS);
  return {
    get name() {
      return space.name;
    },
    get kubeconfig() {
      return kubeconfig;
    },
  };
}
