import { describe, expect, test } from 'vitest';
import { reattachReason, type Exit, type FollowedWorker } from '../../../src/core/exit-reason.ts';
import { classify } from '../../../src/core/classify.ts';
import type { ProcessInfo, Replica } from '../../../src/core/types.ts';
import { processInfo } from '../../support/process-info.ts';

const SPAWN = ['python3.14', '-c', 'from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5)'];
const reloader = processInfo(10, 1, 'python3.14 -m uvicorn a:a --reload');
const first = processInfo(12, 10, SPAWN);
const second = processInfo(13, 10, SPAWN);
const replica: Replica = { id: 'c1', name: 'api', state: 'running', startedAt: 't1', scope: { kind: 'namespace' } };

function followed(worker: ProcessInfo, processes: ProcessInfo[], where: Partial<Replica> = {}): FollowedWorker {
  return { worker, classification: classify(processes, 'auto'), replica: { ...replica, ...where } };
}

const before = followed(first, [reloader, first]);
const reloaded = followed(second, [reloader, second]);

function exit(signal: number | null): Exit[] {
  return [{ pid: first.pid, startTime: first.startTime, signal }];
}

describe('reattachReason', () => {
  const otherReloader = { ...reloader, startTime: 90_000 };
  test.each<[string, FollowedWorker, FollowedWorker, Exit[], string]>([
    ['the supervisor lives and has a new worker', before, reloaded, [], 'reload'],
    ['… which ended the old one by SIGTERM', before, reloaded, exit(15), 'reload'],
    ['… or the old one exited by itself', before, reloaded, exit(0), 'reload'],
    ['… or nobody could tell', before, reloaded, exit(null), 'reload'],
    ['the worker died of SIGSEGV', before, reloaded, exit(11), 'crash'],
    ['… of SIGKILL', before, reloaded, exit(9), 'crash'],
    ['… of SIGABRT', before, reloaded, exit(6), 'crash'],
    ['another process died of SIGSEGV', before, reloaded, [{ pid: 99, startTime: 1, signal: 11 }], 'reload'],
    [
      'the same pid in an earlier life died of SIGSEGV',
      before,
      reloaded,
      [{ pid: 12, startTime: 1, signal: 11 }],
      'reload',
    ],
    ['the same process runs another program', before, followed(first, [reloader, first]), [], 'reload'],
    ['the whole program was started again', before, followed(second, [otherReloader, second]), [], 'restart'],
    ['a plain script was started again', followed(first, [first]), followed(second, [second]), [], 'restart'],
    [
      'the container was started again',
      before,
      followed(second, [reloader, second], { startedAt: 't2' }),
      exit(9),
      'restart',
    ],
    [
      'the container is another one',
      before,
      followed(second, [reloader, second], { id: 'c2', startedAt: 't2' }),
      exit(9),
      'rollout',
    ],
  ])('%s', (_name, was, now, exits, reason) => {
    expect(reattachReason(was, now, exits)).toBe(reason);
  });

  test('below watchmedo the celery main process is replaced, too: watchmedo lives', () => {
    const watchmedo = processInfo(5, 1, 'python3.14 /bin/watchmedo auto-restart -- celery');
    const tree = (main: number): FollowedWorker => {
      const celery = processInfo(main, 5, 'python3.14 -m celery worker');
      const child = processInfo(main + 1, main, celery.cmdline, { execId: celery.execId });
      return followed(child, [watchmedo, celery, child]);
    };
    expect(reattachReason(tree(10), tree(20))).toBe('reload');
  });
});
