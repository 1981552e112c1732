/**
 * `npm run cluster`: the test cluster, kept up for work by hand and for all test runs until `npm run cluster -- stop`, which
 * leaves nothing of it. Further arguments name images: `npm run cluster -- distroless`.
 */
import { IMAGES, type ImageName } from './images.ts';
import { ensureKubernetes, removeAbandonedClusters, stopSharedCluster } from './kubernetes.ts';
import { keepCluster } from './kubernetes-runs.ts';

const [first, ...rest] = process.argv.slice(2);

if (first === 'stop') {
  const there = await stopSharedCluster();
  await removeAbandonedClusters();
  process.stdout.write(there ? 'The test cluster is gone, with all that it had.\n' : 'There is no test cluster.\n');
} else {
  const known = Object.keys(IMAGES) as ImageName[];
  const named = first === undefined ? ['python314'] : [first, ...rest];
  const unknown = named.filter((name) => !known.some((other) => other === name));
  if (unknown.length > 0) {
    process.stderr.write(`No image ${unknown.join(', ')}. There are: ${known.join(', ')}; or say stop.\n`);
    process.exitCode = 2;
  } else {
    const cluster = await ensureKubernetes(known.filter((name) => named.includes(name)));
    await keepCluster();
    process.stdout.write(`export KUBECONFIG=${cluster.kubeconfig}\nalias kubectl=${cluster.kubectlProgram}\n`);
    process.stdout.write('It stays until: npm run cluster -- stop\n');
  }
}
