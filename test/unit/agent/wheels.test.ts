import { describe, expect, test } from 'vitest';
import { cacheTag, chooseWheel, DEBUGPY_VERSION, needed, WHEELS } from '../../../src/agent/wheels.ts';

const python = { abi: 'cp314', libc: 'glibc', arch: 'x86_64', freeThreaded: false };

describe('the wheel for a worker', () => {
  test.each([
    ['3.14 of Debian', {}, 'cp314-glibc-x86_64'],
    ['3.15 of Debian', { abi: 'cp315' }, 'cp315-glibc-x86_64'],
    ['a version that nobody has compiled for', { abi: 'cp316' }, 'pure'],
    ['Alpine', { libc: 'musl' }, 'pure'],
    ['a Mac with Docker', { arch: 'aarch64' }, 'pure'],
    ['a build without the GIL', { abi: 'cp314t', freeThreaded: true }, 'pure'],
    ['a build without the GIL whose name does not say so', { freeThreaded: true }, 'pure'],
    ['nothing known', { abi: '', libc: '', arch: '' }, 'pure'],
  ])('%s', (_case, facts, name) => {
    expect(chooseWheel({ ...python, ...facts }).name).toBe(name);
  });

  test('every wheel is pinned by version and hash, and has a file of its own', () => {
    for (const wheel of WHEELS) {
      expect(wheel.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(wheel.file).toContain(`debugpy-${DEBUGPY_VERSION}-`);
    }
    expect(new Set(WHEELS.map(({ file }) => file)).size).toBe(WHEELS.length);
    expect(new Set(WHEELS.map(({ sha256 }) => sha256)).size).toBe(WHEELS.length);
  });
});

test.each([
  ['3.14.8', 'cpython-314'],
  ['3.15', 'cpython-315'],
  ['3', null],
  ['', null],
])('byte code of Python %s', (version, tag) => {
  expect(cacheTag(version)).toBe(tag);
});

describe('what of a wheel goes to the target', () => {
  const PYDEVD = 'debugpy/_vendored/pydevd';
  test.each([
    'debugpy/__init__.py',
    'debugpy/_version.py',
    'debugpy/adapter/__init__.py',
    'debugpy/server/api.py',
    'debugpy/common/json.py',
    `${PYDEVD}/pydevd.py`,
    `${PYDEVD}/_pydev_runfiles/__init__.py`,
    `${PYDEVD}/pydevd_attach_to_process/attach_linux_amd64.so`,
    `${PYDEVD}/_pydevd_bundle/pydevd_additional_thread_info_regular.py`,
    `${PYDEVD}/_pydevd_bundle/pydevd_cython.cpython-314-x86_64-linux-gnu.so`,
    `debugpy-${DEBUGPY_VERSION}.dist-info/licenses/LICENSE`,
  ])('%s does', (path) => {
    expect(needed(path)).toBe(true);
  });

  test.each([
    'debugpy/__main__.py',
    'debugpy/adapter/clients.py',
    'debugpy/launcher/__init__.py',
    'debugpy/common/messaging.py',
    `${PYDEVD}/_pydevd_bundle/pydevd_cython.c`,
    `${PYDEVD}/_pydevd_bundle/pydevd_cython.cp39-win_amd64.pyd`,
    `${PYDEVD}/_pydevd_frame_eval/vendored/bytecode/tests/test_cfg.py`,
    `${PYDEVD}/pydevd_attach_to_process/attach_script.py`,
    `${PYDEVD}/_pydev_runfiles/pydev_runfiles.py`,
    `debugpy-${DEBUGPY_VERSION}.dist-info/RECORD`,
  ])('%s does not', (path) => {
    expect(needed(path)).toBe(false);
  });
});
