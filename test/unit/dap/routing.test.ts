import { describe, expect, it } from 'vitest';
import type { DapRequest, JsonObject } from '../../../src/dap/messages.ts';
import { route, type Route, type Sessions } from '../../../src/dap/routing.ts';

function request(command: string, args: JsonObject = {}): DapRequest {
  return { type: 'request', seq: 1, command, arguments: args };
}

const INITIALIZE = request('initialize', { clientID: 'x' });
const HELD = { client: 'VS Code', idle: false };
const sessions = (root: Sessions['root'], children: readonly [number, boolean][] = []): Sessions => ({
  root,
  children: new Map(children),
});

describe('which session a connection belongs to', () => {
  it.each<[string, Sessions, DapRequest | null, DapRequest, Route['to'] | Route]>([
    ['nobody is there', sessions(null), null, INITIALIZE, { to: 'root', replaces: false }],
    ['whatever it begins with', sessions(null), null, request('threads'), { to: 'root', replaces: false }],
    ['one never attached', sessions({ ...HELD, idle: true }), null, INITIALIZE, { to: 'root', replaces: true }],
    ['an editor is attached', sessions(HELD), null, INITIALIZE, 'nowhere'],
    ['and has sessions for workers', sessions(HELD, [[1, false]]), null, INITIALIZE, 'undecided'],
    ['without initialize', sessions(HELD, [[1, false]]), null, request('attach', { subProcessId: 1 }), 'nowhere'],
    [
      'with lines from 0',
      sessions(HELD, [[1, false]]),
      null,
      request('initialize', { linesStartAt1: false }),
      'nowhere',
    ],
    [
      'attach',
      sessions(HELD, [[1, false]]),
      INITIALIZE,
      request('attach', { subProcessId: 1 }),
      { to: 'child', slot: 1 },
    ],
    [
      'of one that is taken',
      sessions(HELD, [[1, true]]),
      INITIALIZE,
      request('attach', { subProcessId: 1 }),
      'nowhere',
    ],
    [
      'of one that is not known',
      sessions(HELD, [[1, false]]),
      INITIALIZE,
      request('attach', { subProcessId: 2 }),
      'nowhere',
    ],
    ['of the first one', sessions(HELD, [[1, false]]), INITIALIZE, request('attach', { subProcessId: 0 }), 'nowhere'],
    ['of no number', sessions(HELD, [[1, false]]), INITIALIZE, request('attach', { subProcessId: '1' }), 'nowhere'],
    ['of none', sessions(HELD, [[1, false]]), INITIALIZE, request('attach', {}), 'nowhere'],
    ['also when the first one is gone', sessions(null), INITIALIZE, request('attach', {}), 'nowhere'],
    ['launch', sessions(HELD, [[1, false]]), INITIALIZE, request('launch', {}), 'nowhere'],
    ['goodbye', sessions(HELD, [[1, false]]), INITIALIZE, request('disconnect'), 'end'],
  ])('%s', (_name, there, initialize, asked, expected) => {
    const way = route(there, initialize, asked, 'api');
    if (typeof expected === 'string') expect(way.to).toBe(expected);
    else expect(way).toEqual(expected);
  });

  it('says who has it, and what to do', () => {
    expect(route(sessions(HELD), null, INITIALIZE, 'api')).toEqual({
      to: 'nowhere',
      why: 'VS Code is attached to "api" already, and one editor at a time can be: end its debug session first',
    });
  });
});
