import { describe, expect, it } from 'vitest';
import { attachArguments, editorName, refuseAttach, refuseInitialize } from '../../../src/dap/attach-arguments.ts';

const ours = [{ local: '/home/me/shop', remote: '/app' }];
const filled = [{ localRoot: '/home/me/shop', remoteRoot: '/app' }];

describe('attach', () => {
  it.each([
    ['none', undefined, filled],
    ['null, of which pydevd would die', null, filled],
    ['no list', 'x', filled],
    ['an empty list', [], filled],
    ['an identity, as VS Code adds it', [{ localRoot: '/home/me/shop', remoteRoot: '/home/me/shop' }], filled],
    ['an identity with a slash', [{ localRoot: '/home/me/', remoteRoot: '/home/me' }], filled],
    ['junk only', [{ localRoot: 5 }], filled],
    ['its own', [{ localRoot: '/x', remoteRoot: '/srv' }], [{ localRoot: '/x', remoteRoot: '/srv' }]],
    ['its own, relative', [{ localRoot: '/x', remoteRoot: '.' }], [{ localRoot: '/x', remoteRoot: '.' }]],
    [
      'its own beside an identity',
      [
        { localRoot: '/lib', remoteRoot: '/lib' },
        { localRoot: '/x', remoteRoot: '/srv' },
      ],
      [
        { localRoot: '/lib', remoteRoot: '/lib' },
        { localRoot: '/x', remoteRoot: '/srv' },
      ],
    ],
  ])('path mappings: the editor has %s', (_, pathMappings, expected) => {
    expect(attachArguments({ pathMappings }, ours, false)['pathMappings']).toEqual(expected);
  });

  it('leaves an identity alone where nothing better is known', () => {
    const same = [{ localRoot: '/a', remoteRoot: '/a' }];
    expect(attachArguments({ pathMappings: same }, [], false)).toEqual({ pathMappings: same });
    expect(attachArguments({}, [], false)).toEqual({});
  });

  it('keeps what debugpy needs, and leaves out what is about the way here', () => {
    const kept = {
      justMyCode: false,
      rules: [{ path: '/x', include: true }],
      debugOptions: ['ShowReturnValue'],
      django: true,
      showReturnValue: true,
      redirectOutput: true,
      steppingResumesAllThreads: false,
    };
    const way = {
      restart: true,
      __restart: { a: 1 },
      connect: { port: 1 },
      listen: {},
      host: 'h',
      port: 2,
      processId: 3,
      subProcessId: 4,
      preLaunchTask: 't',
    };
    expect(attachArguments({ ...kept, ...way }, [], false)).toEqual(kept);
  });

  it('drops options of a type that ends pydevd', () => {
    expect(attachArguments({ debugOptions: 'x', options: 5, rules: {} }, [], false)).toEqual({});
  });

  it.each([
    [{}, true, { clientOS: 'windows' }],
    [{ clientOS: 'unix' }, true, { clientOS: 'unix' }],
    [{ debugOptions: ['UnixClient'] }, true, { debugOptions: ['UnixClient'] }],
    [{}, false, {}],
  ])('says on which system the editor runs %#', (args, windows, expected) => {
    expect(attachArguments(args, [], windows)).toEqual(expected);
  });

  it('refuses noDebug', () => {
    expect(refuseAttach({ noDebug: true })).toContain('remove it');
    expect(refuseAttach({ noDebug: false })).toBeNull();
  });
});

describe('initialize', () => {
  it.each([
    [{}, null],
    [{ linesStartAt1: true, columnsStartAt1: true, pathFormat: 'path' }, null],
    [{ linesStartAt1: false }, 'from 1'],
    [{ columnsStartAt1: false }, 'from 1'],
    [{ pathFormat: 'uri' }, 'plain paths'],
  ])('%j', (args, refusal) => {
    if (refusal === null) expect(refuseInitialize(args)).toBeNull();
    else expect(refuseInitialize(args)).toContain(refusal);
  });

  it.each([
    [{ clientName: 'Visual Studio Code', clientID: 'vscode' }, 'Visual Studio Code'],
    [{ clientID: 'neovim' }, 'neovim'],
    [{ clientName: ' ' }, 'an editor'],
    [{ clientName: 5 }, 'an editor'],
    [undefined, 'an editor'],
    [{ clientName: 'x'.repeat(500) }, 'x'.repeat(80)],
  ])('the name of %j', (args, name) => {
    expect(editorName(args)).toBe(name);
  });
});
