/** Before the suite `editors`: makes sure that the editors, and what they debug, are there. No cluster is needed here. */
import { ensureBrowser } from './browser.ts';
import { ensureCodeServer } from './code-server.ts';
import { debugpyVenv } from './dap-worker.ts';
import { ensureDocker } from './docker.ts';
import { editorTree } from './editors/tree.ts';
import { getOrSkip } from './machine.ts';
import { WEB_PACKAGES } from './packages.ts';
import { venv } from './python.ts';

/** Called by vitest before the first test of the project. */
export async function setup(): Promise<void> {
  await getOrSkip(() => venv('3.14', WEB_PACKAGES));
  await getOrSkip(debugpyVenv);
  await getOrSkip(editorTree);
  await getOrSkip(() => ensureDocker(['python314']));
  await getOrSkip(async () => {
    await ensureBrowser();
    await ensureCodeServer();
  });
}
