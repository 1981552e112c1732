import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lockHolder, processStartTime, takeLock } from '../../../src/daemon/lock.ts';
import { folder } from '../../support/folder.ts';

const TAKE = join(import.meta.dirname, '../../fixtures/lock/take.ts');

test('is taken once, names its holder, and is given back', async () => {
  await using place = await folder({});
  const path = place.at('x.lock');
  const release = await takeLock(path, '/project');
  expect(await lockHolder(path)).toEqual({ pid: process.pid, startTime: await processStartTime(process.pid) });
  await expect(takeLock(path, '/project')).rejects.toMatchObject({ code: 'already-running' });
  release();
  expect(readdirSync(place.path)).toEqual([]);
});

test.each([
  ['of a process that ended', '{"pid":999999999,"startTime":"1"}'],
  ['of a pid that is somebody else by now', `{"pid":${String(process.pid)},"startTime":"1"}`],
  ['that is empty', ''],
  ['that is junk', '{"pid":"x"'],
])('a lock %s is taken over', async (_what, text) => {
  await using place = await folder({ 'x.lock': text });
  const release = await takeLock(place.at('x.lock'), '/project');
  release();
  expect(existsSync(place.at('x.lock'))).toBe(false);
});

test('of many that start over a stale lock exactly one wins', async () => {
  await using place = await folder({});
  const path = place.at('x.lock');
  writeFileSync(path, '{"pid":999999999,"startTime":"1"}');
  const starters = Array.from({ length: 8 }, () =>
    spawn(process.execPath, [TAKE, path], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  const said = await Promise.all(
    starters.map(async ({ stdout }) => String(((await once(stdout, 'data')) as [Buffer])[0])),
  );
  expect(said.filter((text) => text === 'taken\n')).toHaveLength(1);
  expect(said.filter((text) => text.includes('already running'))).toHaveLength(7);
  for (const { stdin } of starters) stdin.end();
  await Promise.all(starters.filter(({ exitCode }) => exitCode === null).map((starter) => once(starter, 'exit')));
  expect(readdirSync(place.path)).toEqual([]);
}, 30_000);
