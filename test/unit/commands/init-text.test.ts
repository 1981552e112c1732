import { describe, expect, test } from 'vitest';
import { launchText } from '../../../src/commands/init-text.ts';
import { parseJsonc } from '../../../src/lib/jsonc.ts';

const TARGETS = [
  { name: 'api', port: 5679, mappings: [{ local: '/p', remote: '/app' }] },
  { name: 'web', port: 5680, mappings: [] },
];

function merged(text: string | null): string {
  const change = launchText(text, '/p', TARGETS);
  if ('error' in change) throw new Error(change.error);
  const parsed = parseJsonc(change.text);
  if ('error' in parsed) throw new Error(parsed.error.message);
  return change.text;
}

describe('launch.json', () => {
  const before: readonly (readonly [what: string, text: string | null, kept: readonly string[]])[] = [
    ['none', null, []],
    ['empty', '', []],
    ['no configurations', '{\n\t// mine\n\t"version": "0.2.0"\n}', ['// mine']],
    ['an empty list', '{ "configurations": [] }', []],
    ['a comment in an empty list', '{ "configurations": [\n  // here\n] }', ['// here']],
    [
      'comments and trailing commas',
      '{\n  // a comment\n  "version": "0.2.0",\n  "configurations": [\n    {\n      "name": "tests", // why\n      "type": "node",\n    },\n    // the end\n  ],\n  /* compound */ "compounds": [],\n}\n',
      ['// a comment', '// why', '// the end', '/* compound */', '"name": "tests"'],
    ],
    ['Windows line ends', '{\r\n  "configurations": [\r\n    { "name": "x" }\r\n  ]\r\n}\r\n', ['"name": "x"']],
    ['a byte order mark', '\uFEFF{ "configurations": [] }', []],
  ];
  test.each(before)('%s', (_what, text, kept) => {
    const after = merged(text);
    for (const part of kept) expect(after).toContain(part);
    const value = parseJsonc(after);
    const old = text === null || text === '' ? null : parseJsonc(text);
    const count = (parsed: unknown): number => JSON.stringify(parsed).split('"name"').length - 1;
    expect(count(value)).toBe((old === null ? 0 : count(old)) + 3);
    expect(launchText(after, '/p', TARGETS)).toEqual({ text: after, added: [], present: ['wand: api', 'wand: web'] });
    if (text?.includes('\r\n') === true) expect(after.replaceAll('\r\n', '')).not.toContain('\n');
  });

  const compound = (text: string): unknown => {
    const parsed = parseJsonc(text);
    return 'value' in parsed && typeof parsed.value === 'object' ? Reflect.get(parsed.value ?? {}, 'compounds') : null;
  };
  const all = (...configurations: readonly string[]): object => ({ name: 'wand: all', configurations, stopAll: false });

  test('several targets get a compound, whose sessions end one by one', () => {
    expect(compound(merged(null))).toEqual([all('wand: api', 'wand: web')]);
    expect(compound(merged('{ "compounds": [{ "name": "x" }] }'))).toEqual([
      { name: 'x' },
      all('wand: api', 'wand: web'),
    ]);
  });

  test('one target needs none', () => {
    const change = launchText(null, '/p', TARGETS.slice(0, 1));
    expect('text' in change ? compound(change.text) : change).toBeUndefined();
  });

  test('a target that is new joins the compound that is there', () => {
    const before = merged(null);
    const change = launchText(before, '/p', [...TARGETS, { name: 'new', port: 5681, mappings: [] }]);
    if ('error' in change) throw new Error(change.error);
    expect(change.added).toEqual(['wand: new', 'wand: all']);
    expect(compound(change.text)).toEqual([all('wand: api', 'wand: web', 'wand: new')]);
  });

  test('an entry that attaches to the port already is enough, whatever its name', () => {
    const text =
      '{ "configurations": [{ "name": "mine", "connect": { "port": 5679 } }, { "name": "old", "port": 5680 }] }';
    expect(launchText(text, '/p', TARGETS)).toEqual({ text, added: [], present: ['mine', 'old'] });
  });

  test.each([
    ['{ "configurations": [', 'line 1, column 22: '],
    ['[]', 'it does not hold an object'],
    ['{ "configurations": 1 }', '`configurations` is not a list'],
    ['{ "compounds": {} }', '`compounds` is not a list'],
  ])('a broken file is told and left alone: %s', (text, says) => {
    const change = launchText(text, '/p', TARGETS);
    expect('error' in change ? change.error : '').toContain(says);
  });
});
