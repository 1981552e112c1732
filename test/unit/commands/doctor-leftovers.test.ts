import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { endProcess } from '../../../src/commands/doctor-leftovers.ts';
import { processStartTime } from '../../../src/daemon/lock.ts';

it('ends the process that was looked at, and none that has its pid by now', async () => {
  const { signal } = new AbortController();
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const pid = child.pid ?? 0;
  const startTime = (await processStartTime(pid)) ?? '';
  await endProcess({ pid, startTime: 'of another one' }, signal);
  expect(await processStartTime(pid)).toBe(startTime);
  await endProcess({ pid, startTime }, signal);
  expect(await exited).toEqual([null, 'SIGTERM']);
});
