import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Action, Plan } from '../../../src/core/plan.ts';
import { Reconciler, type ReconcilerParts } from '../../../src/daemon/reconciler.ts';

const QUIET: Plan = { actions: [], wakeAt: null, phase: 'waiting', message: 'all is well', error: null };
const ACTION: Action = { type: 'session-down', generation: 1 };
const open: Reconciler[] = [];

function reconciler(parts: Partial<ReconcilerParts>): { loop: Reconciler; settled: string[]; faults: string[] } {
  const [settled, faults]: [string[], string[]] = [[], []];
  const loop = new Reconciler({
    observe: (state, seen) =>
      seen.type === 'editor' ? { ...state, editor: { ...seen, stoppedAt: null, children: false } } : state,
    plan: () => QUIET,
    act: () => undefined,
    onSettled: ({ message }) => settled.push(message),
    onFault: (text) => faults.push(text),
    ...parts,
  });
  open.push(loop);
  return { loop, settled, faults };
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  for (const loop of open.splice(0)) loop.close();
});

/** Throws as often as it is told. */
function faulty(times: number): () => void {
  let left = times;
  return () => {
    left -= 1;
    if (left >= 0) throw new Error('a fault of ours');
  };
}

describe('a fault of ours', () => {
  it.each<[string, (fail: () => void) => Partial<ReconcilerParts>]>([
    ['in the plan', (fail) => ({ plan: () => (fail(), QUIET) })],
    ['in an action', (fail) => ({ plan: () => ({ ...QUIET, actions: [ACTION] }), act: fail })],
    [
      'in an observation posted by an action',
      (fail) => ({
        plan: ({ editor }) => (editor.connected ? QUIET : { ...QUIET, actions: [ACTION] }),
        act: () => open.at(-1)?.post({ type: 'editor', connected: true, client: null }),
        observe: (state, seen) => {
          if (seen.type !== 'editor') return state;
          fail();
          return { ...state, editor: { ...seen, stoppedAt: null, children: false } };
        },
      }),
    ],
  ])('%s is told once, shown, and tried again by itself', (_name, parts) => {
    const { loop, settled, faults } = reconciler(parts(faulty(2)));
    loop.post({ type: 'retry' });
    expect(loop.plan).toMatchObject({ phase: 'blocked', message: 'a fault of ours', error: { code: 'internal' } });
    vi.advanceTimersByTime(999);
    expect(settled).toHaveLength(1);
    vi.advanceTimersByTime(1_100);
    expect(loop.plan.phase).toBe('waiting');
    expect(settled).toEqual(['a fault of ours', 'a fault of ours', 'all is well']);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain('reconciler.test.ts');
  });

  it('does not keep the next observation out', () => {
    const { loop } = reconciler({ plan: ((fail) => () => (fail(), QUIET))(faulty(1)) });
    loop.post({ type: 'retry' });
    expect(loop.plan.phase).toBe('blocked');
    loop.post({ type: 'editor', connected: true, client: 'vscode' });
    expect(loop.plan.phase).toBe('waiting');
    expect(loop.state.editor.client).toBe('vscode');
  });
});

describe('the rounds', () => {
  /** Asks for an action in the first `rounds` plans; each action posts. */
  function busy(rounds: number): ReturnType<typeof reconciler> {
    let planned = 0;
    return reconciler({
      plan: () => ({ ...QUIET, actions: ++planned <= rounds ? [ACTION] : [] }),
      act: () => open.at(-1)?.post({ type: 'retry' }),
    });
  }

  it.each([
    [1, 0],
    [49, 0],
    [50, 1],
  ])('%i with work, and then quiet: %i faults', (rounds, count) => {
    const { loop, faults } = busy(rounds);
    loop.post({ type: 'retry' });
    expect(faults).toHaveLength(count);
  });

  it('what settling brings up is done, too', () => {
    let told = false;
    const { loop } = reconciler({
      onSettled: () => {
        if (!told) open.at(-1)?.post({ type: 'editor', connected: true, client: 'late' });
        told = true;
      },
      plan: ({ editor }) => ({ ...QUIET, message: editor.client ?? 'none' }),
    });
    loop.post({ type: 'retry' });
    vi.advanceTimersByTime(10);
    expect(loop.plan.message).toBe('late');
  });
});
