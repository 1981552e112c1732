import { describe, expect, test } from 'vitest';
import { commandLine, cpuPercent, processReport } from '../../../src/core/process-report.ts';
import { classified, processInfo } from '../../support/process-info.ts';

test('every field of a process is told', () => {
  const process = classified(processInfo(12, 10, 'python3.14 -m uvicorn a:a', { ageMs: 20_000, cpuSeconds: 1.5 }), {
    reason: 'spawned by the uvicorn reloader 10',
    chosen: true,
  });
  expect(processReport(process, 'api', 1_700_000_000_000)).toEqual({
    pid: 12,
    ppid: 10,
    replica: 'api',
    role: 'worker',
    reason: 'spawned by the uvicorn reloader 10',
    chosen: true,
    cpuPercent: 7.5,
    cpuSeconds: 1.5,
    rssBytes: 20 * 1024 * 1024,
    python: '3.14.8',
    command: 'python3.14 -m uvicorn a:a',
    startedAt: 1_699_999_980_000,
  });
});

test.each([
  [1.5, 20_000, 7.5],
  [0, 1000, 0],
  [3, 1000, 300], // three threads that release the lock
  [1, 3000, 33.3], // cut off, as ps does
  [2, 3000, 66.6],
  [1, 0, 0], // just started
])('%d CPU seconds in %d ms: %d %%', (cpuSeconds, ageMs, percent) => {
  expect(cpuPercent(cpuSeconds, ageMs)).toBe(percent);
});

describe('the command line', () => {
  test.each<[readonly string[], string]>([
    [['python', 'a b.py'], "python 'a b.py'"],
    [['python', '-c', "print('x')"], "python -c 'print('\\''x'\\'')'"],
    [['python', '-c', 'a\nb\tc\u001B[31m'], "python -c 'a\\nb�c�[31m'"],
    [['sh', ''], "sh ''"],
    [['gunicorn: master [app:app]'], 'gunicorn: master [app:app]'],
  ])('%j', (words, line) => {
    expect(commandLine(words)).toBe(line);
  });

  test('a process without one is known by its program', () => {
    expect(processReport(classified(processInfo(7, 1, [], { exe: '/sbin/init' })), 'x', 0).command).toBe(
      '[/sbin/init]',
    );
    expect(processReport(classified(processInfo(7, 1, [], { exe: null })), 'x', 0).command).toBe('[7]');
  });
});
