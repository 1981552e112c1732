import { describe, expect, it } from 'vitest';
import { invalidList, listForDebugpy } from '../../../src/dap/breakpoint-lists.ts';
import { Ids } from '../../../src/dap/ids.ts';

const source = { path: '/w/app.py' };

describe('a list of breakpoints', () => {
  it('keeps conditions, hit conditions, log points and what it does not know', () => {
    const spec = { line: 3, condition: 'a', hitCondition: '>2', logMessage: '{x}', mode: 'm', column: 2 };
    expect(listForDebugpy('setBreakpoints', { source, breakpoints: [spec], sourceModified: true }, new Ids())).toEqual({
      source,
      breakpoints: [spec],
    });
  });

  it('does not send what debugpy cannot have', () => {
    const args = { source: { sourceReference: 4 }, breakpoints: [{ line: 1 }] };
    expect(listForDebugpy('setBreakpoints', args, new Ids())).toBeNull();
  });

  it.each([
    ['setBreakpoints', { breakpoints: [] }, 'needs a source'],
    ['setBreakpoints', { source, breakpoints: 'x' }, 'must be a list'],
    ['setBreakpoints', { source, breakpoints: [null] }, 'must be a list'],
    ['setBreakpoints', { source, breakpoints: [{}] }, 'needs a line'],
    ['setBreakpoints', { source, breakpoints: [{ line: 1, condition: 5 }] }, 'condition must be a string'],
    ['setBreakpoints', { source, breakpoints: [{ line: 1, hitCondition: 5 }] }, 'hitCondition must be a string'],
    ['setFunctionBreakpoints', { breakpoints: [{}] }, 'needs a name'],
  ] as const)('refuses %s %#', (command, args, message) => {
    expect(invalidList(command, args)).toContain(message);
  });

  it.each([
    ['setBreakpoints', { source }],
    ['setBreakpoints', { source, breakpoints: [{ line: 1, condition: null }] }],
    ['setFunctionBreakpoints', { breakpoints: [{ name: 'f' }] }],
    ['setExceptionBreakpoints', {}],
  ] as const)('accepts %s %#', (command, args) => {
    expect(invalidList(command, args)).toBeNull();
  });

  it.each([
    ['setExceptionBreakpoints', {}, { filters: [] }],
    ['setExceptionBreakpoints', { filters: null, filterOptions: [] }, { filters: [], filterOptions: [] }],
    ['setFunctionBreakpoints', {}, { breakpoints: [] }],
    // The path finds the file, however old the reference.
    ['setBreakpoints', { source: { path: 'a', sourceReference: 9 } }, { source: { path: 'a' }, breakpoints: [] }],
  ] as const)('gives debugpy what it would die without: %s %#', (command, args, expected) => {
    const ids = new Ids();
    ids.toEditor('source', 9);
    ids.nextEpoch();
    expect(listForDebugpy(command, args, ids)).toEqual(expected);
  });
});
