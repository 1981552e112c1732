// Where debugpy's files go on a target, whatever may be written there, and that they go away again.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeZip } from '../../../src/agent/zip.ts';
import { ensureDocker } from '../../support/docker.ts';
import { type Folder, folder } from '../../support/folder.ts';
import { IMAGES } from '../../support/images.ts';
import { getOrSkip } from '../../support/machine.ts';
import { olderPythons, python } from '../../support/python.ts';
import { run } from '../../support/run.ts';

const PAYLOAD = join(import.meta.dirname, '../../../payload');

/** A zip file of texts, stored as they are. */
function archive(files: Readonly<Record<string, string>>, comment = ''): Buffer {
  const entries = Object.entries(files).map(([name, text]) => {
    const compressed = Buffer.from(text);
    return { name, method: 0, crc32: crc32(compressed), size: compressed.length, compressed };
  });
  return writeZip(entries, comment);
}

const FILES = { 'debugpy/__init__.py': 'answer = 42\n', 'debugpy/fast.so': 'machine code', 'debugpy/deep/er/a.py': '' };

let files: Folder;
beforeAll(async () => {
  files = await folder();
  // Another uid in a container reads it, too.
  await chmod(files.path, 0o755);
  await writeFile(files.at('debugpy.zip'), archive(FILES, 'cpython-314'));
  await writeFile(files.at('slip.zip'), archive({ '../escaped.py': 'x = 1', '/etc/escaped.py': 'x = 1' }));
});
afterAll(() => files[Symbol.asyncDispose]());

/** Runs Python with the module as `b`. */
async function bundle(interpreter: string, code: string, env: Record<string, string> = {}): Promise<string> {
  const setup = { PYTHONPATH: PAYLOAD, PYTHONDONTWRITEBYTECODE: '1', TMPDIR: files.path, ...env };
  return (await run(interpreter, ['-c', `import os, _debugwand_bundle as b\n${code}`], { env: setup })).trim();
}

async function ours(): Promise<string[]> {
  return (await readdir(files.path)).filter((name) => name.startsWith('debugwand-'));
}

const older = await olderPythons();
const current = await python('3.14');

describe.each([...older, { version: '3.14', path: current }])('debugpy’s files, by Python $version', ({ path }) => {
  test('are unpacked once, for other users to read, and removed at the end', async () => {
    const code = `
os.umask(0o077)
path = b.unpack(${JSON.stringify(files.at('debugpy.zip'))}, "key")
assert b.unpack(${JSON.stringify(files.at('debugpy.zip'))}, "key") == path
for folder, folders, names in os.walk(path):
    for name in folders: assert os.stat(os.path.join(folder, name)).st_mode & 0o777 == 0o755, name
    for name in names: assert os.stat(os.path.join(folder, name)).st_mode & 0o777 == 0o644 or name == "in-use", name
print(path, open(os.path.join(path, "debugpy/__init__.py")).read().strip())
b.cleanup()
b.cleanup()
print(os.path.exists(path))`;
    const [first, second] = (await bundle(path, code)).split('\n');
    expect(first).toMatch(new RegExp(`^${files.path}/debugwand-\\w+ answer = 42$`));
    expect(second).toBe('False');
    expect(await ours()).toEqual([]);
  });
});

describe('debugpy’s files', () => {
  test('a name that leads out of the folder is not followed', async () => {
    await bundle(current, `b.unpack(${JSON.stringify(files.at('slip.zip'))}, "slip"); b.cleanup()`);
    expect(existsSync(files.at('escaped.py'))).toBe(false);
    expect(existsSync('/etc/escaped.py')).toBe(false);
  });

  test('are compiled by the interpreter that will read them, and by no other', async () => {
    const code = `
path = b.unpack(${JSON.stringify(files.at('debugpy.zip'))}, "key")
print(sorted(name for _, _, names in os.walk(path) for name in names if name.endswith(".pyc")))
b.cleanup()`;
    expect(await bundle(current, code)).toBe("['__init__.cpython-314.pyc', 'a.cpython-314.pyc']");
    expect(await bundle(await python('3.15'), code)).toBe('[]');
  });

  test('of an agent that was killed are removed by the next one, those of a living one are not', async () => {
    const wait = `print(b.unpack(${JSON.stringify(files.at('debugpy.zip'))}, "key"), flush=True); import time; time.sleep(1e6)`;
    const env = { ...process.env, PYTHONPATH: PAYLOAD, TMPDIR: files.path, PYTHONDONTWRITEBYTECODE: '1' };
    const start = async (): Promise<{ path: string; kill(): Promise<void> }> => {
      const child = spawn(current, ['-c', `import _debugwand_bundle as b; ${wait}`], {
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [path] = (await once(createInterface(child.stdout), 'line')) as [string];
      return {
        path,
        kill: async () => {
          const gone = once(child, 'exit');
          child.kill('SIGKILL');
          await gone;
        },
      };
    };
    const killed = await start();
    await killed.kill();
    const living = await start();
    try {
      expect(existsSync(killed.path)).toBe(false);
      await bundle(current, `b.unpack(${JSON.stringify(files.at('debugpy.zip'))}, "key"); b.cleanup()`);
      expect(statSync(living.path).isDirectory()).toBe(true);
    } finally {
      await living.kill();
    }
    await bundle(current, `b.unpack(${JSON.stringify(files.at('debugpy.zip'))}, "key"); b.cleanup()`);
    expect(await ours()).toEqual([]);
  });

  test('under another root are named as a worker there sees them', async () => {
    await using root = await folder({ 'tmp/.keep': '' });
    const code = `
path = b.unpack(${JSON.stringify(files.at('debugpy.zip'))}, "key", ${JSON.stringify(root.path)})
print(path, os.path.exists(${JSON.stringify(root.path)} + path + "/debugpy/__init__.py"))
b.cleanup()`;
    expect(await bundle(current, code)).toMatch(/^\/tmp\/debugwand-\w+ True$/);
    expect(await readdir(root.at('tmp'))).toEqual(['.keep']);
  });
});

const docker = await getOrSkip(() => ensureDocker(['python314']));

describe.skipIf(docker === undefined)('debugpy’s files in a container', () => {
  test.each([
    { where: 'as it comes', options: [], said: /^\/tmp\/debugwand-\w+ compiled$/ },
    { where: 'as a user without a home', options: ['--user', '4242:4242'], said: /^\/tmp\/debugwand-\w+ compiled$/ },
    { where: 'with a read-only root', options: ['--read-only'], said: /^\/dev\/shm\/debugwand-\w+ plain$/ },
    {
      where: 'with a read-only root and a /tmp whose files may run',
      options: ['--read-only', '--tmpfs', '/tmp:exec'],
      said: /^\/tmp\/debugwand-\w+ compiled$/,
    },
    {
      where: 'with a read-only root and a /tmp whose files may not run',
      options: ['--read-only', '--tmpfs', '/tmp:noexec'],
      said: /^\/tmp\/debugwand-\w+ plain$/,
    },
    {
      where: 'where nothing can be written',
      options: ['--read-only', '--tmpfs', '/dev/shm:ro'],
      said: /^no-space no writable folder in the target/,
    },
  ])('$where', async ({ options, said }) => {
    const [program, ...command] = docker?.command ?? ['docker'];
    const code = `
import os, sys
sys.path.insert(0, "/payload")
import _debugwand_bundle as b
try:
    path = b.unpack("/files/debugpy.zip", "key")
    print(path, "compiled" if os.path.exists(path + "/debugpy/fast.so") else "plain")
    b.cleanup()
    assert not os.path.exists(path)
except OSError as error:
    print(error.code, error.strerror)`;
    const mounts = ['-v', `${PAYLOAD}:/payload:ro`, '-v', `${files.path}:/files:ro`];
    const image = [IMAGES.python314, 'python3.14', '-B', '-c', code];
    const out = await run(program ?? 'docker', [
      ...command,
      'run',
      '--rm',
      '--pull',
      'never',
      ...options,
      ...mounts,
      ...image,
    ]);
    expect(out.trim()).toMatch(said);
  });
});
