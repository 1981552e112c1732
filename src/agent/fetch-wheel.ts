// Owns getting a pinned wheel with the developer's own pip or uv. Which index that is, and through which proxy, is theirs
// to say: nothing here names a host. Must not know the cache.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DebugwandError } from '../lib/errors.ts';
import { DEBUGPY_VERSION, type Wheel } from './wheels.ts';

const FETCH_MS = 120_000;

/** In order; `uv tool run` brings a pip of its own. */
const PIPS: readonly (readonly [string, ...string[]])[] =
  process.platform === 'win32'
    ? [['py', '-m', 'pip'], ['python', '-m', 'pip'], ['pip'], ['uv', 'tool', 'run', '--quiet', 'pip']]
    : [['python3', '-m', 'pip'], ['pip3'], ['pip'], ['uv', 'tool', 'run', '--quiet', 'pip']];

interface Outcome {
  readonly ok: boolean;
  /** The program, or its module pip, is not there. */
  readonly missing: boolean;
  readonly said: string;
}

/** The first way to run pip that answers, as words; null when there is none. */
export async function findPip(signal: AbortSignal): Promise<string | null> {
  for (const [program, ...args] of PIPS) {
    if ((await execute(program, [...args, '--version'], signal)).ok) return [program, ...args].join(' ');
  }
  return null;
}

/**
 * Downloads the wheel and checks its hash.
 * @throws DebugwandError `debugpy-unavailable` when no pip and no uv is there, or none could fetch it; AbortError.
 */
export async function fetchWheel(wheel: Wheel, signal: AbortSignal): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'debugwand-wheel-'));
  try {
    const requirements = join(folder, 'requirements.txt');
    await writeFile(requirements, `debugpy==${DEBUGPY_VERSION} --hash=sha256:${wheel.sha256}\n`);
    const failures: string[] = [];
    for (const [program, ...args] of PIPS) {
      const outcome = await execute(program, [...args, ...download(wheel, requirements, folder)], signal);
      signal.throwIfAborted();
      const bytes = outcome.ok ? await readFile(join(folder, wheel.file)).catch(() => null) : null;
      if (bytes !== null && hasHash(bytes, wheel)) return bytes;
      if (!outcome.missing) failures.push(`${[program, ...args].join(' ')}: ${outcome.said}`);
    }
    throw unavailable(failures);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether these are the bytes that were pinned. */
export function hasHash(bytes: Buffer, wheel: Wheel): boolean {
  return createHash('sha256').update(bytes).digest('hex') === wheel.sha256;
}

function download(wheel: Wheel, requirements: string, folder: string): string[] {
  const how = ['--quiet', '--no-input', '--disable-pip-version-check', '--no-deps', '--only-binary', ':all:'];
  const fits = ['--python-version', wheel.python, '--implementation', wheel.implementation];
  const what = ['--abi', wheel.abi, '--platform', wheel.platform, '--require-hashes', '-r', requirements];
  return ['download', ...how, ...fits, ...what, '-d', folder];
}

function unavailable(failures: readonly string[]): DebugwandError {
  const last = failures.at(-1);
  if (last === undefined) {
    return new DebugwandError({
      code: 'debugpy-unavailable',
      message: `debugpy ${DEBUGPY_VERSION} is not on this machine yet, and there is no pip and no uv to fetch it`,
      fix: 'install pip (`python3 -m ensurepip`) or uv, or install debugwand from npm: the package has debugpy inside',
    });
  }
  return new DebugwandError({
    code: 'debugpy-unavailable',
    message: `debugpy ${DEBUGPY_VERSION} could not be fetched (${last})`,
    fix: `make \`pip download debugpy==${DEBUGPY_VERSION}\` work (network, proxy, index), or install debugwand from npm: the package has debugpy inside`,
  });
}

async function execute(program: string, args: readonly string[], signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { signal, timeout: FETCH_MS, windowsHide: true, maxBuffer: 1 << 20 };
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      const text = `${stdout}\n${stderr}`;
      const missing = error !== null && (error.code === 'ENOENT' || /No module named pip\b/.test(text));
      resolve({ ok: error === null, missing, said: lastError(text) ?? error?.message ?? '' });
    });
    child.stdin?.end();
  });
}

/** pip's last complaint; what follows it is advice. */
function lastError(text: string): string | null {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.findLast((line) => /^(ERROR|error):/.test(line)) ?? lines.findLast((line) => line !== '') ?? null;
}
