import { expect, test } from 'vitest';
import type { TargetReport } from '../../../src/core/status.ts';
import { placeLines } from '../../../src/ui/places.ts';
import { attached } from '../../support/reports.ts';

const style = { color: false, unicode: true, width: 100 };
const cluster = {
  context: 'kind-dev',
  namespace: 'shop',
  server: 'https://127.0.0.1:6443',
  guard: { allowed: true, reason: 'local: a context of kind' },
};
const replica = (name: string, note: string, followed = false): TargetReport['replicas'][number] => ({
  name,
  note,
  followed,
  state: 'running',
});

test('a container of Docker: its own line says it all', () => {
  expect(placeLines({ ...attached, replicas: [replica('api', '', true)] }, style)).toEqual([]);
});

const NONE = { count: 0, last: null };

test('workers of several replicas', () => {
  const row = (slot: number, pid: number | null, at: string) => {
    const nothing = { generation: 1, phase: null, session: true, stoppedAt: null, reattach: NONE } as const;
    return { ...nothing, slot, pid, replica: at, message: 'attached' };
  };
  const workers = [row(0, 1, 'web-1/app'), row(1, 1, 'web-2/app'), row(2, null, '')];
  expect(placeLines({ ...attached, workers }, style)).toEqual([
    '  ▶ worker 1 in web-1/app: attached',
    '  ▶ worker 1 in web-2/app: attached',
    '  ▶ a worker to come: attached',
  ]);
});

test('workers, where there are several', () => {
  const row = (slot: number | null, pid: number | null, message: string, session = true) =>
    ({
      slot,
      pid,
      replica: 'api',
      generation: 1,
      phase: null,
      session,
      stoppedAt: null,
      reattach: NONE,
      message,
    }) as const;
  expect(placeLines({ ...attached, workers: [row(0, 43, 'spawned')] }, style)).toEqual([]);
  const workers = [
    row(0, 43, 'attached'),
    row(1, 44, 'stopped at app.py:12'),
    row(2, null, 'waits for a worker'),
    row(3, 45, 'attached', false),
    row(null, 46, 'runs without the debugger', false),
  ];
  expect(placeLines({ ...attached, workers }, style)).toEqual([
    '  ▶ worker 43: attached',
    '  ▶ worker 44: stopped at app.py:12',
    '  ▶ a worker to come: waits for a worker',
    '  ▶ worker 45: attached, no editor',
    '    worker 46: runs without the debugger',
  ]);
});

test('pods: the followed one first, whatever their order', () => {
  const replicas = [replica('web-b/app', 'ready, revision 2'), replica('web-aa/app', 'ready, old revision 1', true)];
  expect(placeLines({ ...attached, kind: 'kubernetes', cluster, replicas }, style)).toEqual([
    '  context kind-dev, namespace shop (local: a context of kind)',
    '  ▶ web-aa/app  ready, old revision 1',
    '    web-b/app   ready, revision 2',
  ]);
});

test('many pods are counted, long notes cut, control characters shown, ASCII', () => {
  const replicas = [
    replica('web-0/app', `CrashLoopBackOff: \u001B[2J${'x'.repeat(200)}`, true),
    ...Array.from({ length: 20 }, (_, index) => replica(`web-${String(index + 1)}/app`, '')),
  ];
  const lines = placeLines({ ...attached, replicas }, { ...style, unicode: false, width: 60 });
  expect(lines).toHaveLength(13);
  expect(lines[0]).toBe(`  > web-0/app   CrashLoopBackOff: \u241B[2J${'x'.repeat(60)}`.slice(0, 59) + '~');
  expect(lines.at(-1)).toBe('    and 9 more');
});

test('a cluster that may not be entered, and ports that are kept reachable', () => {
  const refused = { ...cluster, guard: { allowed: false, reason: 'it does not look local' } };
  const forwards: TargetReport['forwards'] = [
    { localPort: 8000, remotePort: 'http', state: 'ready', message: '', connections: 2 },
    { localPort: 9000, remotePort: 9000, state: 'blocked', message: 'the port is taken', connections: 0 },
  ];
  expect(placeLines({ ...attached, cluster: refused, replicas: [], forwards }, style)).toEqual([
    '  context kind-dev, namespace shop (not allowed: it does not look local)',
    '  127.0.0.1:8000 is http there, ready, 2 connections',
    '  127.0.0.1:9000 is 9000 there, blocked: the port is taken',
  ]);
});
