// One source of hints against a real HTTP server that behaves badly on command.
import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { HintReport } from '../../../src/core/status.ts';
import { Follower } from '../../../src/hints/follower.ts';
import { skaffoldFeed } from '../../../src/hints/skaffold.ts';
import type { Log } from '../../../src/lib/log.ts';
import { eventServer, replay, type EventServer } from '../../support/event-server.ts';
import { until } from '../../support/until.ts';

const OLD = '2020-01-01T00:00:00Z';
const NEW = '2099-01-01T00:00:00Z';

function synced(timestamp: string): unknown {
  return { result: { timestamp, fileSyncEvent: { fileCount: 1, status: 'Succeeded' } } };
}

class Stage implements AsyncDisposable {
  readonly looks: string[] = [];
  readonly warnings: string[] = [];
  readonly follower: Follower;

  constructor(url: string) {
    const nothing = (): void => undefined;
    const warn = (text: string): void => {
      this.warnings.push(text);
    };
    const log: Log = { debug: nothing, info: nothing, warn, error: warn };
    const feed = skaffoldFeed('/nonexistent', url);
    if (feed === null) throw new Error('no feed');
    const look = (why: string): void => {
      this.looks.push(why);
    };
    this.follower = new Follower(feed, { look, changed: nothing, log }, 10);
    this.follower.start();
  }

  get report(): HintReport {
    return this.follower.report([{ port: 5679, what: 'target api' }]);
  }

  async state(state: HintReport['state']): Promise<void> {
    await until(() => this.report.state === state, `it is ${state}: ${JSON.stringify(this.report)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.follower.close();
  }
}

describe('a run of `skaffold dev --port-forward`, as the real one told it: started, a file saved, rebuilt, ended', () => {
  it('is understood from its start to its end, as history and as it happens', async () => {
    const file = new URL('../../fixtures/skaffold/dev.jsonl', import.meta.url);
    const lines = (await readFile(file, 'utf8')).trim().split('\n');
    await using server = await eventServer(replay());
    await using stage = new Stage(server.url);
    await until(() => server.asked.length === 1, 'it listens');
    // What happens after we listen has a later time.
    const now = (line: string): string => line.replace(/"timestamp":"[^"]*"/, `"timestamp":"${NEW}"`);
    for (const line of lines) server.send(`${now(line)}\n`);
    await until(() => stage.looks.length === 10, `the looks: ${stage.looks.join(', ')}`);
    const rollout = [
      'skaffold: the deployment began',
      'skaffold: the status check began',
      'skaffold: the status check succeeded',
      'skaffold: the deployment succeeded',
    ];
    expect(stage.looks).toEqual(['skaffold is there', ...rollout, 'skaffold: files were synced', ...rollout]);
    const collisions = (): string[] =>
      stage.follower.report([{ port: 15680, what: 'target api' }]).problems.map(({ message }) => message);
    expect(collisions()).toEqual(['port 15680 of target api is used by skaffold for deployment web']);
    await using replayed = await eventServer(replay(...lines.map((line): unknown => JSON.parse(line))));
    await using late = new Stage(replayed.url);
    await until(() => late.report.lastEvent?.text === 'the deployment succeeded', 'the history was read');
    expect(late.looks).toEqual(['skaffold is there']);
    // It ends without a word; its ports are free then.
    await server[Symbol.asyncDispose]();
    await stage.state('waiting');
    expect(stage.report.message).toMatch(/the connection was cut|the stream ended|nobody listens there/);
    expect(collisions()).toEqual([]);
  });
});

describe('a source of hints', () => {
  it('is followed: history makes one look, what happens now another', async () => {
    await using server = await eventServer(replay(synced(OLD), synced(OLD), synced(OLD)));
    await using stage = new Stage(server.url);
    await stage.state('connected');
    await until(() => stage.report.lastEvent?.at === Date.parse(OLD), 'the history was read');
    expect(stage.looks).toEqual(['skaffold is there']);
    server.send(`${JSON.stringify(synced(NEW))}\n`);
    await until(() => stage.looks.length === 2, 'a look');
    expect(stage.looks[1]).toBe('skaffold: a file was synced');
    expect(server.asked).toEqual(['/v2/events']);
  });

  it('that is cut is followed anew, its history told again does nothing but one look', async () => {
    await using server = await eventServer(replay(synced(OLD)));
    await using stage = new Stage(server.url);
    for (let times = 1; times <= 3; times += 1) {
      await until(() => stage.looks.length === times, `connected ${String(times)} times`);
      server.cut();
    }
    await until(() => stage.looks.length === 4, 'there again');
    expect(new Set(stage.looks)).toEqual(new Set(['skaffold is there']));
    expect(stage.warnings).toEqual([]);
  });

  it('that is not there yet is waited for', async () => {
    const before = await eventServer(replay());
    const port = Number(new URL(before.url).port);
    await before[Symbol.asyncDispose]();
    await using stage = new Stage(before.url);
    await until(() => stage.report.message.includes('nobody listens there'), 'it says why');
    await using server: EventServer = await eventServer(replay(synced(OLD)), port);
    await stage.state('connected');
    expect(server.asked.length).toBeGreaterThan(0);
    // Told once, however often it was tried.
    expect(stage.warnings).toHaveLength(1);
  });

  it('that says goodbye has ended, its ports are free', async () => {
    const port = {
      result: { timestamp: OLD, portEvent: { localPort: 5679, resourceType: 'service', resourceName: 'web' } },
    };
    await using server = await eventServer(replay(port));
    await using stage = new Stage(server.url);
    await until(() => stage.report.problems.length === 1, 'the collision');
    expect(stage.report.problems[0]?.code).toBe('port-of-tool');
    expect(stage.report.problems[0]?.fix).toContain('skaffold.yaml');
    server.send(`${JSON.stringify({ result: { timestamp: NEW, terminationEvent: { status: 'Complete' } } })}\n`);
    await stage.state('ended');
    expect(stage.report.problems).toEqual([]);
  });

  it('passes over a line that is none, and goes on', async () => {
    await using server = await eventServer(replay(synced(OLD)));
    await using stage = new Stage(server.url);
    await stage.state('connected');
    server.send(`{"result":\n[]\n${JSON.stringify(synced(NEW))}\n`);
    await until(() => stage.looks.length === 2, 'the line after it');
    expect(stage.report.state).toBe('connected');
  });

  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ['a page', (response) => response.end('<!doctype html>\n<title>nginx</title>\n'), /no events/],
    ['another JSON', (response) => response.end('{"hello":1}\n'), /no events/],
    ['an error', (response) => response.writeHead(404).end('not found'), /HTTP status 404/],
    ['an end at once', (response) => response.end(), /stream ended/],
    ['a cut at once', (response) => response.destroy(), /hang up|cut/],
    ['a line without end', endless, /more than 1048576 bytes/],
  ])('that answers with %s does no harm, and is told once', async (_, begin, why) => {
    await using server = await eventServer(begin);
    await using stage = new Stage(server.url);
    await until(() => server.asked.length >= 3, 'it is tried again');
    expect(stage.report).toMatchObject({ state: 'waiting', lastEvent: null, problems: [] });
    expect(stage.report.message).toMatch(why);
    expect(stage.looks).toEqual([]);
    expect(stage.warnings).toHaveLength(1);
    expect(stage.warnings[0]).toMatch(why);
  });

  it('is left at once, also in the middle of its stream', async () => {
    await using server = await eventServer(replay(synced(OLD)));
    const stage = new Stage(server.url);
    await stage.state('connected');
    const started = performance.now();
    await stage.follower.close();
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

function endless(response: ServerResponse): void {
  const more = (): void => {
    while (!response.destroyed && response.write('x'.repeat(65_536)));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
}
