/**
 * VS Code itself, served to a browser: its npm package, built once outside the project, started with a home of its own and
 * with what the Python Debugger extension does on an attach (test/fixtures/vscode/extension).
 */
import { spawn } from 'node:child_process';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { cached } from './cache.ts';
import { aptInstall } from './debian.ts';
import { folder } from './folder.ts';
import { freePort } from './machine.ts';
import { run } from './run.ts';
import { until } from './until.ts';

/** code-server 4.139 is VS Code 1.139. */
const VERSION = '4.139.1';
const EXTENSION = join(import.meta.dirname, '../fixtures/vscode/extension');

/** What its native modules are compiled with. A library is known by no command of its own: apt is asked each time. */
const TOOLS = {
  'libkrb5-dev': 'krb5-config',
  'libx11-dev': 'a library',
  'libxkbfile-dev': 'a library',
  'libsecret-1-dev': 'a library',
  'pkg-config': 'pkg-config',
  'g++': 'g++',
  make: 'make',
};

/** A user's settings, less what would make a picture or a run another each time. Nothing of the debugger is changed. */
const SETTINGS = {
  'workbench.startupEditor': 'none',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.tips.enabled': false,
  'workbench.reduceMotion': 'on',
  // Of a remote window only: it offers to open each port of the app.
  'remote.autoForwardPorts': false,
  'workbench.enableExperiments': false,
  'chat.disableAIFeatures': true,
  'telemetry.telemetryLevel': 'off',
  'security.workspace.trust.enabled': false,
  'extensions.autoCheckUpdates': false,
  'extensions.autoUpdate': false,
  'extensions.ignoreRecommendations': true,
  'git.enabled': false,
  'files.autoSave': 'off',
  'editor.minimap.enabled': false,
  'editor.cursorBlinking': 'solid',
};

/** VS Code that serves windows. */
export interface CodeServer extends AsyncDisposable {
  /** Address of a window on that folder. */
  window: (folder: string) => string;
}

/** Folder of the package. @throws Lacking where it cannot be built */
export async function ensureCodeServer(): Promise<string> {
  return cached(`code-server-${VERSION}`, async (building) => {
    await aptInstall(TOOLS);
    await mkdir(building, { recursive: true });
    await writeFile(join(building, 'package.json'), '{ "private": true }\n');
    // npm runs on the Node that the modules are compiled for: this one.
    const env = { PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter) };
    const flags = ['--unsafe-perm', '--foreground-scripts', '--no-audit', '--no-fund'];
    await run('npm', ['install', ...flags, `code-server@${VERSION}`], { cwd: building, env, timeoutMs: 20 * 60_000 });
    // Nothing here talks to it, and it is half of what VS Code loads.
    const extensions = join(building, 'node_modules/code-server/lib/vscode/extensions');
    await rm(join(extensions, 'copilot'), { recursive: true, force: true });
  });
}

/** Starts it with `settings` added to those above. */
export async function startCodeServer(settings: Readonly<Record<string, unknown>> = {}): Promise<CodeServer> {
  const built = await ensureCodeServer();
  const home = await folder({
    'data/User/settings.json': JSON.stringify({ ...SETTINGS, ...settings }),
    'config.yaml': 'auth: none\n',
  });
  await cp(EXTENSION, home.at('extensions', 'ms-python.debugpy-0.0.1'), { recursive: true });
  const port = await freePort();
  const flags = ['--bind-addr', `127.0.0.1:${String(port)}`, '--config', home.at('config.yaml'), '--auth', 'none'];
  const folders = ['--user-data-dir', home.at('data'), '--extensions-dir', home.at('extensions')];
  const quiet = ['--disable-telemetry', '--disable-update-check', '--disable-workspace-trust', '--ignore-last-opened'];
  const entry = join(built, 'node_modules/code-server/out/node/entry.js');
  const child = spawn(process.execPath, [entry, ...flags, ...folders, ...quiet], {
    env: { ...process.env, HOME: home.path, XDG_CONFIG_HOME: home.path, XDG_DATA_HOME: home.path },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  const keep = (text: string): void => void (output = (output + text).slice(-10_000));
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);
  const closed = new Promise((resolve) => child.once('close', resolve));
  const url = `http://127.0.0.1:${String(port)}`;
  await until(
    () => {
      if (child.exitCode !== null) throw new Error(`code-server ended\n${output}`);
      return fetch(`${url}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
    },
    'code-server answers',
    60_000,
  );
  return {
    window: (path) => `${url}/?folder=${encodeURIComponent(path)}`,
    [Symbol.asyncDispose]: async () => {
      // The whole group: its extension hosts are processes of their own.
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
      await closed;
      await home[Symbol.asyncDispose]();
    },
  };
}
