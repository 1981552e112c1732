/** The target contract on a container of Podman, by its Docker-compatible API. */
import { afterAll } from 'vitest';
import { getOrSkip } from '../support/machine.ts';
import { startPodman } from '../support/podman.ts';
import { CONTAINER_ABILITIES, containerStage } from '../support/target-stage.ts';
import { targetContract } from './target.contract.ts';

const podman = await getOrSkip(() => startPodman(['python314']));
targetContract('Podman', CONTAINER_ABILITIES, podman === undefined ? undefined : () => containerStage(podman));
afterAll(() => podman?.stop());
