import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DOCUMENT, documentOf, errorsOf, readSources } from '../../support/errors-table.ts';

it('a code has one section, with all that it may mean', async () => {
  const page = await documentOf([
    { code: 'a', message: 'm', fix: 'f' },
    { code: 'a', message: 'n', fix: '…' },
  ]);
  expect(page).toContain('## a\n\n- m\n\n  **Fix:** f\n\n- n\n\n  **Fix:** the error names it\n');
});

describe('errors are read from sources', () => {
  it.each<[string, string, object[]]>([
    [
      'as they are',
      "new DebugwandError({ code: 'a-b', message: 'm', fix: 'f' })",
      [{ code: 'a-b', message: 'm', fix: 'f' }],
    ],
    ['with parts', "f({ code: 'a', message: `x ${y} z`, fix: y })", [{ code: 'a', message: 'x … z', fix: '…' }]],
    [
      'with a choice',
      "f({ code: 'a', message: y ? 'b' : 'c', fix: { k: 'd' }[k] })",
      [{ code: 'a', message: 'b; or: c', fix: 'd' }],
    ],
    [
      'by a function',
      "const build = (code: string, fix: string) => new E({ code, message: 'm', fix });\nbuild('a', 'f');",
      [{ code: 'a', message: 'm', fix: 'f' }],
    ],
    ['not what is none', "f({ code: 'a', message: 'm' })", []],
  ])('%s', (_name, source, errors) => {
    expect(errorsOf([source])).toEqual(errors);
  });
});

it('the page has every code (node test/support/errors-table.ts writes it)', () => {
  const page = readFileSync(DOCUMENT, 'utf8');
  const sources = readSources();
  // Found in another way, too: whatever stands beside a fix.
  const near = sources.flatMap((text) => [...text.matchAll(/code: '([a-z-]+)',[^}]{0,400}\bfix[:,]/g)]);
  const codes = new Set([...errorsOf(sources).map(({ code }) => code), ...near.map(([, code]) => String(code))]);
  expect(codes.size).toBeGreaterThan(60);
  expect([...codes].filter((code) => !page.includes(`## ${code}\n`))).toEqual([]);
}, 60_000);
