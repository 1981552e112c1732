import { describe, expect, it } from 'vitest';
import { BreakpointStore, WAITING_MESSAGE } from '../../../src/dap/breakpoints.ts';

const source = { path: '/w/app.py' };

function set(store: BreakpointStore, breakpoints: object[], more: object = {}): ReturnType<BreakpointStore['set']> {
  return store.set('setBreakpoints', { source, breakpoints, ...more });
}

describe('breakpoints', () => {
  it('waits for a worker', () => {
    const store = new BreakpointStore();
    const list = set(store, [{ line: 3 }, { line: 9 }]);
    expect(store.answer(list)).toEqual({
      breakpoints: [
        { id: 1, verified: false, message: WAITING_MESSAGE, source },
        { id: 2, verified: false, message: WAITING_MESSAGE, source },
      ],
    });
  });

  it.each([
    ['the same', [{ line: 3 }, { line: 9 }], [1, 2]],
    ['another order', [{ line: 9 }, { line: 3 }], [2, 1]],
    ['one more', [{ line: 3 }, { line: 5 }, { line: 9 }], [1, 3, 2]],
    ['one less', [{ line: 9 }], [2]],
    ['another condition on the same line', [{ line: 3, condition: 'x' }, { line: 9 }], [1, 2]],
    ['two on one line: the same one keeps its id', [{ line: 3, condition: 'x' }, { line: 3 }, { line: 9 }], [3, 1, 2]],
    ['none', [], []],
  ])('keeps ids: %s', (_, next, ids) => {
    const store = new BreakpointStore();
    store.answer(set(store, [{ line: 3 }, { line: 9 }]));
    const answer = store.answer(set(store, next));
    expect(answer['breakpoints']).toMatchObject(ids.map((id) => ({ id })));
  });

  it('tells only what changed, and once', () => {
    const store = new BreakpointStore();
    const list = set(store, [{ line: 3 }, { line: 9 }]);
    store.answer(list);
    store.answered(
      list,
      {
        breakpoints: [
          { id: 0, verified: true, line: 4 },
          { id: 1, verified: false, message: 'no' },
        ],
      },
      true,
      undefined,
    );
    expect(store.news()).toEqual([
      { reason: 'changed', breakpoint: { id: 1, verified: true, line: 4, source } },
      { reason: 'changed', breakpoint: { id: 2, verified: false, message: 'no', source } },
    ]);
    expect(store.news()).toEqual([]);
    expect(store.changed({ id: 1, verified: true, line: 9 })).toBe(true);
    expect(store.changed({ id: 77, verified: true })).toBe(false);
    expect(store.news()).toHaveLength(1);
    expect(store.counts()).toEqual({ breakpoints: 2, verified: 2 });
  });

  it('keeps the line of a lost worker, and is quiet when the next one agrees', () => {
    const store = new BreakpointStore();
    const list = set(store, [{ line: 3 }]);
    store.answered(list, { breakpoints: [{ id: 0, verified: true, line: 4 }] }, true, undefined);
    store.answer(list);
    store.unset();
    expect(store.counts().verified).toBe(0);
    store.answered(list, { breakpoints: [{ id: 0, verified: true, line: 4 }] }, true, undefined);
    expect(store.news()).toEqual([]);
    store.unset();
    expect(store.news()).toEqual([
      { reason: 'changed', breakpoint: { id: 1, verified: false, message: WAITING_MESSAGE, line: 4, source } },
    ]);
  });

  it('does not take ids of debugpy from before', () => {
    const store = new BreakpointStore();
    const first = set(store, [{ line: 3 }]);
    store.answered(first, { breakpoints: [{ id: 0, verified: true }] }, true, undefined);
    expect(store.idsToEditor([0, 5])).toEqual([1]);
    const second = set(store, [{ line: 8 }]);
    expect(store.idsToEditor([0])).toEqual([]);
    // The answer to a list that has been replaced binds nothing.
    store.answered(first, { breakpoints: [{ id: 1, verified: true }] }, true, undefined);
    expect(store.idsToEditor([1])).toEqual([]);
    store.answered(second, { breakpoints: [{ id: 2, verified: true, line: 8 }] }, true, undefined);
    expect(store.idsToEditor([2])).toEqual([2]);
    expect(store.placeOf(2)).toBe('app.py:8');
    store.unset();
    expect(store.idsToEditor([2])).toEqual([]);
  });

  it('remembers the last list of every source, empty ones too', () => {
    const store = new BreakpointStore();
    set(store, [{ line: 3 }]);
    store.set('setBreakpoints', { source: { path: '/w/b.py' }, breakpoints: [{ line: 1 }] });
    store.set('setFunctionBreakpoints', { breakpoints: [{ name: 'f', condition: 'c' }] });
    store.set('setExceptionBreakpoints', { filters: ['raised'], filterOptions: [{ filterId: 'x' }] });
    set(store, [], { sourceModified: true });
    expect(store.lists().map((list) => list.args)).toEqual([
      { source: { path: '/w/b.py' }, breakpoints: [{ line: 1 }] },
      { breakpoints: [{ name: 'f', condition: 'c' }] },
      { filters: ['raised'], filterOptions: [{ filterId: 'x' }] },
      { source, breakpoints: [], sourceModified: true },
    ]);
  });

  it('forgets empty lists beyond a thousand, never others', () => {
    const store = new BreakpointStore();
    set(store, [{ line: 1 }]);
    for (let i = 0; i < 1500; i++)
      store.set('setBreakpoints', { source: { path: `/w/${String(i)}.py` }, breakpoints: [] });
    expect(store.lists()).toHaveLength(1001);
    expect(store.counts().breakpoints).toBe(1);
  });
});
