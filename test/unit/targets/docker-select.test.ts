import { describe, expect, it } from 'vitest';
import {
  concerns,
  HELPER_LABEL,
  missingText,
  scopeOf,
  select,
  toReplica,
  waitingText,
  type DockerSelector,
} from '../../../src/targets/docker-select.ts';
import type { ContainerDetails, ContainerSummary, EngineEvent } from '../../../src/targets/docker-wire.ts';

function row(name: string, rest: Partial<ContainerSummary> = {}): ContainerSummary {
  return { id: `${name}-id`, names: [name], image: 'i', state: 'running', status: '', labels: {}, created: 1, ...rest };
}

function service(
  name: string,
  rest: Partial<ContainerSummary> = {},
  labels: Record<string, string> = {},
): ContainerSummary {
  return row(name, {
    ...rest,
    labels: { 'com.docker.compose.project': 'shop', 'com.docker.compose.service': 'web', ...labels },
  });
}

const WEB: DockerSelector = { compose: { project: 'shop', service: 'web' } };
const names = (containers: readonly ContainerSummary[], selector: DockerSelector): (string | undefined)[] =>
  select(containers, selector).map((c) => c.names[0]);

describe('select', () => {
  const ids = [row('api', { id: 'abcd1' + '0'.repeat(59) }), row('db', { id: 'abcd2' + '0'.repeat(59) })];
  it.each([
    ['a name', [row('api'), row('api2')], { container: 'api' }, ['api']],
    ['a name with a slash in front', [row('api')], { container: '/api' }, ['api']],
    ['an alias', [row('api', { names: ['api', 'web/api'] })], { container: 'web/api' }, ['api']],
    ['not the beginning of a name', [row('api2')], { container: 'api' }, []],
    ['an id’s beginning', ids, { container: 'abcd2' }, ['db']],
    ['in any case', ids, { container: 'ABCD2' }, ['db']],
    ['nobody, if the beginning is ambiguous', ids, { container: 'abcd' }, []],
    ['nobody, if the beginning is too short', ids, { container: 'abc' }, []],
    ['a name before an id', [...ids, row('abcd1')], { container: 'abcd1' }, ['abcd1']],
    ['no helper of ours', [row('api', { labels: { [HELPER_LABEL]: 'x' } })], { container: 'api' }, []],
    ['a service', [service('shop-web-1'), row('other')], WEB, ['shop-web-1']],
    ['not that of another project', [service('a', {}, { 'com.docker.compose.project': 'blog' })], WEB, []],
    ['newest first', [service('old'), service('new', { created: 2 })], WEB, ['new', 'old']],
    ['by number when created together', [service('w-10'), service('w-9')], WEB, ['w-9', 'w-10']],
    [
      'running, paused, restarting, created, rest',
      [
        service('dead', { state: 'dead', created: 9 }),
        service('made', { state: 'created', created: 8 }),
        service('again', { state: 'restarting', created: 7 }),
        service('paused', { state: 'paused', created: 6 }),
        service('runs', { created: 1 }),
      ],
      WEB,
      ['runs', 'paused', 'again', 'made', 'dead'],
    ],
    [
      'one-off containers last, even running',
      [
        service('once', { created: 9 }, { 'com.docker.compose.oneoff': 'True' }),
        service('real', { state: 'exited' }, { 'com.docker.compose.oneoff': 'False' }),
      ],
      WEB,
      ['real', 'once'],
    ],
    [
      'one-off containers are none of all',
      [service('once', {}, { 'com.docker.compose.oneoff': 'True' }), service('b'), service('a')],
      { ...WEB, all: true },
      ['a', 'b'],
    ],
    [
      'unless there is nothing else',
      [service('once', {}, { 'com.docker.compose.oneoff': 'True' })],
      { ...WEB, all: true },
      ['once'],
    ],
  ] as const)('%s', (_name, containers, selector, expected) => {
    expect(names(containers, selector)).toEqual(expected);
  });
});

describe('words for nothing there', () => {
  it.each([
    [{ container: 'apo' }, [row('api')], 'container `apo` does not exist; did you mean `api`?'],
    [{ container: 'x' }, [row('database')], 'container `x` does not exist'],
    [{ container: 'web' }, [service('shop-web-1')], 'container `web` does not exist; did you mean `shop-web-1`?'],
    [{ container: 'apo' }, [row('api', { labels: { [HELPER_LABEL]: 'x' } })], 'container `apo` does not exist'],
    [
      { compose: { project: 'shop', service: 'wbe' } },
      [service('shop-web-1')],
      'no container of service `wbe` of Compose project `shop` exists; did you mean service `web`?',
    ],
    [
      { compose: { project: 'shpo', service: 'web' } },
      [service('shop-web-1')],
      'no container of service `web` of Compose project `shpo` exists; did you mean project `shop`?',
    ],
  ] as const)('%j', (selector, all, text) => {
    expect(missingText(selector, all)).toBe(text);
  });
});

const DETAILS: ContainerDetails = {
  id: 'api-id',
  name: 'api',
  state: 'running',
  pid: 4242,
  exitCode: 0,
  outOfMemory: false,
  startedAt: '2026-01-02T03:04:05.6Z',
  finishedAt: '0001-01-01T00:00:00Z',
  error: '',
  imageId: 'sha256:1',
  imageName: 'shop/api:dev',
  workingDir: '/app',
  env: [],
  labels: {},
  mounts: [],
  pidMode: '',
  userNamespaceMode: '',
  path: 'uvicorn',
  args: [],
  healthCheck: false,
};

describe('words for what does not run', () => {
  const now = Date.parse('2026-01-02T03:05:00Z');
  const at = (text: string): Partial<ContainerDetails> => ({ finishedAt: `2026-01-02T${text}Z` });
  it.each([
    [{ state: 'paused' }, 'container `api` is paused'],
    [{ state: 'exited', exitCode: 1, ...at('03:04:57') }, 'container `api` exited with 1, 3 s ago'],
    [{ state: 'exited', exitCode: 137, ...at('03:00:00') }, 'container `api` exited with 137 (killed), 5 min ago'],
    [
      { state: 'exited', exitCode: 137, outOfMemory: true, ...at('00:00:00') },
      'container `api` exited with 137 (out of memory), 3 h ago',
    ],
    [{ state: 'stopped', exitCode: 0, ...at('03:05:09') }, 'container `api` exited with 0, 0 s ago'],
    [{ state: 'exited', exitCode: 2 }, 'container `api` exited with 2'],
    [
      { state: 'restarting', exitCode: 1, ...at('03:04:59') },
      'container `api` is restarting: it exited with 1, 1 s ago',
    ],
    [{ state: 'created' }, 'container `api` was created, but not started'],
    [{ state: 'created', error: 'no such file: /x' }, 'container `api` could not start: no such file: /x'],
    [{ state: 'removing' }, 'container `api` is being removed'],
    [{ state: 'dead' }, 'container `api` is dead: the engine could not remove it'],
    [{ state: 'strange' }, 'container `api` is strange'],
  ])('%j', (rest, text) => {
    expect(waitingText({ container: 'api' }, { ...DETAILS, ...rest }, [], now)).toBe(text);
  });
});

describe('a replica', () => {
  it('has what the daemon needs to know', () => {
    const mounts = [
      { type: 'bind', source: '/home/me/shop', destination: '/app' },
      { type: 'volume', source: '/var/lib/x', destination: '/data' },
    ];
    expect(toReplica({ ...DETAILS, mounts }, { kind: 'namespace' })).toEqual({
      id: 'api-id',
      name: 'api',
      state: 'running',
      startedAt: '2026-01-02T03:04:05.6Z',
      workingDir: '/app',
      mounts: [{ source: '/home/me/shop', destination: '/app' }],
      image: 'shop/api:dev',
      scope: { kind: 'namespace' },
    });
  });

  it.each([
    ['created', {}, true],
    ['restarting', {}, true],
    ['exited', {}, true],
    ['exited', { 'com.docker.compose.oneoff': 'True' }, undefined],
    ['removing', {}, undefined],
    ['running', {}, undefined],
  ] as const)('that is %s (%j) may run again: %j', (state, labels, coming) => {
    expect(toReplica({ ...DETAILS, state, labels }, { kind: 'namespace' }).coming).toBe(coming);
  });

  it.each([
    ['', { kind: 'namespace' }],
    ['private', { kind: 'namespace' }],
    ['host', { kind: 'descendants', roots: [4242] }],
  ])('with PID mode %j has its own processes only', (pidMode, scope) => {
    expect(scopeOf({ ...DETAILS, pidMode })).toEqual(scope);
  });
});

describe('concerns', () => {
  const event = (rest: Partial<EngineEvent>): EngineEvent => ({
    type: 'container',
    action: 'start',
    id: 'other-id',
    attributes: {},
    ...rest,
  });
  const compose = { 'com.docker.compose.project': 'shop', 'com.docker.compose.service': 'web' };
  it.each([
    ['a stranger', event({}), { container: 'api' }, false],
    ['one by name', event({ attributes: { name: 'api' } }), { container: 'api' }, true],
    ['one by id', event({ id: 'abcdef' }), { container: 'abcd' }, true],
    ['one that is known', event({ id: 'known', action: 'die' }), { container: 'api' }, true],
    ['Podman’s old word', event({ id: 'known', action: 'died' }), { container: 'api' }, true],
    ['a renaming, whoever it is', event({ action: 'rename' }), { container: 'api' }, true],
    ['an exec in it', event({ id: 'known', action: 'exec_create: python3' }), { container: 'api' }, false],
    ['its health check', event({ id: 'known', action: 'health_status: healthy' }), { container: 'api' }, false],
    ['an image', event({ type: 'image', id: 'known' }), { container: 'api' }, false],
    ['a service', event({ attributes: compose }), WEB, true],
    ['another service', event({ attributes: { ...compose, 'com.docker.compose.service': 'db' } }), WEB, false],
  ] as const)('%s', (_name, seen, selector, expected) => {
    expect(concerns(seen, selector, new Set(['known']))).toBe(expected);
  });
});
