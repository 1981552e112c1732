/** The target contract on a pod of a real cluster. */
import { ensureKubernetes } from '../support/kubernetes.ts';
import { POD_ABILITIES, podStage } from '../support/kubernetes-stage.ts';
import { getOrSkip } from '../support/machine.ts';
import { targetContract } from './target.contract.ts';

const cluster = await getOrSkip(() => ensureKubernetes(['python314']));
targetContract('Kubernetes', POD_ABILITIES, cluster === undefined ? undefined : () => podStage(cluster));
