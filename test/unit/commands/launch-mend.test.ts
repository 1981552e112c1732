import { expect, test } from 'vitest';
import { launchState } from '../../../src/commands/launch-mend.ts';
import { parseJsonc } from '../../../src/lib/jsonc.ts';

const TARGETS = [
  { name: 'a', port: 5679, mappings: [{ local: '/p/src', remote: '/app' }] },
  { name: 'b', port: 5680, mappings: [] },
];
const entry = (name: string, port: number, localRoot = '/p'): string =>
  JSON.stringify({ name, connect: { port }, pathMappings: [{ localRoot, remoteRoot: '/x' }] });
const file = (...entries: readonly string[]): string =>
  `// mine\n{ "configurations": [\n${entries.join(',\n')},\n], "compounds": [\n  { "name": "wand: all", "configurations": ["wand: a", "wand: b"] } ] }\n`;
const isFolder = (path: string): boolean => path === '/p';

type Case = readonly [what: string, before: string | null, faults: readonly (string | RegExp)[]];

test.each<Case>([
  ['no file', null, ['it has no "wand: a"', 'it has no "wand: b"', 'it has no "wand: all"']],
  ['all is right', file(entry('wand: a', 5679), entry('wand: b', 5680)), []],
  ['one is missing', file(entry('wand: b', 5680)), ['it has no "wand: a"']],
  ['one of another name has the port', file(entry('mine', 5679), entry('wand: b', 5680)), [/"wand: all"/]],
  [
    'the ports were swapped',
    file(entry('wand: a', 5680), entry('wand: b', 5679)),
    [/"wand: a" attaches to port 5680, the config has 5679/, /"wand: b" attaches to port 5679, the config has 5680/],
  ],
  [
    'a folder that is not there',
    file(entry('wand: a', 5679, '${workspaceFolder}/gone'), entry('wand: b', 5680)),
    [/"wand: a" maps the folder \$\{workspaceFolder\}\/gone, which is not there/],
  ],
  ['a variable of VS Code', file(entry('wand: a', 5679, '${env:HOME}/x'), entry('wand: b', 5680)), []],
])('%s', (_what, before, faults) => {
  const state = launchState(before, '/p', TARGETS, isFolder);
  if ('error' in state) throw new Error(state.error);
  expect(state.faults).toEqual(
    faults.map((fault) => (typeof fault === 'string' ? fault : (expect.stringMatching(fault) as unknown))),
  );
  if (before !== null) expect(state.text).toContain('// mine');
  if (faults.length === 0) expect(state.text).toBe(before);
  expect('value' in parseJsonc(state.text)).toBe(true);
  // What was mended needs no mending.
  const isThere = (path: string): boolean => path.startsWith('/p');
  expect(launchState(state.text, '/p', TARGETS, isThere)).toEqual({ faults: [], text: state.text });
});

test('what cannot be read stays', () => {
  expect(launchState('{ "configurations": [', '/p', TARGETS, isFolder)).toHaveProperty('error');
});
