/** Makes processes for tests of pure code: a recorded tree, or one line for each process. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClassifiedProcess, ProcessInfo, PythonInfo } from '../../src/core/types.ts';

export const PYTHON: PythonInfo = {
  version: '3.14.8',
  remoteDebug: 'on',
  freeThreaded: false,
  abi: 'cp314',
  libc: 'glibc',
  arch: 'x86_64',
};

/** A Python process, unless the first word of the command says otherwise; started `pid` ticks after boot, an hour ago. */
export function processInfo(
  pid: number,
  ppid: number,
  command: string | readonly string[],
  more: Partial<ProcessInfo> = {},
): ProcessInfo {
  const cmdline = typeof command === 'string' ? command.split(' ') : command;
  const program = cmdline[0] ?? '';
  const isPython = /(^|\/)python/.test(program) || /^(gunicorn: |\[)/.test(program);
  return {
    pid,
    ppid,
    startTime: 1000 + pid,
    execId: String(5000 + pid),
    ageMs: 3_600_000 - pid * 10,
    cmdline,
    exe: isPython ? '/usr/bin/python3.14' : program,
    cwd: '/app',
    uid: 1000,
    state: 'S',
    threads: 1,
    cpuSeconds: 1,
    rssBytes: 20 * 1024 * 1024,
    environ: {},
    python: isPython ? PYTHON : null,
    ...more,
  };
}

/** The same, as if classified. */
export function classified(process: ProcessInfo, more: Partial<ClassifiedProcess> = {}): ClassifiedProcess {
  return { ...process, role: 'worker', reason: '', chosen: false, ...more };
}

/** A fixture of record-trees.ts. */
export function recordedTree(name: string): { processes: ProcessInfo[]; served: number | null } {
  return JSON.parse(readFileSync(join(import.meta.dirname, `../fixtures/trees/${name}.json`), 'utf8')) as ReturnType<
    typeof recordedTree
  >;
}
