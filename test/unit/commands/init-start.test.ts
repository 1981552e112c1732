import { describe, expect, test } from 'vitest';
import { servedPort } from '../../../src/commands/init-app.ts';
import { offerStart, type Ready, wandIn } from '../../../src/commands/init-start.ts';
import { tiltAdvice } from '../../../src/commands/init-tilt.ts';
import { DebugwandError } from '../../../src/lib/errors.ts';
import { folder } from '../../support/folder.ts';
import { initIo } from '../../support/init-io.ts';

const COMMAND = { kind: 'local', command: ['uvicorn', 'app:app'] } as const;
const READY: Ready = {
  root: '/p',
  file: '/p/debugwand.config.ts',
  targets: [{ name: 'app', port: 5679, source: COMMAND }],
};
const missing = () => new DebugwandError({ code: 'command-not-found', message: 'no uvicorn', fix: 'install it' });
const yes = () => Promise.resolve('');
const no = () => Promise.resolve('n');

describe('the first start', () => {
  type Case = readonly [
    what: string,
    options: Parameters<typeof offerStart>[1],
    io: Parameters<typeof initIo>[1],
    starts: boolean,
    says: RegExp,
  ];
  test.each<Case>([
    ['a yes on a terminal', {}, { ask: yes }, true, /leave by Ctrl-C, start it again by `wand watch`$/],
    ['a no', {}, { ask: no }, false, /^next: `wand watch`, then attach your editor to 127\.0\.0\.1:5679$/],
    ['nobody to ask', {}, {}, false, /^next: `wand watch`/],
    ['--no-start', { start: false }, { ask: yes }, false, /^next: /],
    ['--yes', { yes: true }, { ask: yes }, false, /^next: /],
    ['--yes --start', { yes: true, start: true }, {}, true, /^attach your editor/],
    [
      'a daemon that runs',
      { start: true },
      { daemonOf: () => Promise.resolve(7) },
      false,
      /^wand runs already \(pid 7\)/,
    ],
    [
      'a program that is missing',
      {},
      { ask: yes, whyNotRunnable: missing },
      false,
      /^next: mend that, then `wand watch`/,
    ],
    [
      'a port that the app will want',
      {},
      { ask: yes, portsTaken: (port: number) => Promise.resolve(new Set([port])), ownerOf: () => 'process 7 (nc)' },
      false,
      /^note: port 8000, which app will want to serve at, is taken by process 7 \(nc\): .*\nnext: mend that/,
    ],
    ['npx', {}, { env: { npm_command: 'exec' } }, false, /^next: `npx debugwand watch`/],
  ])('%s', async (_what, options, more, starts, says) => {
    await using project = await folder({});
    const io = initIo(project, more);
    expect(await offerStart(READY, options, io)).toBe(0);
    expect(io.watched).toEqual(starts ? [READY.file] : []);
    expect(
      io.said
        .slice(-2)
        .join('\n')
        .split('\n')
        .slice(says.source.includes('\\n') ? -2 : -1)
        .join('\n'),
    ).toMatch(says);
  });

  test('--start insists: what is in the way is an error', async () => {
    await using project = await folder({});
    await expect(
      offerStart(READY, { start: true }, initIo(project, { whyNotRunnable: missing })),
    ).rejects.toMatchObject({
      code: 'command-not-found',
    });
  });
});

test.each([
  ['uvicorn app:app --reload', {}, 8000],
  ['.venv/bin/uvicorn app:app --port 81', {}, 81],
  ['uvicorn app:app', { UVICORN_PORT: '82' }, 82],
  ['flask run --debug', {}, 5000],
  ['flask run -p 83', {}, 83],
  ['uv run fastapi dev x.py --port=84', {}, 84],
  ['python manage.py runserver', {}, 8000],
  ['python manage.py runserver 0.0.0.0:85', {}, 85],
  ['python manage.py runserver 86', {}, 86],
  ['celery worker', {}, null],
])('%s serves', (line, env, port) => {
  expect(servedPort(line.split(' '), env)).toBe(port);
});

test('wand is called as it was', () => {
  expect([wandIn({}), wandIn({ npm_command: 'run' }), wandIn({ npm_command: 'exec' })]).toEqual([
    'wand',
    'wand',
    'npx debugwand',
  ]);
});

test('a Tiltfile: one call for all targets', () => {
  expect(tiltAdvice(new Set(), ['a'])).toEqual([]);
  expect(tiltAdvice(new Set(['Tiltfile']), ['a']).at(-1)).toBe("    debugwand('a')");
  expect(tiltAdvice(new Set(['Tiltfile']), ['a', 'b']).at(-1)).toBe('    debugwand()');
});
