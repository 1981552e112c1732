// Owns the finding of a Python on this machine for the agent. Must not know targets.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { DebugwandError } from '../lib/errors.ts';
import { allPids, commandLineOf, descendantsOf, exeOf } from './local-proc.ts';
import type { Scope } from '../core/types.ts';

const NAMES = [...[15, 14, 13, 12, 11, 10, 9, 8].map((minor) => `python3.${String(minor)}`), 'python3', 'python'];
const PROBE = 'import sys; sys.exit(0 if sys.version_info >= (3, 8) else 9)';
/** A shim of a version manager is a shell script and may be slow, ms. */
const PROBE_MS = 5_000;

/**
 * Executables that run an agent, best first: what the target's own processes run, then `folders`, then PATH. The first one
 * was tried.
 * @throws DebugwandError `python-missing`
 */
export async function findInterpreters(
  scope: Scope,
  signal: AbortSignal,
  folders: readonly string[] = [],
): Promise<readonly string[]> {
  const inFolders = interpretersInPath(folders.join(delimiter));
  const inPath = interpretersInPath(process.env['PATH'] ?? '');
  const candidates = [...new Set([...runningInterpreters(scope), ...inFolders, ...inPath])];
  for (const [index, candidate] of candidates.entries()) {
    if (await works(candidate, signal)) return candidates.slice(index);
  }
  throw new DebugwandError({
    code: 'python-missing',
    message: 'no Python 3.8 or later was found on this machine',
    fix: 'install one and put it in PATH: `uv python install 3.14`, or your system’s package',
  });
}

/** @internal exported for its test */
export function interpretersInPath(path: string, exists: (file: string) => boolean = existsSync): readonly string[] {
  const folders = path.split(delimiter).filter((folder) => folder.startsWith('/'));
  // By name first: `python3.14` anywhere in PATH is better than a `python3` of unknown age.
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name)).filter(exists));
}

function runningInterpreters(scope: Scope): readonly string[] {
  return pidsOf(scope).flatMap((pid) => {
    const exe = exeOf(pid);
    // A process of a container has an executable that is not ours.
    return exe !== null && basename(exe).startsWith('python') && existsSync(exe) ? [exe] : [];
  });
}

function pidsOf(scope: Scope): readonly number[] {
  if (scope.kind === 'descendants') return scope.roots.flatMap(descendantsOf);
  if (scope.kind === 'namespace') return [];
  const pattern = new RegExp(scope.pattern, 'u');
  return allPids().filter((pid) => pid !== process.pid && pattern.test(commandLineOf(pid)));
}

async function works(interpreter: string, signal: AbortSignal): Promise<boolean> {
  try {
    await promisify(execFile)(interpreter, ['-I', '-S', '-c', PROBE], { timeout: PROBE_MS, signal });
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
