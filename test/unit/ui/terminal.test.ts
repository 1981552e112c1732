import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StatusReport, TargetReport } from '../../../src/core/status.ts';
import type { Style } from '../../../src/ui/style.ts';
import { statusLines } from '../../../src/ui/terminal.ts';
import { cut, pad, widthOf, wrap } from '../../../src/ui/width.ts';
import { attached, report, waiting, worker } from '../../support/reports.ts';

const NOW = 1_000_000;
const shown = (status: StatusReport, style: Style): string[] => statusLines(status, style, NOW);
const wide = { color: false, unicode: true, width: 140 };

test('one line a target, names and phases below each other', () => {
  const blocked: TargetReport = {
    ...waiting,
    name: 'worker',
    port: 5680,
    phase: 'blocked',
    message: 'Python 3.11 is too old',
    editor: { connected: false, client: null },
    reattach: { count: 0, last: null, history: [] },
    error: { code: 'too-old', message: 'Python 3.11 is too old', fix: 'use an image with 3.14' },
  };
  const stopped: TargetReport = {
    ...attached,
    name: 'web',
    phase: 'stopped',
    message: 'stopped at app.py:12',
    stoppedAt: 'app.py:12',
  };
  expect(shown(report([attached, stopped, waiting, blocked]), wide)).toEqual([
    '● api     attached  worker 43: spawned by the uvicorn reloader 17  back in 0.14 s  cpu 1.2 %  64 MB  :5679  VS Code',
    '◆ web     stopped   stopped at app.py:12  back in 0.14 s  cpu 1.2 %  64 MB  :5679  VS Code',
    '○ api     waiting   worker 43 ended, waiting for the next one  back in 0.14 s  :5679  VS Code',
    '✗ worker  blocked   Python 3.11 is too old  :5680  no editor',
    '  fix: use an image with 3.14',
  ]);
});

test.each([
  [NOW + 20_500, 'stopped at app.py:12, 21 s left'],
  [NOW - 1, 'stopped at app.py:12, paused for too long'],
  [null, 'stopped at app.py:12'],
])('a pause that may last until %s is counted down', (until, said) => {
  const message = 'stopped at app.py:12';
  const pause = { since: NOW - 500, until, limits: ['liveness probe by exec'] };
  const stopped: TargetReport = { ...attached, phase: 'stopped', message, stoppedAt: 'app.py:12', pause };
  expect(shown(report([stopped]), wide)[0]).toBe(
    `◆ api  stopped   ${said}  back in 0.14 s  cpu 1.2 %  64 MB  :5679  VS Code`,
  );
});

test('the ports that lead to the app, and what is wrong with one', () => {
  const ready = { localPort: 8000, remotePort: 'http', state: 'ready', message: 'to api', connections: 3 } as const;
  const forwards = [ready, { ...ready, localPort: 9000, state: 'blocked' } as const];
  expect(shown(report([{ ...attached, forwards }]), wide)[0]).toBe(
    '● api  attached  worker 43: spawned by the uvicorn reloader 17  back in 0.14 s  cpu 1.2 %  64 MB  app on 8000, 9000 blocked  :5679  VS Code',
  );
});

test('what does not fit goes, what matters least first', () => {
  const at = (width: number): string => shown(report([attached]), { ...wide, width })[0] ?? '';
  expect(at(80)).toBe('● api  attached  worker 43: spawned by t…  back in 0.14 s  64 MB  :5679  VS Code');
  expect(at(60)).toBe('● api  attached  worker 43: spawned by the …  :5679  VS Code');
  expect(at(45)).toBe('● api  attached  worker 43: spawned b…  :5679');
  expect(at(10)).toBe('● api  attached  wo…'.slice(0, 20));
});

test('ASCII and colours', () => {
  const [ascii] = shown(report([attached]), { color: false, unicode: false, width: 60 });
  expect(ascii).toBe('* api  attached  worker 43: spawned by the ~  :5679  VS Code');
  const colored = shown(report([attached, waiting]), { ...wide, color: true });
  expect(colored[0]).toContain('\u001B[32m●\u001B[0m');
  expect(colored.map(stripVTControlCharacters)).toEqual(shown(report([attached, waiting]), wide));
});

test('a bad config is told below, in full', () => {
  const message = '/p/x has 2 problems:\n  targets.a: one\n  targets.b: two';
  const lines = shown(report([], { configError: { code: 'config-invalid', message, fix: 'mend it' } }), wide);
  expect(lines).toEqual([
    'no targets',
    'the config on disk is not used: the last good one stays',
    '  /p/x has 2 problems:',
    '    targets.a: one',
    '    targets.b: two',
    '  fix: mend it',
  ]);
});

test('no line is ever wider than the terminal, whatever the texts are', () => {
  const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.lorem());
  fc.assert(
    fc.property(
      text,
      text,
      text,
      fc.integer({ min: 1, max: 150 }),
      fc.boolean(),
      (message, fix, client, width, color) => {
        const target: TargetReport = {
          ...attached,
          name: `n${client}`,
          phase: 'blocked',
          message,
          worker: { ...worker, rssBytes: 1e12, cpuPercent: 1234.5 },
          editor: { connected: true, client },
          error: { code: 'x', message, fix },
        };
        for (const line of shown(report([target]), { color, unicode: true, width })) {
          const plain = stripVTControlCharacters(line);
          expect(widthOf(plain)).toBeLessThanOrEqual(Math.max(20, width));
          expect(plain).not.toMatch(/\p{Cc}/u);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('a command line cannot drive the terminal', () => {
  const evil: TargetReport = { ...attached, message: 'x\u001B]0;title\u0007\u001B[2Jy\nz' };
  const [line] = shown(report([evil]), wide);
  expect(line).toContain('x␛]0;title␇␛[2Jy␊z');
});

describe('width', () => {
  test.each([
    ['abc', 3],
    ['日本', 4],
    ['é', 1],
    ['e\u0301', 1],
    ['👩‍👩‍👧', 2],
    ['한', 2],
    ['…●', 2],
    ['\u200B', 0],
    ['', 0],
  ])('of %j: %i', (text, width) => {
    expect(widthOf(text)).toBe(width);
  });

  test('cut and pad count columns', () => {
    expect(cut('日本語', 5, '…')).toBe('日本…');
    expect(cut('日本語', 4, '…')).toBe('日…');
    expect(cut('abc', 3, '…')).toBe('abc');
    expect(cut('abc', 1, '…')).toBe('');
    expect(pad('日', 4)).toBe('日  ');
  });

  test('wrap breaks at spaces, and words that are longer than a line', () => {
    expect(wrap('one two three', 8, '  ')).toEqual(['one two', '  three']);
    expect(wrap('a abcdefghij', 5, ' ')).toEqual(['a', ' abcd', ' efgh', ' ij']);
    expect(wrap('', 5, ' ')).toEqual(['']);
  });
});
