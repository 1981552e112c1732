import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ringWord, withHook } from '../../../src/targets/local-environment.ts';

it('puts the hook before what is there, and leaves the rest', () => {
  expect(withHook({ A: '1', PYTHONPATH: '/lib:' }, 'w', '/hook')).toEqual({
    A: '1',
    PYTHONPATH: '/hook:/lib:',
    DEBUGWAND_RING: 'w',
  });
});

it.each([{}, { PYTHONPATH: '' }])('an empty entry would be the working directory: %j', (before) => {
  expect(withHook(before, 'w', '/hook')['PYTHONPATH']).toBe('/hook');
});

it('a folder that PYTHONPATH cannot name is left out', () => {
  expect(withHook({ A: '1' }, 'w', '/a:b')).toEqual({ A: '1' });
});

it('the hook lies where it says, and no two words are the same', () => {
  const folder = withHook({}, 'w')['PYTHONPATH'] ?? '';
  expect(existsSync(join(folder, 'sitecustomize.py'))).toBe(true);
  expect(ringWord()).not.toBe(ringWord());
});
