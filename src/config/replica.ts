// Owns how the replicas of a Kubernetes target are named in a config and in flags. Pure.
import type { KubernetesSource } from '../core/types.ts';

export function replicaNamed(name: string | undefined): KubernetesSource['replica'] {
  if (name === undefined || name === 'newest') return 'newest';
  return name === 'all' ? 'all' : { pod: name };
}
