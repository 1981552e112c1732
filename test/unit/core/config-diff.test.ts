import { TARGET_DEFAULTS } from '../../../src/core/target-defaults.ts';
import { expect, test } from 'vitest';
import { diffConfigs } from '../../../src/core/config-diff.ts';
import type { ProjectConfig, TargetConfig } from '../../../src/core/types.ts';

const target: TargetConfig = {
  name: 'a',
  port: 1,
  source: { kind: 'docker', container: 'c' },
  ...TARGET_DEFAULTS,
};

function project(targets: readonly TargetConfig[], root = '/p'): ProjectConfig {
  return { file: null, root, page: true, targets };
}

const cases: readonly (readonly [what: string, change: Partial<TargetConfig>, fate: string])[] = [
  ['nothing', {}, 'untouched'],
  ['the same in another order', { source: { container: 'c', kind: 'docker' } }, 'untouched'],
  ['port', { port: 2 }, 'replaced'],
  ['source', { source: { kind: 'docker', container: 'd' } }, 'replaced'],
  ['host', { source: { kind: 'docker', container: 'c', host: 'h' } }, 'replaced'],
  ['command', { source: { kind: 'local', command: ['x'], cwd: '/' } }, 'replaced'],
  ['process', { process: { match: 'x' } }, 'updated'],
  ['path mappings', { pathMappings: [{ local: '/p', remote: '/app' }] }, 'updated'],
  ['notify', { notify: { ...TARGET_DEFAULTS.notify, blocked: false } }, 'updated'],
  ['holdAtStart', { holdAtStart: true }, 'updated'],
  ['forward', { forward: [{ localPort: 8000, remotePort: 'http' }] }, 'updated'],
];
test.each(cases)('%s', (_what, change, fate) => {
  const after = { ...target, ...change };
  const other = { ...target, name: 'other', port: 9 };
  const diff = diffConfigs(project([target, other]), project([other, after]));
  const fates = Object.entries<readonly TargetConfig[]>({ ...diff }).flatMap(([name, list]) =>
    list.map((entry) => [entry.name, name]),
  );
  expect(Object.fromEntries(fates)).toEqual({ a: fate, other: 'untouched' });
});

test('added, removed, renamed', () => {
  const b = { ...target, name: 'b' };
  const diff = diffConfigs(project([target]), project([b]));
  expect(diff).toEqual({ added: [b], removed: [target], replaced: [], updated: [], untouched: [] });
});

test('another root replaces all', () => {
  expect(diffConfigs(project([target]), project([target], '/q')).replaced).toEqual([target]);
});
