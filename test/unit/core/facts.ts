// Owns made-up processes, replicas and configs for the tables of the core's tests.
import { TARGET_DEFAULTS } from '../../../src/core/target-defaults.ts';
import type { AgentErrorCode, EnterResult, Hello } from '../../../src/agent/protocol.ts';
import type { ProcessInfo, Replica, TargetConfig } from '../../../src/core/types.ts';

export const CONFIG: TargetConfig = {
  name: 'api',
  port: 5679,
  source: { kind: 'docker', container: 'api' },
  ...TARGET_DEFAULTS,
};

export const REPLICA: Replica = {
  id: 'c1',
  name: 'api',
  state: 'running',
  startedAt: 't1',
  scope: { kind: 'namespace' },
};

export const HELLO: Hello = { event: 'hello', python: '3.14.8', pid: 90, uid: 0, gid: 0, capabilities: '0' };

/** A Python 3.14 process; a worker unless the command line says otherwise. */
export function pythonProcess(pid: number, rest: Partial<ProcessInfo> = {}): ProcessInfo {
  return {
    pid,
    ppid: 0,
    startTime: pid * 100,
    execId: '1',
    ageMs: 30,
    cmdline: ['python', 'app.py'],
    exe: '/usr/bin/python3.14',
    cwd: '/app',
    uid: 0,
    state: 'S',
    threads: 1,
    cpuSeconds: 0.1,
    rssBytes: 1_000_000,
    environ: {},
    python: {
      version: '3.14.8',
      remoteDebug: 'on',
      freeThreaded: false,
      abi: 'cp314',
      libc: 'glibc',
      arch: 'x86_64',
    },
    ...rest,
  };
}

export const ENTERED: EnterResult = {
  port: 40001,
  python: '3.14.8',
  debugpy: '1.8.22',
  origin: 'ours',
  held: false,
  timings: { armed: 1, inside: 2, listening: 100 },
};

export function agentError(code: AgentErrorCode): { code: AgentErrorCode; message: string } {
  return { code, message: `it is ${code}` };
}
