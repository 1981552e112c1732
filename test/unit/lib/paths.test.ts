import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cacheDir, lockPath, logPath, runtimeDir, socketPath } from '../../../src/lib/paths.ts';
import { type Folder, folder } from '../../support/folder.ts';

let home: Folder;

beforeEach(async () => {
  home = await folder({ 'run/.keep': '', 'tmp/.keep': '', 'project/.keep': '' });
  vi.stubEnv('XDG_RUNTIME_DIR', home.at('run'));
  vi.stubEnv('XDG_STATE_HOME', home.at('state'));
  vi.stubEnv('XDG_CACHE_HOME', home.at('cache'));
  vi.stubEnv('TMPDIR', home.at('tmp'));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await home[Symbol.asyncDispose]();
});

test('in the folders of the user, for nobody else', () => {
  expect(runtimeDir()).toBe(home.at('run/debugwand'));
  expect(statSync(runtimeDir()).mode & 0o777).toBe(0o700);
  expect(cacheDir()).toBe(home.at('cache/debugwand'));
  expect(logPath(home.at('project'))).toMatch(new RegExp(`^${home.at('state/debugwand')}/project-[0-9a-f]{16}\\.log$`));
  expect(statSync(home.at('state/debugwand')).isDirectory()).toBe(true);
});

test('one socket and lock a project, the same for each way to name its folder', () => {
  symlinkSync(home.at('project'), home.at('link'));
  expect(socketPath(home.at('link'))).toBe(socketPath(home.at('project')));
  expect(socketPath(`${home.at('project')}/`)).toBe(socketPath(home.at('project')));
  expect(socketPath(home.at('gone'))).not.toBe(socketPath(home.at('project')));
  expect(lockPath(home.at('project'))).toBe(socketPath(home.at('project')).replace(/sock$/, 'lock'));
});

test('without XDG_RUNTIME_DIR, or with a useless one: below the folder for temporary files', () => {
  const expected = home.at(`tmp/debugwand-${String(process.getuid?.())}`);
  for (const value of ['', 'relative', home.at('nowhere'), home.at('run/.keep')]) {
    vi.stubEnv('XDG_RUNTIME_DIR', value);
    expect(runtimeDir()).toBe(expected);
  }
});

test('a path that is too long for a socket is not taken', () => {
  const long = home.at('r'.repeat(100));
  mkdirSync(long);
  vi.stubEnv('XDG_RUNTIME_DIR', long);
  expect(Buffer.byteLength(socketPath('/p'))).toBeLessThanOrEqual(103);
  expect(dirname(socketPath('/p'))).toBe(home.at(`tmp/debugwand-${String(process.getuid?.())}`));
});

test('an open folder is closed; what is no folder is refused', () => {
  mkdirSync(home.at('run/debugwand'));
  chmodSync(home.at('run/debugwand'), 0o777);
  expect(statSync(runtimeDir()).mode & 0o777).toBe(0o700);
  vi.stubEnv('XDG_RUNTIME_DIR', '');
  const path = home.at(`tmp/debugwand-${String(process.getuid?.())}`);
  symlinkSync(home.at('project'), path);
  expect(() => runtimeDir()).toThrow(/cannot be used: it is not a folder/);
});

test('a file in the way', () => {
  writeFileSync(join(home.at('run'), 'debugwand'), '');
  expect(() => runtimeDir()).toThrow(/run\/debugwand, cannot be used/);
});
