// Tilt as a source of hints: its file of credentials, and what a watch on its resources says.
import { describe, expect, it } from 'vitest';
import { Follower } from '../../../src/hints/follower.ts';
import { tiltEndpoint } from '../../../src/hints/tilt-config.ts';
import { tiltReader } from '../../../src/hints/tilt-events.ts';
import { tiltFeed } from '../../../src/hints/tilt.ts';
import { silentLog } from '../../../src/lib/log.ts';
import { eventServer, replay } from '../../support/event-server.ts';
import { folder } from '../../support/folder.ts';
import { until } from '../../support/until.ts';

function config(context: string, server: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: context, cluster: { server, 'certificate-authority-data': Buffer.from('PEM').toString('base64') } },
    ],
    contexts: [{ name: context, context: { cluster: context, user: context } }],
    users: [{ name: context, user: { token: 'secret' } }],
  };
}

const SERVER = 'https://127.0.0.1:40000';
const WATCH = '/apis/tilt.dev/v1alpha1/uiresources?watch=true';

describe("Tilt's file of credentials", () => {
  it.each([
    ['the default port', 'tilt-default', '10350', true],
    ['another port', 'tilt-10351', '10351', true],
    ['another Tilt', 'tilt-10351', '10350', false],
  ])('%s', (_, context, port, known) => {
    const endpoint = { url: SERVER + WATCH, headers: { authorization: 'Bearer secret' }, ca: 'PEM' };
    expect(tiltEndpoint(config(context, SERVER), port)).toEqual(known ? endpoint : null);
  });

  it.each([
    [null],
    ['x'],
    [{ contexts: 1 }],
    [config('tilt-default', 'no address')],
    [{ ...config('tilt-default', SERVER), users: [] }],
  ])('that says nothing: %j', (file) => {
    expect(tiltEndpoint(file, '10350')).toBeNull();
  });
});

function resource(name: string, finishTime: string | null, more: object = {}): unknown {
  const buildHistory = finishTime === null ? [] : [{ finishTime, ...more }, { finishTime: '2020-01-01T00:00:00Z' }];
  return { type: 'MODIFIED', object: { metadata: { name }, status: { buildHistory } } };
}

describe("a watch on Tilt's resources", () => {
  it('tells the end of each update once', () => {
    const read = tiltReader();
    const at = Date.parse('2026-01-02T03:04:05.678901Z');
    expect(read(resource('api', null))).toEqual({ type: 'nothing' });
    expect(read(resource('api', '2026-01-02T03:04:05.678901Z'))).toEqual({
      type: 'look',
      at,
      text: 'the update of api ended',
    });
    expect(read(resource('api', '2026-01-02T03:04:05.678901Z'))).toEqual({ type: 'nothing' });
    expect(read(resource('web', '2026-01-02T03:04:05.678901Z', { error: 'exit 1' }))).toMatchObject({
      text: 'the update of web failed',
    });
    expect(read(resource('api', '2026-01-02T03:05:00.000000Z'))).toMatchObject({ type: 'look' });
  });

  it.each([[null], [{}], [{ type: 'ADDED' }], [{ type: 'ADDED', object: {} }], [{ kind: 'Status', code: 401 }]])(
    '%j is no event of it',
    (value) => {
      expect(tiltReader()(value)).toBeNull();
    },
  );

  it('may end with an error', () => {
    expect(tiltReader()({ type: 'ERROR', object: { code: 410 } })).toEqual({ type: 'nothing' });
  });
});

describe('a wand under Tilt', () => {
  it('is one that has its port in the environment', () => {
    expect(tiltFeed({})).toBeNull();
    expect(tiltFeed({ TILT_PORT: 'x; rm' })).toBeNull();
    expect(tiltFeed({ TILT_PORT: '10350' })?.source).toBe('tilt');
  });

  it('waits for the file, then looks when an update has ended', async () => {
    await using home = await folder();
    await using server = await eventServer(replay(resource('api', '2020-01-02T00:00:00Z')));
    const feed = tiltFeed({ TILT_PORT: '10350', HOME: home.path });
    if (feed === null) throw new Error('no feed');
    const looks: string[] = [];
    const look = (why: string): void => {
      looks.push(why);
    };
    const follower = new Follower(feed, { look, changed: () => undefined, log: silentLog() }, 10);
    follower.start();
    try {
      await until(() => follower.report([]).message.includes('has not written its address'), 'it waits');
      await home.write({ '.tilt-dev/config': JSON.stringify(config('tilt-default', server.url)) });
      await until(() => follower.report([]).state === 'connected', 'it is connected');
      server.send(`${JSON.stringify(resource('api', '2099-01-01T00:00:00Z'))}\n`);
      await until(() => looks.length === 2, 'a look');
      expect(looks).toEqual(['tilt is there', 'tilt: the update of api ended']);
      expect(server.asked).toEqual([WATCH]);
    } finally {
      await follower.close();
    }
  });
});
