/**
 * `npm run demo -- --record`: makes recording.webp of the README, an animated picture of a real run: VS Code with `wand
 * watch` in its terminal, a stop, a save, and the stop in the next worker.
 */
import { chmod, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StatusReport, TargetReport } from '../../src/core/status.ts';
import { startBrowser } from '../support/browser.ts';
import { startCodeServer } from '../support/code-server.ts';
import { folder } from '../support/folder.ts';
import { freePort } from '../support/machine.ts';
import { BREAKPOINT_LINE, startLocalApp } from '../support/sample-app.ts';
import { until } from '../support/until.ts';
import { VSCodeWindow } from '../support/vscode-window.ts';
import { wand } from '../support/wand.ts';
import { animate, type Frame } from '../support/webp.ts';

const OUTPUT = fileURLToPath(new URL('recording.webp', import.meta.url));
const BIN = fileURLToPath(new URL('../../src/bin.ts', import.meta.url));
const SIZE = { width: 1040, height: 640 };
const LIMIT_BYTES = 300_000;

/** A shell that shows nothing of this machine, and finds `wand` as after `npm install -g`. */
async function terminal(): Promise<Record<string, unknown>> {
  await writeFile(tools.at('wand'), `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`);
  await chmod(tools.at('wand'), 0o755);
  const env = { PS1: '$ ', PATH: [tools.path, process.env['PATH'] ?? ''].join(delimiter) };
  return {
    'terminal.integrated.profiles.linux': { demo: { path: '/bin/bash', args: ['--norc', '--noprofile'], env } },
    'terminal.integrated.defaultProfile.linux': 'demo',
    // As text that can be read.
    'terminal.integrated.gpuAcceleration': 'off',
    // The terminal stays in view.
    'debug.internalConsoleOptions': 'neverOpen',
    'workbench.activityBar.location': 'hidden',
    'window.commandCenter': false,
  };
}

await using tools = await folder();
const app = await startLocalApp();
const frames: Frame[] = [];
try {
  const target = { process: { match: `uvicorn app:app --port ${new URL(app.url).port}` }, port: await freePort() };
  await writeFile(
    join(app.folder, 'debugwand.config.json'),
    JSON.stringify({ targets: { shop: target }, notify: false }),
  );
  await wand(['init', '--yes'], { cwd: app.folder });
  await using server = await startCodeServer(await terminal());
  await using browser = await startBrowser(SIZE);
  const window = await VSCodeWindow.open(server, browser, app.folder, 'record');
  const devtools = await browser.context.newCDPSession(window.page);
  const frame = async (ms: number): Promise<void> => {
    const { data } = await devtools.send('Page.captureScreenshot', { format: 'webp', quality: 70 });
    frames.push({ webp: Buffer.from(data, 'base64'), ms });
  };
  const status = async (): Promise<TargetReport> => {
    const { stdout } = await wand(['status', '--json'], { cwd: app.folder });
    const { targets } = JSON.parse(stdout) as StatusReport;
    if (targets[0] === undefined) throw new Error('wand watch has no target');
    return targets[0];
  };
  const shows = (what: string, pattern: RegExp): Promise<unknown> =>
    until(async () => pattern.test(await window.page.locator('.xterm-rows').innerText()), what, 60_000);

  await window.openFile('app.py');
  await window.toggleBreakpoint(BREAKPOINT_LINE);
  await window.command('Terminal: Create New Terminal');
  await shows('a prompt', /\$/);
  await window.page.keyboard.type('wand watch\n');
  await shows('wand is inside', /attached/);
  await frame(1500);
  await window.press('F5');
  await until(async () => (await status()).editor.connected, 'the editor is there', 60_000);
  await window.running();
  await frame(1500);
  const first = app.price(14);
  await window.stopped(BREAKPOINT_LINE);
  await shows('it is stopped', /stopped/);
  await frame(2500);
  await window.press('F5');
  await first;
  await window.running();
  await window.typeLine(10, '    total = amount * 4');
  await window.save();
  await until(async () => (await status()).reattach.count > 0, 'it is inside the next worker', 60_000);
  await shows('and says so', /attached/);
  await frame(1500);
  const second = app.price(14);
  await window.stopped(BREAKPOINT_LINE);
  await shows('it is stopped again', /stopped/);
  await frame(3500);
  await window.press('F5');
  await second;
  await window.close();
  const stopped = await wand(['stop'], { cwd: app.folder });
  if (stopped.code !== 0) throw new Error(stopped.stderr);
} finally {
  await app.stop();
}
const picture = animate(frames, SIZE);
if (picture.length > LIMIT_BYTES) throw new Error(`${String(picture.length)} bytes are too many for a README`);
await writeFile(OUTPUT, picture);
process.stdout.write(`${OUTPUT}: ${String(frames.length)} pictures, ${String(picture.length)} bytes\n`);
