import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { News } from '../../../src/hints/news.ts';
import { skaffoldReader } from '../../../src/hints/skaffold-events.ts';

const STAMP = '2026-01-02T03:04:05.678Z';
const AT = Date.parse(STAMP);

function event(body: object): unknown {
  return { result: { timestamp: STAMP, ...body } };
}

function task(name: string, status: string): unknown {
  return event({ taskEvent: { id: `${name}-0`, task: name, description: '', iteration: 0, status } });
}

function skaffoldNews(value: unknown): News | null {
  return skaffoldReader()(value);
}

describe('a round of its loop', () => {
  it.each([
    ['of a sync', [task('DevLoop', 'InProgress')], 'Succeeded', 'files were synced'],
    [
      'of a sync that is tested',
      [task('DevLoop', 'InProgress'), task('Test', 'Succeeded')],
      'Succeeded',
      'files were synced',
    ],
    [
      'after one with a rollout',
      [task('Deploy', 'Succeeded'), task('DevLoop', 'Succeeded')],
      'Succeeded',
      'files were synced',
    ],
    ['with a rollout', [task('Build', 'InProgress'), task('Deploy', 'Succeeded')], 'Succeeded', null],
    ['with a build alone', [task('Build', 'Succeeded')], 'Succeeded', null],
    ['that begins', [], 'InProgress', null],
    ['that failed', [], 'Failed', null],
  ])('%s', (_, before, status, text) => {
    const read = skaffoldReader();
    for (const value of before) read(value);
    const news = read(task('DevLoop', status));
    expect(news).toEqual(text === null ? { type: 'nothing' } : { type: 'look', at: AT, text });
  });
});

describe('an event of Skaffold', () => {
  it.each([
    ['files synced', event({ fileSyncEvent: { fileCount: 2, status: 'Succeeded' } }), 'look', /^2 files were synced$/],
    ['one file synced', event({ fileSyncEvent: { fileCount: 1, status: 'Succeeded' } }), 'look', /^a file was synced$/],
    ['a sync that begins', event({ fileSyncEvent: { fileCount: 1, status: 'InProgress' } }), 'nothing', null],
    ['a sync that failed', event({ fileSyncEvent: { fileCount: 1, status: 'Failed' } }), 'nothing', null],
    ['a deployment that begins', task('Deploy', 'InProgress'), 'look', /deployment began/],
    ['a deployment that is done', task('Deploy', 'Succeeded'), 'look', /deployment succeeded/],
    ['a deployment that failed', task('Deploy', 'Failed'), 'look', /deployment failed/],
    ['pods that are stable', task('StatusCheck', 'Succeeded'), 'look', /status check succeeded/],
    ['a build', task('Build', 'Succeeded'), 'nothing', null],
    ['a deployment in a state of versions to come', task('Deploy', 'Paused'), 'nothing', null],
    [
      'a port',
      event({ portEvent: { localPort: 5679, resourceType: 'service', resourceName: 'web' } }),
      'port',
      /^service web$/,
    ],
    [
      'a port of a pod',
      event({ portEvent: { localPort: 5679, resourceType: '', podName: 'web-0' } }),
      'port',
      /^pod web-0$/,
    ],
    ['a port without a number', event({ portEvent: { localPort: 'x' } }), 'nothing', null],
    ['its end', event({ terminationEvent: { status: 'Complete', err: null } }), 'ended', /^Skaffold ended$/],
    [
      'its failure',
      event({ terminationEvent: { status: 'Failed', err: { message: 'no cluster' } } }),
      'ended',
      /^Skaffold failed: no cluster$/,
    ],
    ['a line of a log', event({ skaffoldLogEvent: { message: 'Deploy succeeded' } }), 'nothing', null],
    ['an event of versions to come', event({ dreamEvent: {} }), 'nothing', null],
  ] as const)('%s', (_, value, type, text) => {
    const news = skaffoldNews(value);
    expect(news?.type).toBe(type);
    if (text !== null) expect(news).toHaveProperty('text', expect.stringMatching(text));
    if (news?.type === 'look') expect(news.at).toBe(AT);
  });

  it('a debugpy of its own is a problem with a fix', () => {
    const started = { status: 'Started', runtime: 'python', podName: 'web-0' };
    const news = skaffoldNews(event({ debuggingContainerEvent: started }));
    if (news?.type !== 'problem') throw new Error('it is no problem');
    expect(news.error.code).toBe('skaffold-debug');
    expect(news.error.message).toContain('web-0');
    expect(news.error.fix).toContain('skaffold dev');
    expect(skaffoldNews(event({ debuggingContainerEvent: { ...started, runtime: 'go' } }))).toEqual({
      type: 'nothing',
    });
    expect(skaffoldNews(event({ debuggingContainerEvent: { ...started, status: 'Terminated' } }))).toEqual({
      type: 'nothing',
    });
  });

  it.each([
    [null],
    ['<html>'],
    [[]],
    [{}],
    [{ result: null }],
    [{ result: {} }],
    [{ error: { message: 'x' } }],
    [undefined],
  ])('is not %j', (value) => {
    expect(skaffoldNews(value)).toBeNull();
  });

  it('of any shape does no harm', () => {
    const names = ['fileSyncEvent', 'taskEvent', 'portEvent', 'terminationEvent', 'debuggingContainerEvent'];
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.anything(), fc.anything(), (name, body, stamp) => {
        skaffoldNews({ result: { timestamp: stamp, [name]: body } });
        skaffoldNews({ result: { timestamp: STAMP, [name]: { status: body, localPort: body, task: stamp } } });
      }),
    );
  });
});
