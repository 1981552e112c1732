/** The programs and manifests of Knative Serving, built and taken once per version from the Go module in `cluster/knative/`. */
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { goBuild, keyOf, needGo } from './kubernetes-programs.ts';
import { run } from './run.ts';

const MODULE = join(import.meta.dirname, 'cluster/knative');

/** What runs in pods; `gateway` is ours, the rest Knative's. */
export const KNATIVE_PROGRAMS = ['activator', 'autoscaler', 'controller', 'gateway', 'queue', 'webhook'] as const;

/** Those modules' folders with manifests that the cluster needs. */
const MANIFESTS = ['serving', 'networking', 'caching'];

/** The folder with the programs, and `config/<module>/` with the manifests. The first build takes about five minutes. */
export async function knativePrograms(): Promise<string> {
  const key = await keyOf(MODULE, ['go.mod', 'go.sum', 'gateway/main.go', 'gateway/dns.go']);
  return cached(`kubernetes/knative-${key}`, async (building) => {
    await needGo(MODULE);
    await mkdir(building, { recursive: true });
    for (const program of KNATIVE_PROGRAMS) {
      const what = program === 'gateway' ? './gateway' : `knative.dev/serving/cmd/${program}`;
      // They run in images that hold nothing else.
      await goBuild(MODULE, join(building, program), what, '-s -w', { CGO_ENABLED: '0' });
    }
    for (const name of MANIFESTS) {
      const listed = await run('go', ['list', '-m', '-f', '{{.Dir}}', `knative.dev/${name}`], { cwd: MODULE });
      // Go keeps modules read-only.
      await cp(join(listed.trim(), 'config'), join(building, 'config', name), { recursive: true });
      await run('chmod', ['-R', 'u+w', join(building, 'config', name)]);
    }
  });
}
