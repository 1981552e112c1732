import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { formatLogLine, readLogLine } from '../../../src/lib/log-line.ts';
import { createLog } from '../../../src/lib/log.ts';
import { folder } from '../../support/folder.ts';

test('lines of the file, whole at once, and the same to who listens', async () => {
  await using project = await folder();
  const log = createLog(project.at('x.log'));
  const heard: string[] = [];
  const stop = log.listen(({ level, text }) => heard.push(`${level} ${text}`));
  log.debug('one');
  log.error('two\nlines');
  stop();
  log.info('three');
  const lines = (await readFile(project.at('x.log'), 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => readLogLine(line))).toMatchObject([
    { level: 'debug', text: 'one' },
    { level: 'error', text: 'two\nlines' },
    { level: 'info', text: 'three' },
  ]);
  expect(Math.abs((readLogLine(lines[0] ?? '')?.at ?? 0) - Date.now())).toBeLessThan(60_000);
  expect(heard).toEqual(['debug one', 'error two\nlines']);
  expect((await stat(project.at('x.log'))).mode & 0o077).toBe(0);
  await log.close();
  log.info('late');
  await log.close();
  expect(await readFile(project.at('x.log'), 'utf8')).not.toContain('late');
});

test('the size is bounded, the newest lines are kept, and a next run goes on behind them', async () => {
  await using project = await folder();
  for (const run of [1, 2]) {
    const log = createLog(project.at('x.log'), { fileBytes: 2000, keep: 2 });
    for (let n = 0; n < 200; n += 1) log.info(`run ${String(run)} line ${String(n)}`);
    log.info('x'.repeat(100_000)); // cut, or it alone would be more than all files may be
    log.info(`run ${String(run)} last`);
    await log.close();
  }
  expect((await readdir(project.path)).sort()).toEqual(['x.log', 'x.log.1', 'x.log.2']);
  expect(await readFile(project.at('x.log'), 'utf8')).toContain('run 2 last');
  expect((await stat(project.at('x.log.1'))).size).toBeLessThan(20_000);
});

test('a log that cannot be written does not harm who logs', async () => {
  await using project = await folder();
  await mkdir(project.at('x.log'));
  const log = createLog(project.at('x.log'));
  const heard: string[] = [];
  log.listen(({ text }) => heard.push(text));
  log.info('one');
  log.info('two');
  expect(heard).toEqual(['one', 'two']);
  await log.close();
});

test.each([
  ['{"level":"warn","time":"2026-01-31T09:05:07.123Z","msg":"a\\nb\\u001b[2J"}', / warn {2}a\n {4}b␛\[2J$/],
  ['{"level":"warn"}', /^\{"level":"warn"\}$/],
  ['{"level":"loud","time":"2026-01-31T09:05:07.123Z","msg":"x"}', /^\{/],
  ['junk\u001B[2J', /^junk␛\[2J$/],
  ['null', /^null$/],
])('for people: %s', (line, expected) => {
  expect(formatLogLine(line)).toMatch(expected);
});
