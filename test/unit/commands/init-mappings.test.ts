import { expect, test } from 'vitest';
import { readDockerfile } from '../../../src/commands/init-dockerfile.ts';
import { mappingsOf } from '../../../src/commands/init-mappings.ts';

const SOURCES = ['main.py', 'app/main.py', 'src/shop/a.py', 'backend/app/main.py'].map((path) => ({ path, text: '' }));

type Case = readonly [
  what: string,
  dockerfile: string,
  mounts: readonly (readonly [string, string])[],
  mappings: readonly (readonly [string, string])[],
  explicit: boolean,
];

test.each<Case>([
  ['all of it', 'WORKDIR /app\nCOPY . .', [], [['.', '/app']], false],
  ['a folder into the working directory', 'WORKDIR /app\nCOPY src/ .', [], [['src', '/app']], true],
  ['a folder of the same name', 'WORKDIR /code\nCOPY ./app /code/app', [], [['.', '/code']], false],
  ['elsewhere', 'WORKDIR /\nCOPY --chown=1:1 ["backend", "/srv/x/"]', [], [['backend', '/srv/x']], true],
  ['files', 'WORKDIR /app\nCOPY main.py requirements.txt ./', [], [['.', '/app']], false],
  ['a part of what is there', 'WORKDIR /app\nCOPY . .\nCOPY app app', [], [['.', '/app']], false],
  ['nothing of Python', 'WORKDIR /app\nCOPY package.json static/ ./', [], [['.', '/app']], false],
  ['another stage', 'WORKDIR /app\nCOPY --from=build /x /y', [], [['.', '/app']], false],
  ['mounted over', 'WORKDIR /app\nCOPY src .', [['.', '/app']], [['.', '/app']], false],
  [
    'mounted beside',
    'WORKDIR /app\nCOPY src /app/src',
    [['backend', '/backend']],
    [
      ['.', '/app'],
      ['backend', '/backend'],
    ],
    false,
  ],
])('%s', (_what, dockerfile, mounts, mappings, explicit) => {
  const facts = readDockerfile(`FROM python:3.14\n${dockerfile}\n`);
  const at = (path: string): string => (path === '.' ? '/p' : `/p/${path}`);
  const mapped = mappingsOf({
    root: '/p',
    context: '/p',
    workingDir: facts?.workdir ?? null,
    mounts: mounts.map(([source, destination]) => ({ source: at(source), destination })),
    copies: facts?.copies ?? [],
    sources: SOURCES,
  });
  expect(mapped.mappings.map(({ local, remote }) => [local, remote])).toEqual(
    mappings.map(([local, remote]) => [at(local), remote]),
  );
  expect(mapped.explicit).toBe(explicit);
});
