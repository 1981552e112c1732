/**
 * Before the suites that use real things: makes sure that they are there, so that no test pays for their making. What a
 * machine lacks is named here once, and each suite that needs it then skips; in CI it fails.
 */
import { ensureDocker } from './docker.ts';
import { IMAGES, type ImageName } from './images.ts';
import { knativePrograms } from './knative-programs.ts';
import { prepareKubernetes } from './kubernetes.ts';
import { getOrSkip } from './machine.ts';
import { ALL_PACKAGES } from './packages.ts';
import { venv } from './python.ts';

/** Called by vitest before the first test of a project. */
export async function setup(): Promise<void> {
  await getOrSkip(async () => {
    await venv('3.14', ALL_PACKAGES);
    await venv('3.15', ALL_PACKAGES);
  });
  await getOrSkip(() => ensureDocker(Object.keys(IMAGES) as ImageName[]));
  // Only built: what needs a cluster starts it, and the next finds it up.
  await getOrSkip(async () => {
    await prepareKubernetes();
    await knativePrograms();
  });
}
