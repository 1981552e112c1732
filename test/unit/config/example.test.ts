import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfigFile } from '../../../src/config/load.ts';
import { settingPaths, WORKLOAD_KEYS } from '../../../src/config/shape.ts';
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
  expect(targets.map(({ name }) => name)).toEqual(['api', 'web', 'shop', 'local', 'other']);
});

test('the example shows every setting, and what it sets is the default', async () => {
  const shown = new Set(pathsOf(example));
  const text = await readFile(file, 'utf8');
  // The two forms of `process` at the top stand in its comment: it can have one value only.
  expect(text).toMatch(/'auto' takes .* \{ match \} or \{ pid \} override/);
  // Exactly one kind of workload can be set: the comment names the others.
  const others = WORKLOAD_KEYS.filter((key) => !shown.has(`targets.*.kubernetes.${key}`));
  expect(others.filter((key) => !text.includes(`\`${key}\``))).toEqual([]);
  const elsewhere = new Set(others.map((key) => `targets.*.kubernetes.${key}`));
  const missing = settingPaths().filter(
    (path) => !shown.has(path) && !path.startsWith('process.') && !elsewhere.has(path),
  );
  expect(missing).toEqual([]);
  expect(example).toMatchObject({
    process: 'auto',
    holdAtStart: false,
    terminateOnDisconnect: false,
    notify: { reattached: true, crashed: true, blocked: true, paused: true },
    lease: 60,
    page: true,
  });
  expect(example.whilePaused).toEqual({ probes: 'answer', readiness: 'answer' });
});

test('each setting has a comment above it, or above what holds it', async () => {
  const lines = (await readFile(file, 'utf8')).split('\n');
  const bare = lines.filter((line, index) => {
    if (!/^ {2}\w+: [^{[]*,$/.test(line)) return false; // settings for all targets
    return !/^\s*\/\//.test(lines[index - 1] ?? '');
  });
  expect(bare).toEqual([]);
});
