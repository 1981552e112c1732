import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdSpace, Ids } from '../../../src/dap/ids.ts';
import { argumentsToDebugpy, bodyToEditor, eventToEditor, StaleId } from '../../../src/dap/remap.ts';

describe('numbering', () => {
  it.each([0, 1] as const)('never gives an id twice, and knows the old ones (ids from %i)', (first) => {
    const epochs = fc.array(fc.array(fc.integer({ min: first, max: 500 }), { maxLength: 30 }), { maxLength: 8 });
    fc.assert(
      fc.property(epochs, (all) => {
        const space = new IdSpace(first);
        const owner = new Map<number, string>();
        all.forEach((ids, epoch) => {
          space.nextEpoch();
          for (const id of ids) {
            const shown = space.toEditor(id);
            const whose = `${String(epoch)}:${String(id)}`;
            expect(owner.get(shown) ?? whose).toBe(whose);
            owner.set(shown, whose);
            expect(space.toDebugpy(shown)).toBe(id);
          }
          for (const [shown, whose] of owner) {
            if (!whose.startsWith(`${String(epoch)}:`)) expect(space.toDebugpy(shown)).toBeNull();
          }
        });
      }),
    );
  });

  it('keeps 0 where it means none, and takes it as an id where it is one', () => {
    const ids = new Ids();
    ids.toEditor('variable', 7);
    ids.toEditor('goto', 0);
    ids.nextEpoch();
    expect(ids.toEditor('variable', 0)).toBe(0);
    expect(ids.toDebugpy('variable', 0)).toBe(0);
    expect(ids.toEditor('goto', 0)).toBe(2);
    expect(ids.toDebugpy('goto', 1)).toBeNull();
  });

  it('starts over long before 2^31', () => {
    const space = new IdSpace(1);
    space.toEditor(2 ** 30 + 5);
    space.nextEpoch();
    expect(space.toEditor(1)).toBe(1);
  });
});

describe('rewriting', () => {
  function aged(): Ids {
    const ids = new Ids();
    for (const kind of ['thread', 'frame', 'variable', 'source', 'module', 'goto', 'stepIn'] as const) {
      ids.toEditor(kind, 100);
    }
    ids.nextEpoch();
    return ids;
  }

  it.each([
    ['threads', { threads: [{ id: 1, name: 'a' }] }, { threads: [{ id: 101, name: 'a' }] }],
    [
      'stackTrace',
      {
        stackFrames: [
          { id: 2, moduleId: 3, source: { path: 'a', sourceReference: 4, sources: [{ sourceReference: 5 }] } },
        ],
      },
      {
        stackFrames: [
          { id: 102, moduleId: 105, source: { path: 'a', sourceReference: 104, sources: [{ sourceReference: 105 }] } },
        ],
      },
    ],
    [
      'scopes',
      { scopes: [{ variablesReference: 1, source: { sourceReference: 0 } }] },
      { scopes: [{ variablesReference: 101, source: { sourceReference: 0 } }] },
    ],
    [
      'variables',
      { variables: [{ variablesReference: 0 }, { variablesReference: 3 }] },
      { variables: [{ variablesReference: 0 }, { variablesReference: 103 }] },
    ],
    ['evaluate', { result: 'x', variablesReference: 1 }, { result: 'x', variablesReference: 101 }],
    ['setVariable', { variablesReference: 1 }, { variablesReference: 101 }],
    ['setExpression', { variablesReference: 1 }, { variablesReference: 101 }],
    ['gotoTargets', { targets: [{ id: 0 }] }, { targets: [{ id: 102 }] }],
    ['stepInTargets', { targets: [{ id: 0 }] }, { targets: [{ id: 102 }] }],
    ['modules', { modules: [{ id: 0 }, { id: 'x' }] }, { modules: [{ id: 102 }, { id: 'x' }] }],
    ['completions', { targets: [{ label: 'a', start: 1 }] }, { targets: [{ label: 'a', start: 1 }] }],
    ['odd', null, null],
    ['threads', { threads: 'none' }, { threads: 'none' }],
  ])('the answer to %s', (command, body, expected) => {
    expect(bodyToEditor(command, body, aged())).toEqual(expected);
  });

  it.each([
    ['stopped', { threadId: 1 }, { threadId: 101 }],
    [
      'output',
      { output: 'x', variablesReference: 2, source: { sourceReference: 1 } },
      { output: 'x', variablesReference: 102, source: { sourceReference: 101 } },
    ],
    ['module', { reason: 'new', module: { id: 0 } }, { reason: 'new', module: { id: 102 } }],
    ['invalidated', { threadId: 1, stackFrameId: 1 }, { threadId: 101, stackFrameId: 101 }],
    ['unknown', 7, 7],
  ])('the event %s', (name, body, expected) => {
    expect(eventToEditor(name, body, aged())).toEqual(expected);
  });

  it.each([
    ['stackTrace', { threadId: 101 }, { threadId: 1 }],
    ['scopes', { frameId: 102 }, { frameId: 2 }],
    ['variables', { variablesReference: 103, start: 0 }, { variablesReference: 3, start: 0 }],
    [
      'source',
      { sourceReference: 101, source: { sourceReference: 101 } },
      { sourceReference: 1, source: { sourceReference: 1 } },
    ],
    ['goto', { threadId: 101, targetId: 102 }, { threadId: 1, targetId: 0 }],
    ['stepIn', { threadId: 101, targetId: 102 }, { threadId: 1, targetId: 0 }],
    ['terminateThreads', { threadIds: [101, 102] }, { threadIds: [1, 2] }],
    ['anythingElse', { frameId: 101 }, { frameId: 1 }],
    ['evaluate', { expression: 'x' }, { expression: 'x' }],
    // A file is found by its path, however old the reference.
    ['gotoTargets', { source: { path: 'a', sourceReference: 5 }, line: 1 }, { source: { path: 'a' }, line: 1 }],
  ])('the arguments of %s', (command, args, expected) => {
    expect(argumentsToDebugpy(command, args, aged())).toEqual(expected);
  });

  it.each([
    ['stackTrace', { threadId: 100 }, 'this thread'],
    ['scopes', { frameId: 3 }, 'this stack frame'],
    ['variables', { variablesReference: 1 }, 'this variable'],
    ['source', { sourceReference: 1 }, 'this source'],
    ['source', { source: { sourceReference: 1 }, sourceReference: 0 }, 'this source'],
    ['goto', { threadId: 101, targetId: 3 }, 'this jump target'],
    ['stepIn', { threadId: 101, targetId: 3 }, 'this step-in target'],
  ])('refuses old ids in %s', (command, args, words) => {
    expect(() => argumentsToDebugpy(command, args, aged())).toThrow(StaleId);
    expect(() => argumentsToDebugpy(command, args, aged())).toThrow(`${words} belongs to a worker that is gone`);
  });
});
