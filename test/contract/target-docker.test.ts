/** The target contract on a container of the real Docker engine. */
import { ensureDocker } from '../support/docker.ts';
import { getOrSkip } from '../support/machine.ts';
import { CONTAINER_ABILITIES, containerStage } from '../support/target-stage.ts';
import { targetContract } from './target.contract.ts';

const docker = await getOrSkip(() => ensureDocker(['python314']));
targetContract('Docker', CONTAINER_ABILITIES, docker === undefined ? undefined : () => containerStage(docker));
