// Owns status reports for tests: a target that is attached, changed as a test needs it.
import type { StatusReport, TargetReport, WorkerReport } from '../../src/core/status.ts';

export const worker: WorkerReport = {
  pid: 43,
  replica: 'api',
  generation: 2,
  command: 'python app.py',
  python: '3.14.8',
  cpuPercent: 1.2,
  rssBytes: 64 * 1024 * 1024,
  role: 'worker',
  reason: 'spawned by the uvicorn reloader 17',
};

export const attached: TargetReport = {
  name: 'api',
  kind: 'docker',
  port: 5679,
  phase: 'attached',
  ready: true,
  message: 'worker 43: spawned by the uvicorn reloader 17',
  worker,
  workers: [],
  workersLeftOut: 0,
  processes: [
    {
      pid: 17,
      ppid: 1,
      replica: 'api',
      role: 'supervisor',
      reason: 'starts workers',
      chosen: false,
      cpuPercent: 0,
      rssBytes: 1,
      cpuSeconds: 0,
      python: '3.14',
      command: 'uvicorn',
      startedAt: 0,
    },
  ],
  processesAt: 0,
  entry: { rung: 'exec', skipped: [] },
  editor: { connected: true, client: 'VS Code' },
  stoppedAt: null,
  reattach: { count: 1, last: { at: 0, ms: 140, seenMs: 90, reason: 'reload' }, history: [] },
  lastEnd: null,
  error: null,
  replicas: [],
  cluster: null,
  forwards: [],
  pause: null,
  pauseBudget: null,
};

export const waiting: TargetReport = {
  ...attached,
  phase: 'waiting',
  message: 'worker 43 ended, waiting for the next one',
  worker: null,
  entry: null,
};

export function report(targets: readonly TargetReport[], daemon: Partial<StatusReport['daemon']> = {}): StatusReport {
  return {
    version: 1,
    daemon: { pid: 1, startedAt: 0, config: '/p/x', configError: null, page: null, ...daemon },
    targets,
    hints: [],
  };
}
