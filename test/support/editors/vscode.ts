/** A window of VS Code as an editor of the stories; only for recording: the tests of VS Code look at much more. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureCodeServer } from '../code-server.ts';
import { desk } from '../vscode-stage.ts';
import { VSCodeWindow, type Screen } from '../vscode-window.ts';
import type { Rig } from '../rig.ts';
import type { Editor, EditorView } from './editor.ts';

/** @param port where the launch configuration of `wand init` shall lead */
export async function startVSCode(rig: Rig, port: number): Promise<Editor> {
  const { app, daemon } = rig;
  const { code, stderr } = await daemon.run('init', '--yes');
  if (code !== 0) throw new Error(`wand init: ${stderr}`);
  const launch = join(app.folder, '.vscode/launch.json');
  await writeFile(launch, (await readFile(launch, 'utf8')).replaceAll(String(rig.port), String(port)));
  const on = await desk();
  const window = await VSCodeWindow.open(on.server, on.browser, app.folder, 'recorded');
  await window.openFile('app.py');
  const close = async (): Promise<void> => {
    await window.close();
    await on[Symbol.asyncDispose]();
  };
  return {
    name: 'vscode',
    // code-server 4.139 is VS Code 1.139.
    version: `VS Code 1.${/code-server-4\.(\d+)/.exec(await ensureCodeServer())?.[1] ?? '?'}`,
    breakpoint: (_file, line) => window.toggleBreakpoint(line),
    attach: async () => void (await window.startDebugging()),
    view: async () => viewOf(await window.read()),
    continue: () => window.press('F5'),
    next: () => window.press('F10'),
    evaluate: async (expression) => {
      const before = (await window.read()).console.at(-1)?.row ?? 0;
      await window.command('Debug Console: Focus on Debug Console View');
      await window.page.keyboard.type(expression);
      await window.press('Enter');
      const { console: lines } = await window.until(
        'an answer',
        (screen) => (screen.console.at(-1)?.row ?? 0) > before + 1,
      );
      await window.press('Control+1');
      return lines.at(-1)?.text ?? '';
    },
    // What is changed behind its back moves its breakpoints.
    saveLine: async (line, text) => {
      await window.typeLine(line, text);
      await window.save();
    },
    disconnect: () => window.press('Shift+F5'),
    crash: close,
    close,
  };
}

function viewOf(screen: Screen): EditorView {
  const [, name = '', line = ''] =
    screen.callStack.map((row) => /^Stack Frame (\S+), line (\d+),/.exec(row)).find((found) => found !== null) ?? [];
  const marked = Object.entries(screen.glyphs).find(([, look]) => look.includes('stackframe'));
  const variables = screen.variables.flatMap((row) => {
    const [, key, value] = /^(\w+), value (.*)$/.exec(row) ?? [];
    return key === undefined || value === undefined ? [] : [[key, value] as const];
  });
  return {
    sessions: screen.toolbar.length > 0 ? 1 : 0,
    stop: name === '' ? null : { function: name, line: Number(line), variables: Object.fromEntries(variables) },
    mark: marked === undefined ? null : Number(marked[0]),
    notices: screen.popups,
    console: screen.console.map(({ text }) => text).join('\n'),
  };
}
