/** Before the suite `editors`: makes sure that the editors, and what they debug, are there. No cluster is needed here. */
import { ensureBrowser } from './browser.ts';
import { ensureCodeServer } from './code-server.ts';
import { ensureDocker } from './docker.ts';
import { getOrSkip } from './machine.ts';
import { WEB_PACKAGES } from './packages.ts';
import { venv } from './python.ts';

/** Called by vitest before the first test of the project. */
export async function setup(): Promise<void> {
  await getOrSkip(() => venv('3.14', WEB_PACKAGES));
  await getOrSkip(() => ensureDocker(['python314']));
  await getOrSkip(async () => {
    await ensureBrowser();
    await ensureCodeServer();
  });
}
