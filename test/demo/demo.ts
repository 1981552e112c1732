/**
 * `npm run demo`: the main job on a sample app, for real. The app is started as a developer would start it, `wand watch`
 * beside it; a DAP client plays the editor: it attaches once, and stops in one worker after the other.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TargetReport } from '../../src/core/status.ts';
import { DapClient } from '../support/dap-client.ts';
import { BREAKPOINT_LINE, startLocalApp, type SampleApp } from '../support/sample-app.ts';
import { WandDaemon } from '../support/wand.ts';

const PORT = 5679;
const keep = process.argv.includes('--keep');
const started = performance.now();

function say(text: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(2).padStart(6);
  process.stdout.write(`${seconds} s  ${text}\n`);
}

const CONFIG = (url: string): string => `import type { Config } from 'debugwand';

export default {
  targets: { shop: { process: { match: 'uvicorn app:app --port ${new URL(url).port}' }, port: ${String(PORT)} } },
} satisfies Config;
`;

const LAUNCH = {
  version: '0.2.0',
  configurations: [
    {
      name: 'wand: shop',
      type: 'debugpy',
      request: 'attach',
      connect: { host: '127.0.0.1', port: PORT },
      justMyCode: true,
    },
  ],
};

/** Sends a request to the app, and shows where the debugger stops and what it sees. */
async function stopOnce(editor: DapClient, app: SampleApp, amount: number): Promise<void> {
  const seen = editor.mark();
  const asked = performance.now();
  const answer = app.price(amount);
  const { threadId } = (await editor.waitFor('stopped', undefined, { after: seen })).body as { threadId: number };
  const ms = (performance.now() - asked).toFixed(0);
  const { stackFrames } = await editor.request<{ stackFrames: { id: number; name: string; line: number }[] }>(
    'stackTrace',
    { threadId },
  );
  const frame = stackFrames[0];
  if (frame === undefined) throw new Error('no frame');
  const { scopes } = await editor.request<{ scopes: { variablesReference: number }[] }>('scopes', {
    frameId: frame.id,
  });
  const variablesReference = scopes[0]?.variablesReference ?? 0;
  const { variables } = await editor.request<{ variables: { name: string; value: string }[] }>('variables', {
    variablesReference,
  });
  const shown = variables.filter(({ name }) => /^[a-z]/.test(name)).map(({ name, value }) => `${name} = ${value}`);
  say(
    `stopped in ${frame.name}() at app.py:${String(frame.line)}, ${ms} ms after the request was sent: ${shown.join(', ')}`,
  );
  await editor.request('continue', { threadId });
  say(`continued; the app answered ${JSON.stringify(await answer)}`);
}

function workerLine({ worker, entry }: TargetReport): string {
  return `worker ${String(worker?.pid)} (${String(worker?.reason)}), Python ${String(worker?.python)}, entered by ${String(entry?.rung)}`;
}

async function story(app: SampleApp, daemon: WandDaemon): Promise<void> {
  const first = await daemon.target('debuggable', (target) => target.phase === 'attached');
  say(`wand watch is inside ${workerLine(first)}`);
  const editor = await DapClient.connect(PORT);
  await editor.attach(
    { [join(app.folder, 'app.py')]: [{ line: BREAKPOINT_LINE }] },
    { initialize: { clientID: 'demo', clientName: 'the demo' } },
  );
  say(
    `an editor attached to 127.0.0.1:${String(PORT)} and set a breakpoint at app.py:${String(BREAKPOINT_LINE)}: that was F5, once`,
  );
  await stopOnce(editor, app, 14);
  for (const factor of [4, 5]) {
    await app.setFactor(factor);
    const target = await daemon.target('re-attached', ({ reattach }) => reattach.count >= factor - 3);
    const { last } = target.reattach;
    say(
      `saved app.py; the same session is in ${workerLine(target)}: ${String(last?.ms)} ms after its start, ${String(last?.seenMs)} ms after it was seen`,
    );
    await stopOnce(editor, app, 14);
  }
  if (editor.closed) throw new Error('the session of the editor ended');
  say('one session, three workers, no key pressed');
  await editor.disconnect();
}

function instructions(app: SampleApp): string {
  return `
Everything stays up until you press Ctrl-C.

  app      ${app.url}/price/14    (in ${app.folder})
  VS Code  code ${app.folder}   then F5 ("wand: shop"), a breakpoint at app.py:${String(BREAKPOINT_LINE)}, open the address above
  others   \`wand init --editor nvim\` (or emacs, zed, helix, pycharm) in ${app.folder}
           prints what they need
  then     change and save app.py as often as you like: the session stays

  in ${app.folder}: wand status · wand ps · wand logs -f
`;
}

say('starting the sample app: uvicorn app:app --reload, on Python 3.14, nothing prepared for debugging');
const app = await startLocalApp();
await writeFile(join(app.folder, 'debugwand.config.ts'), CONFIG(app.url));
await mkdir(join(app.folder, '.vscode'), { recursive: true });
await writeFile(join(app.folder, '.vscode', 'launch.json'), `${JSON.stringify(LAUNCH, null, 2)}\n`);
const daemon = new WandDaemon(['watch', '--plain'], { cwd: app.folder });
let failure: unknown = null;
try {
  await story(app, daemon);
  if (keep) {
    process.stdout.write(instructions(app));
    await new Promise((resolve) => {
      process.once('SIGINT', resolve);
      process.once('SIGTERM', resolve);
    });
  }
} catch (error) {
  failure = error;
  process.stderr.write(`the demo failed: ${String(error)}\n${daemon.output}\n`);
} finally {
  await daemon.stop();
  const answer = await app.price(1).catch(() => null);
  say(answer === null ? 'the app did not survive' : 'wand left; the app runs on as before, and is ended now');
  await app.stop();
}
process.exitCode = failure === null ? 0 : 1;
