import { describe, expect, it } from 'vitest';
import { interpreterCandidates } from '../../../src/targets/docker-interpreters.ts';
import { isPythonName } from '../../../src/targets/python-names.ts';

const DETAILS = { env: ['PATH=/usr/local/bin:/usr/bin'], path: 'uvicorn', workingDir: '/app' };

describe('where the Python of a container may be', () => {
  it.each([
    ['what runs', DETAILS, ['/opt/py/bin/python3.14 /usr/bin/uvicorn app:app'], '/opt/py/bin/python3.14'],
    ['what runs below a wrapper', DETAILS, ['tini -- uvicorn', '/v/bin/python -m app'], '/v/bin/python'],
    ['the entrypoint', { ...DETAILS, path: '/usr/bin/python3.14' }, [], '/usr/bin/python3.14'],
    ['a name in PATH', DETAILS, ['/bin/sh -c x'], 'python3'],
    ['a name in PATH, where it is the default one', { ...DETAILS, env: [] }, [], 'python3'],
  ])('%s first', (_name, details, lines, first) => {
    expect(interpreterCandidates(details, lines)[0]).toBe(first);
  });

  it('says each once, and the first process last', () => {
    const details = { ...DETAILS, env: [...DETAILS.env, 'VIRTUAL_ENV=/venv'] };
    const all = interpreterCandidates(details, ['/venv/bin/python x', '/venv/bin/python y']);
    expect(new Set(all).size).toBe(all.length);
    expect(all.at(-1)).toBe('/proc/1/exe');
    expect(all).toContain('/app/.venv/bin/python');
  });

  it('takes no script and no tool for a Python', () => {
    const lines = ['/usr/bin/python-config', '/usr/bin/pythonw x', './python3 x', '/x/python3.14-dbg'];
    expect(interpreterCandidates(DETAILS, lines)[0]).toBe('python3');
  });
});

it.each([
  ['python3', true],
  ['/venv/bin/python', true],
  ['/usr/bin/python3.14t', true],
  ['cat', false],
  ['/proc/1/exe', false],
  ['', false],
])('%j is a Python by its name: %s', (program, expected) => {
  expect(isPythonName(program)).toBe(expected);
});
