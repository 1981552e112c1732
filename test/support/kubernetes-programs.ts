/**
 * The programs of the test cluster, built once per version from the Go module in `cluster/`: one binary that is every
 * program of Kubernetes, under each of its names, and the program of the pods' sandboxes.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { Lacking, which } from './machine.ts';
import { attempt, run } from './run.ts';

const MODULE = join(import.meta.dirname, 'cluster');
const KUBERNETES = { version: 'v1.35.4', major: '1', minor: '35' };
const PROGRAMS = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kubectl'];

/** A name under which the binary is called. */
export type Program = 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'kubelet' | 'kubectl';

/** The folder with `kubectl`, `kubelet`, … and `pause`. The first build takes about five minutes. */
export async function kubernetesPrograms(): Promise<string> {
  const sources = ['go.mod', 'go.sum', 'main.go', 'pause/main.go'];
  return cached(`kubernetes/programs-${await keyOf(MODULE, sources)}`, async (building) => {
    await needGo(MODULE);
    await mkdir(building, { recursive: true });
    const version = 'k8s.io/component-base/version';
    const flags = [
      '-s -w',
      `-X ${version}.gitVersion=${KUBERNETES.version}`,
      `-X ${version}.gitMajor=${KUBERNETES.major}`,
      `-X ${version}.gitMinor=${KUBERNETES.minor}`,
    ].join(' ');
    await goBuild(MODULE, join(building, 'kubernetes'), '.', flags);
    // It runs in an image that holds nothing else.
    await goBuild(MODULE, join(building, 'pause'), './pause', '-s -w', { CGO_ENABLED: '0' });
    for (const program of PROGRAMS) await symlink('kubernetes', join(building, program));
  });
}

/** What a build is kept under: it changes with any of its sources. */
export async function keyOf(module: string, sources: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const source of sources) hash.update(await readFile(join(module, source)));
  return hash.digest('hex').slice(0, 12);
}

/** Builds one program of a module. */
export async function goBuild(
  module: string,
  output: string,
  what: string,
  flags = '-s -w',
  env: Record<string, string> = {},
): Promise<void> {
  await run('go', ['build', '-trimpath', '-ldflags', flags, '-o', output, what], {
    cwd: module,
    env: { ...GO_ENV, ...env },
    timeoutMs: 25 * 60_000,
  });
}

/** Another toolchain is never downloaded: where this machine's is too old, that is said. */
const GO_ENV = { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' };

/** Throws what to do where Go is missing or older than the module wants. */
export async function needGo(module: string, what = 'a Kubernetes cluster'): Promise<void> {
  const wanted = /^go (\d+)\.(\d+)/m.exec(await readFile(join(module, 'go.mod'), 'utf8'));
  const minor = Number(wanted?.[2]);
  const fix = `Install Go 1.${String(minor)} or newer, so that \`go\` is in PATH.`;
  if (which('go') === undefined) throw new Lacking(`${what} (it is built with Go)`, fix);
  const version = await attempt('go', ['env', 'GOVERSION'], { env: GO_ENV });
  const here = /^go1\.(\d+)/.exec(version ?? '');
  if (here === null || Number(here[1]) < minor) {
    throw new Lacking(`${what} (this Go is ${version ?? 'not running'})`, fix);
  }
}
