/**
 * Tells the story to a real editor and keeps the conversation as a fixture: `node test/support/editors/record.ts dape`,
 * `… vscode`, or `… nvim-dap FOLDER VERSION` with a clone of nvim-dap, which no registry has. It is the test by hand of
 * that client, too: what goes otherwise than the story fails. nvim-dap is told the one of several workers as well.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { format } from 'prettier';
import { Rig } from '../rig.ts';
import { python } from '../python.ts';
import { serveCommand, startLocalApp } from '../sample-app.ts';
import { neutral, type Conversation } from './conversation.ts';
import type { Editor } from './editor.ts';
import { startEmacs } from './emacs.ts';
import { startNeovim } from './neovim.ts';
import { orderFaults } from './order.ts';
import { Recorder } from './recorder.ts';
import { Story } from './story.ts';
import { startVSCode } from './vscode.ts';
import { WorkersStory } from './workers-story.ts';

const [client, plugin, version = ''] = process.argv.slice(2);

function start(rig: Rig, port: number): Promise<Editor> {
  const target = { name: 'app', port };
  if (client === 'dape') return startEmacs(target);
  if (client === 'nvim-dap' && plugin !== undefined) return startNeovim(plugin, version, target);
  if (client === 'vscode') return startVSCode(rig, port);
  throw new Error('say which: dape, vscode, or nvim-dap FOLDER VERSION');
}

async function record(): Promise<void> {
  const app = await startLocalApp();
  const rig = await Rig.start(app, Rig.processOf(app));
  await rig.attached();
  const recorder = await Recorder.start(rig.port);
  const editor = await start(rig, recorder.port);
  try {
    await new Story(editor, rig, (action) => recorder.note(action)).play();
    const [uvicorn = ''] = await serveCommand(0);
    const words: [string, string][] = [
      [app.folder, '/app'],
      [dirname(dirname(uvicorn)), '/venv'],
      [dirname(dirname(await python('3.14'))), '/usr'],
      [homedir(), '/home'],
      [`:${String(recorder.port)}`, ':5679'],
    ];
    const conversation: Conversation = { client: editor.version, entries: neutral(recorder.entries, words) };
    for (const fault of orderFaults(conversation.entries)) process.stderr.write(`${fault}\n`);
    const folder = join(import.meta.dirname, '../../fixtures/dap');
    await mkdir(folder, { recursive: true });
    const file = join(folder, `${editor.name}.json`);
    await writeFile(file, await format(JSON.stringify(conversation), { parser: 'json', printWidth: 120 }));
    process.stdout.write(`${editor.version}: ${String(conversation.entries.length)} entries in ${file}\n`);
  } finally {
    recorder.close();
    await editor.close();
    await rig.stop();
  }
}

async function tellOfWorkers(): Promise<void> {
  const app = await startLocalApp(['--workers', '2']);
  const rig = await Rig.start(app, Rig.processOf(app));
  await rig.attached();
  const editor = await start(rig, rig.port);
  try {
    await new WorkersStory(editor, rig).play();
    process.stdout.write(`${editor.version}: a session for each of two workers, two of which were killed\n`);
  } finally {
    await editor.close();
    await rig.stop();
  }
}

await record();
if (client === 'nvim-dap') await tellOfWorkers();
