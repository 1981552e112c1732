import { expect, test } from 'vitest';
import { inferPathMappings } from '../../../src/core/path-mappings.ts';
import type { PathMapping, Replica } from '../../../src/core/types.ts';

type Mount = readonly [source: string, destination: string];
type Mapping = readonly [local: string, remote: string];

const cases: readonly (readonly [
  what: string,
  workingDir: string | undefined,
  mounts: readonly Mount[],
  expected: readonly Mapping[],
])[] = [
  ['an image with a copy', '/app', [], [['/home/me/shop', '/app']]],
  ['an image without a working directory', undefined, [], []],
  ['an image that works in /', '/', [], []],
  ['the project is mounted', '/app', [['/home/me/shop', '/app']], [['/home/me/shop', '/app']]],
  ['mounted elsewhere than it works', '/srv', [['/home/me/shop', '/code']], [['/home/me/shop', '/code']]],
  ['it works below the mount', '/code/web', [['/home/me/shop', '/code']], [['/home/me/shop', '/code']]],
  [
    'a folder of it is mounted over the copy',
    '/app',
    [['/home/me/shop/src', '/app/src']],
    [
      ['/home/me/shop/src', '/app/src'],
      ['/home/me/shop', '/app'],
    ],
  ],
  ['a folder above it is mounted', '/repo/shop', [['/home/me', '/repo']], [['/home/me/shop', '/repo/shop']]],
  ['all of this machine is mounted', '/', [['/', '/host']], [['/home/me/shop', '/host/home/me/shop']]],
  ['something else is mounted', '/app', [['/home/me/shop-data', '/data']], [['/home/me/shop', '/app']]],
  [
    'the deepest folder comes first',
    '/app',
    [
      ['/home/me/shop', '/app'],
      ['/home/me/shop/lib', '/app/vendor/lib'],
    ],
    [
      ['/home/me/shop/lib', '/app/vendor/lib'],
      ['/home/me/shop', '/app'],
    ],
  ],
  ['slashes at the end', '/app/', [['/home/me/shop/', '/app/']], [['/home/me/shop', '/app']]],
  ["Docker Desktop's names", '/app', [['/host_mnt/home/me/shop', '/app']], [['/home/me/shop', '/app']]],
];
test.each(cases)('%s', (_what, workingDir, mounts, expected) => {
  const replica: Replica = {
    id: 'x',
    name: 'x',
    state: 'running',
    startedAt: '',
    scope: { kind: 'namespace' },
    mounts: mounts.map(([source, destination]) => ({ source, destination })),
    ...(workingDir === undefined ? {} : { workingDir }),
  };
  const mappings: PathMapping[] = expected.map(([local, remote]) => ({ local, remote }));
  expect(inferPathMappings('/home/me/shop', replica, 'docker')).toEqual(mappings);
  expect(inferPathMappings('/home/me/shop/', replica, 'docker')).toEqual(mappings);
  expect(inferPathMappings('/home/me/shop', replica, 'local')).toEqual([]);
});
