// Owns where files of ours lie: the only importer of env-paths. Must not read or write them; it makes folders only.
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, isAbsolute, join, resolve } from 'node:path';
import envPaths from 'env-paths';
import { DebugwandError, messageOf } from './errors.ts';

const NAME = 'debugwand';
/** Of a unix socket's path, bytes: 108 with the final zero on Linux, 104 on macOS. */
const SOCKET_PATH_LIMIT = 103;
const FILE_NAME_BYTES = 24;

/** What may be fetched again: debugpy wheels. Not made yet. */
export function cacheDir(): string {
  return envPaths(NAME, { suffix: '' }).cache;
}

/** The log of the project's daemon; its folder is made. */
export function logPath(root: string): string {
  const folder = envPaths(NAME, { suffix: '' }).log;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const project = basename(root)
    .replace(/[^\w.-]+/g, '-')
    .slice(0, 40);
  return join(folder, `${project === '' ? 'root' : project}-${keyOf(root)}.log`);
}

/** Where `wand` commands find the daemon of the project in the folder `root`. @throws DebugwandError `runtime-dir` */
export function socketPath(root: string): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\${NAME}-${keyOf(root)}`;
  return join(runtimeDir(), `${keyOf(root)}.sock`);
}

/** The file that keeps a second daemon from starting for the same project. @throws DebugwandError `runtime-dir` */
export function lockPath(root: string): string {
  return join(runtimeDir(), `${keyOf(root)}.lock`);
}

/**
 * A folder for sockets and locks that nobody else can enter; made when it is not there: below XDG_RUNTIME_DIR, or
 * below the folder for temporary files with the user's id in its name.
 * @throws DebugwandError `runtime-dir` when somebody else owns it or it cannot be made
 */
export function runtimeDir(): string {
  const uid = process.getuid?.();
  const own = process.env['XDG_RUNTIME_DIR'];
  const parent = own !== undefined && own !== '' && isAbsolute(own) && isMine(own, uid) ? own : null;
  const shared = `${NAME}-${uid === undefined ? 'user' : String(uid)}`;
  const candidates = [...(parent === null ? [] : [join(parent, NAME)]), join(tmpdir(), shared), join('/tmp', shared)];
  const fits = (path: string): boolean => Buffer.byteLength(path) + FILE_NAME_BYTES <= SOCKET_PATH_LIMIT;
  const path = candidates.find(fits) ?? join('/tmp', shared);
  makePrivate(path, uid);
  return path;
}

/** A folder in /tmp may have been made by somebody else, to have us put our socket there. */
function makePrivate(path: string, uid: number | undefined): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const stat = lstatSync(path);
    if (!stat.isDirectory()) throw new Error('it is not a folder');
    if (uid === undefined) return;
    if (stat.uid !== uid) throw new Error(`it belongs to user ${String(stat.uid)}`);
    if ((stat.mode & 0o077) !== 0) chmodSync(path, 0o700);
  } catch (error) {
    throw new DebugwandError({
      code: 'runtime-dir',
      message: `the folder for the daemon's socket, ${path}, cannot be used: ${messageOf(error)}`,
      fix: `remove ${path}, or set XDG_RUNTIME_DIR to a folder of yours with mode 0700`,
      cause: error,
    });
  }
}

function isMine(path: string, uid: number | undefined): boolean {
  try {
    const stat = lstatSync(path);
    return stat.isDirectory() && (uid === undefined || stat.uid === uid);
  } catch {
    return false;
  }
}

/** The same for each way to write the folder's path. */
function keyOf(root: string): string {
  let real = resolve(root);
  try {
    real = realpathSync(real);
  } catch {
    // A folder that is not there has its name only.
  }
  return createHash('sha256').update(real).digest('hex').slice(0, 16);
}
