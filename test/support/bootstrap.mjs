/**
 * Entry of every npm script. It runs on whatever Node the machine has (18 or newer), so that `npm test` is all that a
 * fresh clone needs: it installs the packages when they are not what package-lock.json says, then hands over to the
 * Node 24 among them. It is plain JavaScript, and uses nothing that has to be installed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const modules = join(root, 'node_modules');
const nodeFolder = join(modules, 'node', 'bin');
const node = join(nodeFolder, process.platform === 'win32' ? 'node.exe' : 'node');

/** True when what is installed is what the lock file says; what is optional may be missing on this platform. */
function installed() {
  try {
    const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    const present = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8')).packages;
    return Object.entries(wanted).every(([path, { version, optional, devOptional, peer }]) => {
      if (path === '') return true;
      if (present[path] === undefined) return Boolean(optional || devOptional || peer);
      return present[path].version === version;
    });
  } catch {
    return false;
  }
}

function must(command, args, cwd) {
  const env = { ...process.env, npm_config_loglevel: 'error' };
  const { status, error } = spawnSync(command, args, {
    cwd,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status === 0) return;
  process.stderr.write(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ''}\n`);
  process.exit(1);
}

function install() {
  process.stderr.write('Installing packages …\n');
  // Not `npm ci`: it refuses a lock file that was written where other platforms' binaries could not be seen. Versions
  // are the lock file's all the same. No package's install script is needed but that of `node`, run below, since what
  // npm 10 runs by itself npm 11 asks about.
  must('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], root);
}

function installNode() {
  process.stderr.write('Installing Node 24 for the project …\n');
  must(process.execPath, ['installArchSpecificPackage.js'], join(modules, 'node'));
  const link = join(modules, '.bin', 'node');
  // npm made no link, for there was nothing to link to.
  if (!existsSync(link) && process.platform !== 'win32') symlinkSync(join('..', 'node', 'bin', 'node'), link);
}

if (!installed()) install();
if (!existsSync(node)) installNode();

const env = { ...process.env, PATH: [nodeFolder, join(modules, '.bin'), process.env.PATH].join(delimiter) };
const tasks = join(root, 'test', 'support', 'tasks.ts');
const child = spawn(node, [tasks, ...process.argv.slice(2)], { cwd: root, env, stdio: 'inherit' });
// The terminal sends its signals to the child as well; what only this process gets is passed on.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on('exit', (code, signal) => {
  process.exit(code ?? 128 + (signal === null ? 1 : constants.signals[signal]));
});
