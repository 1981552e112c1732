import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { commandLineOf, cwdOf, descendantsOf, exeOf, isAlive, startTimeOf } from '../../../src/targets/local-proc.ts';
import { interpretersInPath } from '../../../src/targets/local-interpreters.ts';
import { isOrphan, ownMark } from '../../../src/targets/owner.ts';

const GONE = 4_194_305;

describe('processes of this machine', () => {
  it('are told apart by their start', () => {
    expect(startTimeOf(process.pid)).toMatch(/^\d+$/);
    expect(isAlive(process.pid)).toBe(true);
    expect(cwdOf(process.pid)).toBe(process.cwd());
    expect(exeOf(process.pid)).toBe(process.execPath);
    expect(commandLineOf(process.pid)).not.toBe('');
  });

  it('that are gone are nothing', () => {
    expect([startTimeOf(GONE), isAlive(GONE), cwdOf(GONE), exeOf(GONE), commandLineOf(GONE)]).toEqual([
      null,
      false,
      null,
      null,
      '',
    ]);
  });

  it('may have brackets in their names', async () => {
    const child = spawn(process.execPath, ['-e', 'process.title = "a) b ("; console.log(1); process.stdin.resume()']);
    await once(child.stdout, 'data');
    expect(startTimeOf(child.pid ?? 0)).toMatch(/^\d+$/);
    expect(descendantsOf(process.pid)).toContain(child.pid);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isAlive(child.pid ?? 0)).toBe(false);
  });
});

describe('the owner of a helper', () => {
  const [machine = '', pid = '', start = ''] = ownMark().split(':');
  it.each([
    ['lives', `${machine}:${pid}:${start}`, false],
    ['is gone', `${machine}:${String(GONE)}:1`, true],
    ['is gone, and its pid another one’s', `${machine}:${pid}:1`, true],
    ['is of another machine', `other:${String(GONE)}:1`, false],
    ['is unreadable', 'junk', false],
    ['is unreadable too', `${machine}:x:1`, false],
    ['is nobody', '', false],
  ])('%s', (_name, mark, orphan) => {
    expect(isOrphan(mark)).toBe(orphan);
  });
});

describe('Pythons in PATH', () => {
  const there = new Set(['/a/python3', '/b/python3.14', '/b/python3.9', '/a/python', 'rel/python3']);
  it('are tried by version, then by place', () => {
    expect(interpretersInPath('/a:/b:rel:', (file) => there.has(file))).toEqual([
      '/b/python3.14',
      '/b/python3.9',
      '/a/python3',
      '/a/python',
    ]);
  });
});
