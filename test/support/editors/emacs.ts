/** Emacs of Debian forky, without a terminal, with Debian's dape: what a user has whose init.el is what `wand init` says. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { editorSetup, type EditorTarget } from '../../../src/commands/init-editors.ts';
import { until } from '../until.ts';
import type { Editor, EditorView } from './editor.ts';
import { Remote } from './remote.ts';
import { startInTree, versionInTree } from './tree.ts';

export async function startEmacs(target: EditorTarget): Promise<Editor> {
  const home = await mkdtemp(join(tmpdir(), 'wand-emacs-'));
  const remote = await Remote.listen();
  await mkdir(join(home, '.emacs.d'), { recursive: true });
  const { text } = editorSetup('emacs', [target]).snippet;
  await writeFile(join(home, '.emacs.d/init.el'), `${text}\n(load "${join(home, 'driver.el')}")\n`);
  await cp(join(import.meta.dirname, 'driver.el'), join(home, 'driver.el'));
  // A daemon in the foreground has Emacs's whole command loop, and no terminal.
  const child = await startInTree(['emacs', `--fg-daemon=${join(home, 'server')}`], {
    cwd: home,
    env: { HOME: home, DRIVER_PORT: String(remote.port) },
  });
  await remote.connected(child);
  const version = `Emacs ${await versionInTree('emacs-nox')}, dape ${await versionInTree('elpa-dape')}`;
  return emacs(child, remote, home, version, `wand-${target.name}`);
}

function emacs(
  child: ChildProcessWithoutNullStreams,
  remote: Remote,
  home: string,
  version: string,
  config: string,
): Editor {
  const text = JSON.stringify;
  const close = async (): Promise<void> => {
    remote.close();
    child.kill('SIGKILL');
    await until(() => child.exitCode !== null || child.signalCode !== null, 'the end of Emacs');
    await rm(home, { recursive: true, force: true });
  };
  const call = (name: string): Promise<unknown> => remote.run(`(call-interactively #'${name}) nil`);
  return {
    name: 'dape',
    version,
    breakpoint: async (file, line) => void (await remote.run(`(driver-breakpoint ${text(file)} ${String(line)}) nil`)),
    // As `M-x dape` does once a name was typed.
    attach: async () => void (await remote.run(`(dape (dape--config-eval '${config} nil)) nil`)),
    view: async () => (await remote.run('(driver-view)')) as EditorView,
    continue: async () => void (await call('dape-continue')),
    next: async () => void (await call('dape-next')),
    evaluate: async (expression) =>
      String(
        await remote.run(`(let ((conn (dape--live-connection 'stopped)))
          (dape--evaluate-expression conn (plist-get (dape--current-stack-frame conn) :id) ${text(expression)} "repl"
            (lambda (body fault) (funcall answer (or fault (plist-get body :result)))))
          'later)`),
      ),
    disconnect: async () => void (await call('dape-disconnect-quit')),
    crash: close,
    close,
  };
}
