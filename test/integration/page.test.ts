/** The server of the status page: who gets in and who does not, over the wire. */
import { request, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DebugwandError } from '../../src/lib/errors.ts';
import { openPage, type Page } from '../../src/page/page.ts';
import { attached, report, waiting } from '../support/reports.ts';
import { until } from '../support/until.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

let page: Page;
let base: URL;
let now = report([attached]);
const restarted: string[] = [];

/** By hand: fetch sends what it likes as Host, and mends paths. */
function ask(
  path: string,
  { method = 'GET', body = '', ...headers }: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: base.port, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    sent.on('error', reject).end(body);
  });
}

/** As a browser that has opened the address once. */
async function entered(): Promise<{ cookie: string; origin: string }> {
  const { headers } = await ask(base.pathname + base.search);
  return { cookie: headers['set-cookie']?.[0]?.split(';')[0] ?? '', origin: base.origin };
}

beforeAll(async () => {
  page = await openPage({
    report: () => now,
    restart: (target) => {
      if (target !== 'api') {
        const fix = 'the targets are: api';
        throw new DebugwandError({ code: 'no-such-target', message: `there is no target ${target}`, fix });
      }
      restarted.push(target);
      return Promise.resolve(`restarted the command of ${target}`);
    },
    log: () => undefined,
  });
  base = new URL(page.url);
});

afterAll(async () => {
  await page.close();
});

describe('who has the address', () => {
  it('gets a cookie that no script, no other site and no other path sees', async () => {
    const { status, headers, body } = await ask(base.pathname + base.search);
    expect(status).toBe(200);
    expect(headers['set-cookie']).toEqual([
      expect.stringMatching(/^wand-\d+=[\w-]{32}; Path=\/wand\/; HttpOnly; SameSite=Strict$/),
    ]);
    expect(body).toContain('url=/wand/"');
  });

  it('gets the page, its files and nothing else, each with a strict policy', async () => {
    const { cookie } = await entered();
    const { body } = await ask('/wand/', { cookie });
    const files = [...body.matchAll(/(?:href|src)="([^"#]+)"/g)].map(([, name]) => `/wand/${name ?? ''}`);
    expect(files).toContain('/wand/uPlot.js');
    for (const file of ['/wand/', ...files]) {
      const { status, headers } = await ask(file, { cookie });
      expect([file, status]).toEqual([file, 200]);
      expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
      expect(headers['content-security-policy']).not.toContain('unsafe');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['referrer-policy']).toBe('no-referrer');
    }
    expect((await ask('/wand/page.js', { cookie, method: 'HEAD' })).body).toBe('');
  });

  it('may restart a target, from the page itself', async () => {
    const own = await entered();
    const post = { ...own, method: 'POST' };
    expect(await ask('/wand/restart', { ...post, body: '{"target":"api"}' })).toMatchObject({
      status: 200,
      body: 'restarted the command of api\n',
    });
    expect(restarted).toEqual(['api']);
    expect(await ask('/wand/restart', { ...post, body: '{"target":"web"}' })).toMatchObject({
      status: 409,
      body: 'there is no target web\nfix: the targets are: api\n',
    });
    for (const body of ['', '{', '[]', '{"target":1}', `{"target":"${'x'.repeat(5_000)}"}`]) {
      expect((await ask('/wand/restart', { ...post, body })).status).toBe(400);
    }
    expect((await ask('/wand/stop', { ...post, body: '{"target":"api"}' })).status).toBe(404);
    expect(restarted).toEqual(['api']);
  });
});

describe('refused', () => {
  it.each([
    ['without a token', '/wand/', {}],
    ['with a wrong one', '/wand/?token=wrong', {}],
    ['with an empty one', '/wand/?token=', {}],
    ['with a wrong cookie', '/wand/', { cookie: 'wand-1=wrong' }],
    ['its files, too', '/wand/page.js', {}],
    ['its events, too', '/wand/events', {}],
    ['what is not there, too', '/nothing', {}],
  ])('%s', async (_what, path, headers) => {
    const { status, body } = await ask(path, headers);
    expect(status).toBe(403);
    expect(body).toContain('wand status');
  });

  it.each([
    ['another Host', { host: 'evil.example' }],
    ['another Origin', { origin: 'http://evil.example' }],
    ['the Origin of another port', { origin: 'http://127.0.0.1:1' }],
  ])('%s, although the token is right', async (_what, headers) => {
    const { cookie } = await entered();
    expect((await ask('/wand/', { cookie, ...headers })).status).toBe(403);
    expect((await ask(base.pathname + base.search, headers)).headers['set-cookie']).toBeUndefined();
  });

  it('an action of another page, or of nobody', async () => {
    const { cookie } = await entered();
    const body = '{"target":"api"}';
    const count = restarted.length;
    expect((await ask('/wand/restart', { cookie, method: 'POST', body })).status).toBe(403);
    const evil = { cookie, method: 'POST', body, origin: 'http://evil.example' };
    expect((await ask('/wand/restart', evil)).status).toBe(403);
    expect((await ask('/wand/restart', { cookie, method: 'PUT', body, origin: base.origin })).status).toBe(405);
    expect(restarted).toHaveLength(count);
  });

  it.each([
    '/wand/../package.json',
    '/wand/%2e%2e/package.json',
    '/wand/..%2fpackage.json',
    '/wand/..\\package.json',
    '/wand//etc/passwd',
    '/wand/uplot/dist/uPlot.esm.js',
    '/wand/page.js%00.css',
    '/wand/tsconfig.json',
    '/etc/passwd',
    '//evil.example/',
    'http://evil.example/wand/',
  ])('a way out: %s', async (path) => {
    expect((await ask(path, await entered())).status).toBe(404);
  });
});

it('tells who listens what is new, and only that', async () => {
  const { cookie } = await entered();
  const events: string[] = [];
  const abort = new AbortController();
  const listening = fetch(`${base.origin}/wand/events`, { headers: { cookie }, signal: abort.signal }).then(
    async ({ body }) => {
      for await (const chunk of body ?? []) events.push(Buffer.from(chunk).toString('utf8'));
    },
  );
  const ended = listening.catch(() => 'cut');
  const all = (): string => events.join('');
  try {
    await until(() => all().includes('event: all'), 'all of it');
    now = report([waiting], { page: page.url });
    page.update(now);
    await until(() => all().includes('event: news'), 'news');
    const [, data = ''] = /event: news\ndata: (.*)\n/.exec(all()) ?? [];
    expect(JSON.parse(data)).toMatchObject({
      report: { targets: [{ phase: 'waiting' }], daemon: { page: null } },
      news: { api: { spans: [{ phase: 'waiting' }], samples: [] } },
    });
    expect(all()).not.toContain(base.searchParams.get('token'));
  } finally {
    abort.abort();
    expect(await ended).toBe('cut');
    now = report([attached]);
  }
});
