import { describe, expect, test } from 'vitest';
import { hasFlag, optionNumber, optionValue, programOf, shortName } from '../../../../src/core/classify/command.ts';
import { processInfo, PYTHON } from '../../../support/process-info.ts';

describe('programOf', () => {
  test.each<[readonly string[], string, string, readonly string[]]>([
    [['python', 'main.py', '-m', 'x'], 'script', 'main.py', ['-m', 'x']],
    [['/usr/bin/python3.14', '/venv/bin/uvicorn', 'a:a'], 'script', 'uvicorn', ['a:a']],
    [['python', '/x/site-packages/uvicorn/__main__.py', 'a:a'], 'script', 'uvicorn', ['a:a']],
    [['python', '-m', 'shop.worker', '--fast'], 'module', 'shop.worker', ['--fast']],
    [['python', '-mshop', '--fast'], 'module', 'shop', ['--fast']],
    [['python', '-Im', 'shop'], 'module', 'shop', []],
    [['python', '-c', 'pass', 'x'], 'code', 'pass', ['x']],
    [['python', '-Ic', 'pass'], 'code', 'pass', []],
    [['python', '-X', 'dev', '-W', 'error', '-u', 'main.py'], 'script', 'main.py', []],
    [['python', '-Xdev', '-Werror::DeprecationWarning', 'main.py'], 'script', 'main.py', []],
    [['python', '--check-hash-based-pycs', 'never', 'main.py'], 'script', 'main.py', []],
    [['python', '-'], 'repl', 'stdin', []],
    [['python3'], 'repl', 'interactive', []],
    [['-python3'], 'repl', 'interactive', []],
    [['python', '-m', 'debugpy', '--listen', '5678', '--wait-for-client', 'main.py', 'x'], 'script', 'main.py', ['x']],
    [['python', '-m', 'debugpy', '--listen', '5678', '-m', 'uvicorn', 'a:a'], 'module', 'uvicorn', ['a:a']],
    [['python', '-m', 'coverage', 'run', '-p', '-m', 'pytest'], 'module', 'pytest', []],
    [['gunicorn: master [a:a]'], 'title', 'gunicorn: master [a:a]', []],
    [
      ['[celeryd: celery@h:MainProcess] -active- (worker)'],
      'title',
      '[celeryd: celery@h:MainProcess] -active- (worker)',
      [],
    ],
    [['[celery beat]'], 'title', '[celery beat]', []],
    [['uwsgi', '--http', ':80'], 'native', 'uwsgi', ['--http', ':80']],
    [[], 'native', '', []],
  ])('%j', (cmdline, kind, name, args) => {
    expect(programOf(processInfo(1, 0, cmdline, { python: PYTHON }))).toEqual({ kind, name, args });
  });

  test('a program that is no Python is known by its base name', () => {
    expect(programOf(processInfo(1, 0, '/bin/sh -c x'))).toEqual({ kind: 'native', name: 'sh', args: ['-c', 'x'] });
    expect(programOf(processInfo(1, 0, [], { exe: '/sbin/init', python: null })).name).toBe('init');
  });
});

test('shortName never is empty and never long', () => {
  expect(shortName({ kind: 'title', name: 'x'.repeat(80), args: [] })).toHaveLength(40);
  expect(shortName({ kind: 'native', name: '', args: [] })).toBe('unnamed');
  expect(shortName({ kind: 'code', name: 'import x', args: [] })).toBe('python -c');
});

test.each<[readonly string[], string | null]>([
  [['-w', '4'], '4'],
  [['-w4'], '4'],
  [['--workers', '4'], '4'],
  [['--workers=4'], '4'],
  [['--worker-class', 'x'], null],
  [['a:a'], null],
  [['-w'], ''],
])('optionValue of %j: %s', (args, value) => {
  expect(optionValue(args, '-w', '--workers')).toBe(value);
  expect(optionNumber(args, '-w', '--workers')).toBe(value === '4' ? 4 : null);
});

test('hasFlag', () => {
  expect(hasFlag(['--reload-dir', 'x'], '--reload')).toBe(false);
  expect(hasFlag(['--reload=true'], '--reload')).toBe(true);
});
