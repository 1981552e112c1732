import { describe, expect, it } from 'vitest';
import {
  parseContainers,
  parseDetails,
  parseEvent,
  parseExecState,
  parseFailure,
  parseTop,
} from '../../../src/targets/docker-wire.ts';

describe('lists of containers', () => {
  it('take what is there, from Docker and from Podman', () => {
    const rows = [
      {
        Id: 'a',
        Names: ['/web/db', '/db'],
        Image: 'i',
        State: 'Running',
        Status: 'Up',
        Labels: { k: 'v', n: 1 },
        Created: 5,
      },
      { Id: 'b', Names: ['c'], Labels: null },
      { Names: ['no id'] },
      'junk',
    ];
    expect(parseContainers(rows)).toEqual([
      { id: 'a', names: ['db', 'web/db'], image: 'i', state: 'running', status: 'Up', labels: { k: 'v' }, created: 5 },
      { id: 'b', names: ['c'], image: '', state: '', status: '', labels: {}, created: 0 },
    ]);
  });
  it.each([[null], [{}], ['x'], [undefined]])('%j is an empty one', (junk) => {
    expect(parseContainers(junk)).toEqual([]);
  });
});

describe('details', () => {
  it('survive missing parts', () => {
    expect(parseDetails({ Id: 'a', Name: '/api', State: { Status: 'exited', ExitCode: 3, Pid: 'x' } })).toMatchObject({
      id: 'a',
      name: 'api',
      state: 'exited',
      exitCode: 3,
      pid: 0,
      mounts: [],
      env: [],
    });
  });
  it.each([[null], [{}], [{ Id: 'a' }], [{ Id: 'a', State: 'running' }]])('%j is none', (junk) => {
    expect(parseDetails(junk)).toBeNull();
  });
});

describe('events', () => {
  it.each([
    [
      '{"Type":"container","Action":"die","Actor":{"ID":"a","Attributes":{"name":"api"}}}',
      { type: 'container', action: 'die', id: 'a', attributes: { name: 'api' } },
    ],
    ['{"status":"died","id":"a"}', { type: 'container', action: 'died', id: 'a', attributes: {} }],
    [
      '{"Type":"network","Action":"connect","Actor":{"ID":"n"}}',
      { type: 'network', action: 'connect', id: 'n', attributes: {} },
    ],
    ['', null],
    ['{"half', null],
    ['[]', null],
    ['{}', null],
  ])('%s', (line, event) => {
    expect(parseEvent(line)).toEqual(event);
  });
});

it.each([
  [
    { Running: true, ExitCode: null, Pid: 0 },
    { running: true, exitCode: null, pid: 0 },
  ],
  [
    { Running: false, ExitCode: 126, Pid: 0 },
    { running: false, exitCode: 126, pid: 0 },
  ],
  [null, { running: false, exitCode: null, pid: 0 }],
])('state of an exec %j', (value, state) => {
  expect(parseExecState(value)).toEqual(state);
});

it.each([
  [{ Titles: ['PID', 'CMD'], Processes: [['1', 'a b'], ['2'], 'x'] }, ['a b']],
  [{ Titles: ['USER', 'COMMAND'], Processes: [['root', 'c']] }, ['c']],
  [{ Titles: ['PID'], Processes: [['1']] }, []],
  [Buffer.from(''), []],
])('top %j', (value, lines) => {
  expect(parseTop(value)).toEqual(lines);
});

it.each([
  [
    Object.assign(new Error('(HTTP code 404) …'), { statusCode: 404, json: { message: 'No such container' } }),
    { status: 404, code: '', text: 'No such container' },
  ],
  [
    Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }),
    { status: null, code: 'ECONNREFUSED', text: 'connect' },
  ],
  ['text', { status: null, code: '', text: 'text' }],
])('failure %s', (error, failure) => {
  expect(parseFailure(error)).toEqual(failure);
});
