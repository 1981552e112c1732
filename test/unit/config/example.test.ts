import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfigFile } from '../../../src/config/load.ts';
import { settingPaths } from '../../../src/config/shape.ts';
import example from '../../../debugwand.config.example.ts';

const file = join(import.meta.dirname, '../../../debugwand.config.example.ts');
const never = new AbortController().signal;

/** `targets.*.docker.container`, … of a value. */
function pathsOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const name = Array.isArray(value) || path === 'targets' ? '*' : key;
    const below = path === '' ? name : `${path}.${name}`;
    return [below, ...pathsOf(inner, below)];
  });
}

test('the example is a valid config', async () => {
  const { targets } = await loadConfigFile(file, never);
  expect(targets.map(({ name }) => name)).toEqual(['api', 'web', 'local', 'other']);
});

test('the example shows every setting, and what it sets is the default', async () => {
  const shown = new Set(pathsOf(example));
  const text = await readFile(file, 'utf8');
  // The two forms of `process` at the top stand in its comment: it can have one value only.
  expect(text).toMatch(/'auto' takes .* \{ match \} or \{ pid \} override/);
  const missing = settingPaths().filter((path) => !shown.has(path) && !path.startsWith('process.'));
  expect(missing).toEqual([]);
  expect(example).toMatchObject({ process: 'auto', holdAtStart: false, terminateOnDisconnect: false, notify: true });
});

test('each setting has a comment above it, or above what holds it', async () => {
  const lines = (await readFile(file, 'utf8')).split('\n');
  const bare = lines.filter((line, index) => {
    if (!/^ {2}\w+: [^{[]*,$/.test(line)) return false; // settings for all targets
    return !/^\s*\/\//.test(lines[index - 1] ?? '');
  });
  expect(bare).toEqual([]);
});
