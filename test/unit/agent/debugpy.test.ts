// Where debugpy comes from when there is no network, or no pip: what the user is told, and that a bad cache is not used.
import { execFile } from 'node:child_process';
import { chmod, cp, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEBUGPY_VERSION, WHEELS } from '../../../src/agent/wheels.ts';
import { type Folder, folder } from '../../support/folder.ts';

const python = {
  version: '3.14.8',
  abi: 'cp314',
  libc: 'glibc',
  arch: 'x86_64',
  freeThreaded: false,
  remoteDebug: 'on',
};

const root = join(import.meta.dirname, '../../..');

/** The sources without the vendor/ that packing may have left beside them. */
let bare: Folder;
beforeAll(async () => {
  bare = await folder({ 'package.json': '{ "type": "module" }' });
  await cp(join(root, 'src'), bare.at('src'), { recursive: true });
  await symlink(join(root, 'node_modules'), bare.at('node_modules'));
});
afterAll(() => bare[Symbol.asyncDispose]());

/** Asks in a process of its own, whose PATH and cache are the test's. Gives what it printed. */
async function prepare(path: string, cache: string): Promise<string> {
  const script = `
    const { prepareDebugpy } = await import(${JSON.stringify(bare.at('src/agent/debugpy.ts'))});
    try {
      const { key, zip } = await prepareDebugpy(${JSON.stringify(python)}, AbortSignal.timeout(9000), (text) => console.log('progress', text));
      console.log('prepared', key, zip.length > 100000);
    } catch (error) {
      console.log(error.code, '|', error.message, '|', error.fix);
    }`;
  const env = { PATH: path, XDG_CACHE_HOME: cache, HOME: cache };
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { env });
  return stdout.trim();
}

describe('debugpy on the developer’s machine', () => {
  test('no pip and no uv: a named error with its fix', async () => {
    await using files = await folder();
    expect(await prepare(files.at('nothing'), files.path)).toMatch(
      /^debugpy-unavailable \| .*no pip and no uv.* \| .*ensurepip/,
    );
  });

  test('a pip that cannot reach its index: its own words are in the error', async () => {
    await using files = await folder({
      'bin/pip3': '#!/bin/sh\necho "ERROR: No matching distribution found" >&2\nexit 1\n',
    });
    await chmod(files.at('bin/pip3'), 0o755);
    const said = await prepare(files.at('bin'), files.path);
    expect(said).toMatch(/^debugpy-unavailable \| .*pip3: ERROR: No matching distribution found/);
    expect(said).toContain(`pip download debugpy==${DEBUGPY_VERSION}`);
  });

  test('a slow fetch is shown', async () => {
    await using files = await folder({ 'bin/pip3': '#!/bin/sh\n/bin/sleep 1.3\nexit 1\n' });
    await chmod(files.at('bin/pip3'), 0o755);
    expect(await prepare(files.at('bin'), files.path)).toMatch(/^progress fetching debugpy .*\n/);
  });

  test.each(WHEELS.map(({ file }) => file))('another file under the name of %s is not used', async (file) => {
    await using files = await folder({ [`debugwand/debugpy/${file}`]: 'not what was pinned' });
    expect(await prepare(files.at('nothing'), files.path)).toMatch(/^debugpy-unavailable/);
  });
});
