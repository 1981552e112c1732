/** Neovim of Debian forky, headless, with nvim-dap from a folder: what a user has whose init.lua is what `wand init` says. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { editorSetup, type EditorTarget } from '../../../src/commands/init-editors.ts';
import { until } from '../until.ts';
import type { Editor, EditorView } from './editor.ts';
import { Remote } from './remote.ts';
import { startInTree, versionInTree } from './tree.ts';

/** @param plugin the folder of nvim-dap */
export async function startNeovim(plugin: string, version: string, target: EditorTarget): Promise<Editor> {
  const home = await mkdtemp(join(tmpdir(), 'wand-nvim-'));
  const remote = await Remote.listen();
  await mkdir(join(home, 'config/nvim'), { recursive: true });
  await writeFile(join(home, 'config/nvim/init.lua'), editorSetup('nvim', [target]).snippet.text);
  await cp(plugin, join(home, 'data/nvim/site/pack/x/start/nvim-dap'), { recursive: true });
  await cp(join(import.meta.dirname, 'driver.lua'), join(home, 'driver.lua'));
  const child = await startInTree(['nvim', '--headless', '-c', `luafile ${join(home, 'driver.lua')}`], {
    cwd: home,
    env: {
      HOME: home,
      XDG_CONFIG_HOME: join(home, 'config'),
      XDG_DATA_HOME: join(home, 'data'),
      XDG_STATE_HOME: join(home, 'state'),
      XDG_CACHE_HOME: join(home, 'cache'),
      DRIVER_PORT: String(remote.port),
    },
  });
  await remote.connected(child);
  return neovim(child, remote, home, `Neovim ${await versionInTree('neovim')}, nvim-dap ${version}`);
}

function neovim(child: ChildProcessWithoutNullStreams, remote: Remote, home: string, version: string): Editor {
  const text = JSON.stringify;
  const close = async (): Promise<void> => {
    remote.close();
    child.kill('SIGKILL');
    await until(() => child.exitCode !== null || child.signalCode !== null, 'the end of Neovim');
    await rm(home, { recursive: true, force: true });
  };
  return {
    name: 'nvim-dap',
    version,
    breakpoint: async (file, line) => void (await remote.run(`driver.breakpoint(${text(file)}, ${String(line)})`)),
    attach: async () => void (await remote.run("require('dap').continue()")),
    view: async () => (await remote.run('return driver.view()')) as EditorView,
    continue: async () => void (await remote.run("require('dap').continue()")),
    next: async () => void (await remote.run("require('dap').step_over()")),
    evaluate: async (expression) =>
      String(await remote.run(`driver.evaluate(${text(expression)}, answer) return 'later'`)),
    disconnect: async () => void (await remote.run('driver.disconnect()')),
    crash: close,
    close,
  };
}
