import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { AgentClient } from '../../../src/agent/client.ts';
import { GONE_STATUS } from '../../../src/agent/bridge.ts';
import { encodeLink, encodeMessage, FrameDecoder, type Frame } from '../../../src/agent/framing.ts';
import { BRIDGE_MAGIC, MAGIC, type LinkMessage } from '../../../src/agent/protocol.ts';
import type { Cut } from '../../../src/agent/wire.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import type { ExecStream } from '../../../src/targets/target.ts';
import { until } from '../../support/until.ts';

const HELLO = { event: 'hello', python: '3.8.18', pid: 9, uid: 0, gid: 0, capabilities: '0' };
const BUNDLE = Buffer.from('BUNDLE');
const never = new AbortController().signal;

/** One stream, its far side played by the test. */
class Far {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly #exit = Promise.withResolvers<{ code: number | null }>();
  readonly frames: Frame[] = [];
  closed = false;

  constructor(skip: number) {
    const decoder = new FrameDecoder();
    let left = skip;
    this.stdin.on('data', (chunk: Buffer) => {
      const rest = chunk.subarray(Math.min(left, chunk.length));
      left -= chunk.length - rest.length;
      this.frames.push(...decoder.push(rest));
    });
  }

  get stream(): ExecStream {
    const close = (): void => {
      this.closed = true;
      this.end(null);
    };
    return { stdin: this.stdin, stdout: this.stdout, stderr: new PassThrough(), exit: this.#exit.promise, close };
  }

  say(...parts: (string | Buffer)[]): void {
    this.stdout.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
  }

  end(code: number | null): void {
    this.stdout.end();
    this.#exit.resolve({ code });
  }

  /** What was said about the wire that has this key. */
  link(key: string): Record<string, unknown> | undefined {
    const found = this.frames.find(
      (frame): frame is Extract<Frame, { kind: 'link' }> =>
        frame.kind === 'link' && typeof frame.value === 'object' && frame.value !== null && key in frame.value,
    );
    return found?.value as Record<string, unknown> | undefined;
  }

  get requests(): { id: number; method: string }[] {
    return this.frames.flatMap((frame) =>
      frame.kind === 'message' ? [frame.value as { id: number; method: string }] : [],
    );
  }
}

class Story {
  readonly first = new Far(BUNDLE.length);
  readonly bridges: Far[] = [];
  readonly cuts: (Cut | null)[] = [];
  /** What each further opening does: fails, or leads to a bridge. */
  readonly fails: Error[] = [];
  client!: AgentClient;

  static async begin(seconds = 20, pingMs = 5_000): Promise<Story> {
    const story = new Story();
    const reopen = (): Promise<ExecStream> => {
      const failure = story.fails.shift();
      if (failure !== undefined) return Promise.reject(failure);
      const far = new Far(0);
      story.bridges.push(far);
      return Promise.resolve(far.stream);
    };
    const lease = { seconds, interpreter: 'python3', pingMs, reopen, onCut: (cut: Cut | null) => story.cuts.push(cut) };
    const starting = AgentClient.start(story.first.stream, { bundle: BUNDLE, name: 'api', lease }, never);
    story.first.say(MAGIC, encodeMessage(HELLO));
    story.client = await starting;
    stories.push(story);
    return story;
  }

  /** The bridge of that number has reached the agent, which has so many of our frames. */
  async resume(number: number, resumed: number, ...rest: Buffer[]): Promise<Far> {
    const far = await until(() => this.bridges[number], `bridge ${String(number)}`);
    far.say('a banner\n', BRIDGE_MAGIC);
    await until(() => far.link('resume'), 'the token');
    far.say(encodeLink({ resumed }), ...rest);
    return far;
  }
}

const stories: Story[] = [];

afterEach(async () => {
  for (const { client, first, bridges } of stories.splice(0)) {
    const closing = client.close();
    for (const far of [first, ...bridges]) far.end(0);
    await closing;
  }
});

const answer = (id: number): Buffer => encodeMessage({ id, result: {} });

test('the lease is the first that the agent hears', async () => {
  const { first, client } = await Story.begin(7);
  void client.request('ping', {}, never).catch(() => undefined);
  await until(() => first.requests.length > 0, 'a request');
  expect(first.frames[0]).toMatchObject({ kind: 'link', value: { lease: 7, silence: 20 } });
});

test('without a lease a cut is the end', async () => {
  const { first, client, bridges } = await Story.begin(0);
  first.end(null);
  expect((await client.closed).why).toBe('the connection was cut');
  expect(bridges).toEqual([]);
  expect(first.link('lease')).toBeUndefined();
});

test('an agent that ended is not looked for', async () => {
  const { first, client, bridges } = await Story.begin();
  first.end(137);
  expect((await client.closed).why).toBe('the agent ended with status 137');
  expect(bridges).toEqual([]);
});

test('only what the agent has not is sent again, and what came twice from it is no fault of the count', async () => {
  const story = await Story.begin();
  const { first, client } = story;
  const pings = [1, 2, 3].map(() => client.request('ping', {}, never));
  await until(() => first.requests.length === 3, 'requests');
  first.say(answer(1));
  await pings[0];
  first.end(null);
  const far = await story.resume(0, 2, answer(2), answer(3));
  await Promise.all(pings);
  expect(far.link('resume')).toEqual({ resume: first.link('lease')?.['token'], received: 2 });
  expect(far.requests.map(({ id }) => id)).toEqual([3]);
  expect(story.cuts.map((cut) => cut === null)).toEqual([false, true]);
  expect(first.closed).toBe(true);
});

test('what is asked during the cut goes out once it is mended', async () => {
  const story = await Story.begin();
  story.fails.push(new Error('not now'), new Error('not yet'));
  story.first.end(null);
  await until(() => story.cuts.length === 1, 'the cut is noticed');
  const ping = story.client.request('ping', {}, never);
  const far = await story.resume(0, 0);
  await until(() => far.requests.length === 1, 'the request');
  far.say(answer(1));
  await ping;
});

test.each<[string, (far: Far) => void]>([
  ['ends', (far) => far.end(1)],
  ['is cut', (far) => far.end(null)],
  ['says something else', (far) => far.say(BRIDGE_MAGIC, encodeMessage({ id: 1, result: {} }))],
  ['says nothing that is a bridge', (far) => far.say(Buffer.alloc(70_000, 'x'))],
])('a bridge that %s is followed by another', async (_name, act) => {
  const story = await Story.begin();
  story.first.end(null);
  act(await until(() => story.bridges[0], 'a bridge'));
  await story.resume(1, 0);
  await until(() => story.cuts.length === 2, 'mended');
});

test.each<[string, (story: Story) => Promise<void> | void, RegExp]>([
  [
    'the agent is gone',
    async (story) => (await until(() => story.bridges[0], 'a bridge')).end(GONE_STATUS),
    /the agent has left meanwhile/,
  ],
  [
    'the agent has lost count',
    async (story) => {
      await story.resume(0, 5);
    },
    /lost count/,
  ],
])('%s: it ends', async (_name, act, why) => {
  const story = await Story.begin();
  story.first.end(null);
  await act(story);
  expect((await story.client.closed).why).toMatch(why);
  expect(story.cuts.map((cut) => cut === null)).toEqual(
    story.bridges[0]?.link('resume') === undefined ? [false] : [false, true],
  );
});

test('the replica is gone: it ends; the lease ran out: it ends; neither while the replica is paused', async () => {
  const gone = await Story.begin();
  gone.fails.push(new DebugwandError({ code: 'replica-gone', message: 'removed', fix: '' }));
  gone.first.end(null);
  expect((await gone.client.closed).why).toMatch(/removed/);

  const late = await Story.begin(0.15);
  late.fails.push(...Array.from({ length: 9 }, () => new Error('unreachable')));
  late.first.end(null);
  expect((await late.client.closed).why).toMatch(/could not be reached again in time/);

  const paused = await Story.begin(0.15);
  const frozen = new DebugwandError({ code: 'replica-paused', message: 'paused', fix: '' });
  paused.fails.push(frozen, frozen, frozen);
  paused.first.end(null);
  await paused.resume(0, 0);
  await until(() => paused.cuts.length === 2, 'mended');
});

describe('silence', () => {
  test('is a cut; the old wire is good if it speaks first', async () => {
    const story = await Story.begin(20, 20);
    story.fails.push(...Array.from({ length: 20 }, () => new Error('unreachable')));
    await until(() => story.cuts.length === 1, 'noticed');
    story.first.say(encodeLink({ ack: 0 }));
    await until(() => story.cuts.length === 2, 'mended');
    expect(story.first.closed).toBe(false);
  });

  test('is none where the agent answers', async () => {
    const story = await Story.begin(20, 10);
    const answered = new Set<Frame>();
    await until(() => {
      for (const frame of story.first.frames) {
        if (frame.kind !== 'link' || answered.has(frame)) continue;
        answered.add(frame);
        story.first.say(encodeLink({ ack: 0 } satisfies LinkMessage));
      }
      return answered.size > 8;
    }, 'some pings');
    expect(story.cuts).toEqual([]);
  });
});

test('close says goodbye; during a cut it waits for nobody', async () => {
  const polite = await Story.begin();
  const closing = polite.client.close();
  await until(() => polite.first.link('bye'), 'goodbye');
  polite.first.end(0);
  await closing;

  const cut = await Story.begin();
  cut.fails.push(...Array.from({ length: 20 }, () => new Error('unreachable')));
  cut.first.end(null);
  await until(() => cut.cuts.length === 1, 'noticed');
  await cut.client.close();
  expect((await cut.client.closed).why).toBe('it was closed');
});
