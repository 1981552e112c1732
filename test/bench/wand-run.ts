/** A run of the real wand on the sample app, with an editor attached: what most figures need. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DapClient } from '../support/dap-client.ts';
import { ensureDocker } from '../support/docker.ts';
import { IMAGES } from '../support/images.ts';
import { BREAKPOINT_LINE, freePort, startContainerApp, startLocalApp, type SampleApp } from '../support/sample-app.ts';
import { WandDaemon } from '../support/wand.ts';

export type Place = 'local' | 'docker';

export interface WandRun {
  readonly app: SampleApp;
  readonly daemon: WandDaemon;
  readonly file: string;
  readonly port: number;
  attach: (line?: number) => Promise<DapClient>;
  stop: () => Promise<void>;
}

export async function startRun(place: Place, uvicornArgs: readonly string[] = ['--reload']): Promise<WandRun> {
  const name = `wand-bench-${String(process.pid)}`;
  const app =
    place === 'local'
      ? await startLocalApp(uvicornArgs)
      : await startContainerApp(await ensureDocker(['python314']), { image: IMAGES.python314, name });
  const port = await freePort();
  const source =
    place === 'local'
      ? { process: { match: `uvicorn app:app --port ${new URL(app.url).port}` } }
      : { docker: { container: name } };
  await writeFile(
    join(app.folder, 'debugwand.config.json'),
    JSON.stringify({ targets: { bench: { ...source, port } }, notify: false }),
  );
  const daemon = new WandDaemon(['watch', '--plain'], { cwd: app.folder });
  const file = join(app.folder, 'app.py');
  await daemon.target('attached', (target) => target.phase === 'attached', { timeoutMs: 60_000 });
  return {
    app,
    daemon,
    file,
    port,
    attach: async (line = BREAKPOINT_LINE) => {
      const editor = await DapClient.connect(port);
      await editor.attach({ [file]: [{ line }] });
      return editor;
    },
    stop: async () => {
      await daemon.stop();
      await app.stop();
    },
  };
}
