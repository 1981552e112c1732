// What must hold whatever comes in whatever order: one response a request, and no id of one worker used for another.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isInteger, isObject, type JsonObject } from '../../../src/dap/messages.ts';
import { FILE, Stage } from './stage.ts';

type Step =
  | { readonly do: 'request'; readonly command: string; readonly args: JsonObject }
  /** A request about an id that the editor has seen, of whatever worker. */
  | { readonly do: 'about'; readonly pick: number }
  | { readonly do: 'up' | 'down' | 'cut' | 'stop' | 'run' | 'gone' | 'thread' | 'oversized' | 'refuse' }
  | { readonly do: 'answer'; readonly pick: number }
  | { readonly do: 'mute'; readonly muted: boolean }
  | { readonly do: 'pass'; readonly ms: number };

const COMMANDS: readonly (readonly [string, JsonObject])[] = [
  ['attach', {}],
  ['configurationDone', {}],
  ['setBreakpoints', { source: { path: FILE }, breakpoints: [{ line: 3 }] }],
  ['setBreakpoints', { source: { path: FILE }, breakpoints: [{ line: 4 }, { line: 3 }] }],
  ['setBreakpoints', { source: { path: '/w/b.py' }, breakpoints: [] }],
  ['setBreakpoints', { source: { sourceReference: 3 }, breakpoints: [{ line: 1 }] }],
  ['setBreakpoints', {}],
  ['setFunctionBreakpoints', { breakpoints: [{ name: 'f' }] }],
  ['setExceptionBreakpoints', { filters: [] }],
  ['threads', {}],
  ['continue', { threadId: 1 }],
  ['next', { threadId: 1 }],
  ['evaluate', { expression: 'x' }],
  ['evaluate', { expression: 'x', frameId: 3 }],
  ['cancel', { requestId: 5 }],
  ['setDebuggerProperty', { a: 1 }],
  ['debugpySystemInfo', {}],
  ['modules', {}],
  ['stepBack', {}],
  ['launch', {}],
  ['initialize', {}],
  ['restart', {}],
  ['terminate', {}],
  ['disconnect', {}],
];

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .constantFrom(...COMMANDS.slice(0, -2))
      .map(([command, args]) => ({ do: 'request', command, args }) as const),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...COMMANDS.slice(-2))
      .map(([command, args]) => ({ do: 'request', command, args }) as const),
  },
  { weight: 3, arbitrary: fc.nat(50).map((pick) => ({ do: 'about', pick }) as const) },
  {
    weight: 8,
    arbitrary: fc
      .constantFrom('up', 'up', 'down', 'cut', 'stop', 'run', 'thread', 'oversized', 'refuse')
      .map((what) => ({ do: what }) as const),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'gone' } as const) },
  { weight: 6, arbitrary: fc.nat(20).map((pick) => ({ do: 'answer', pick }) as const) },
  { weight: 2, arbitrary: fc.boolean().map((muted) => ({ do: 'mute', muted }) as const) },
  {
    weight: 4,
    arbitrary: fc.constantFrom(1, 50, 100, 450, 1000, 6000, 11_000).map((ms) => ({ do: 'pass', ms }) as const),
  },
);

/** Plays steps on a stage whose debugpy gives each worker's threads and frames names that tell the worker. */
class Play {
  readonly stage = new Stage();
  /** Thread ids that the editor has seen, with the connection that they came over. */
  readonly seen = new Map<number, number>();
  readonly #asked = new Set<number>();
  #generation = 0;
  #lost = false;
  #vanished = false;
  #checked = 0;

  run(steps: readonly Step[], attached: boolean): void {
    if (attached) {
      // Half of the plays begin where the interesting things happen.
      this.#step({ do: 'up' });
      this.stage.attach();
      this.#check();
    } else {
      this.stage.editor('initialize', { supportsProgressReporting: true });
    }
    for (const one of steps) {
      this.#step(one);
      this.#check();
    }
  }

  #step(one: Step): void {
    const { stage } = this;
    switch (one.do) {
      case 'request':
        if (stage.session.editor === null) stage.editor('initialize', {});
        stage.editor(one.command, one.args);
        return;
      case 'about': {
        const ids = [...this.seen.keys()];
        const threadId = ids[one.pick % Math.max(1, ids.length)];
        if (threadId === undefined || stage.session.editor === null) return;
        const before = stage.asked.length;
        stage.editor('stackTrace', { threadId });
        if (this.seen.get(threadId) !== stage.epoch) expect(stage.asked).toHaveLength(before);
        return;
      }
      case 'up':
        this.#generation += 1;
        return stage.up(this.#generation);
      case 'down':
        this.#lost = true;
        return stage.down(this.#generation);
      case 'cut':
        this.#lost = true;
        return stage.cut();
      case 'stop':
        return stage.stop(1);
      case 'run':
        return stage.event('continued', { threadId: 1, allThreadsContinued: true });
      case 'thread':
        return stage.event('thread', { reason: 'started', threadId: 5 });
      case 'oversized':
        return stage.feed({
          type: 'upstream-oversized',
          epoch: stage.epoch,
          requestSeq: stage.asked.at(-1)?.seq ?? null,
          bytes: 2e7,
        });
      case 'refuse': {
        const asked = stage.asked.at(-1);
        if (asked !== undefined) stage.reply(asked, undefined, 'refused');
        return;
      }
      case 'gone':
        this.#vanished = true;
        return stage.feed({ type: 'editor-gone' });
      case 'answer': {
        const asked = stage.asked.at(-1 - one.pick);
        if (asked !== undefined) stage.reply(asked, { variablesReference: 4 });
        return;
      }
      case 'mute':
        stage.auto = !one.muted;
        if (stage.auto) stage.feed({ type: 'upstream-open', epoch: stage.epoch });
        return;
      case 'pass':
        return stage.pass(one.ms);
    }
  }

  #check(): void {
    const { stage } = this;
    if (this.#lost) {
      // No debugpy can answer any more: nothing may be left open but the end of the editor's own start.
      const open = [...stage.sent].filter(([seq]) => !stage.answers.has(seq)).map(([, command]) => command);
      expect(open.filter((command) => command !== 'attach' && command !== 'disconnect')).toEqual(
        this.#vanished ? expect.anything() : [],
      );
      this.#lost = false;
    }
    for (const [seq, all] of stage.answers)
      if (all.length > 1) throw new Error(`${String(all.length)} responses to ${String(stage.sent.get(seq))}`);
    for (const { name, body } of stage.bodies.slice(this.#checked)) {
      if (name !== 'thread' || body['reason'] !== 'started' || !isInteger(body['threadId'])) continue;
      const whose = this.seen.get(body['threadId']) ?? stage.epoch;
      expect(whose).toBe(stage.epoch);
      this.seen.set(body['threadId'], stage.epoch);
    }
    this.#checked = stage.bodies.length;
    for (const asked of stage.asked) {
      if (asked.command !== 'stackTrace' || this.#asked.has(asked.seq + asked.epoch * 1e6)) continue;
      this.#asked.add(asked.seq + asked.epoch * 1e6);
      // debugpy counts from 1 again: what reaches it is small, whatever the editor's number was.
      expect(asked.arguments['threadId']).toBeLessThan(6);
    }
  }
}

describe('whatever happens', () => {
  it('gives each request exactly one response, and ids stay with their worker', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.boolean(), fc.boolean(), (steps, attached, muted) => {
        const play = new Play();
        play.stage.auto = !muted;
        play.run(steps, attached);
        const { stage } = play;
        // The editor leaves: whatever is open now is answered at the latest.
        const vanished = steps.some((one) => one.do === 'gone');
        if (stage.session.editor === null) stage.editor('initialize', {});
        stage.editor('disconnect');
        stage.pass(10_000);
        for (const seq of stage.sent.keys()) {
          const count = stage.answers.get(seq)?.length ?? 0;
          if (vanished) expect(count).toBeLessThanOrEqual(1);
          else expect({ command: stage.sent.get(seq), count }).toEqual({ command: stage.sent.get(seq), count: 1 });
        }
        expect(stage.session.wakeAt).toBeNull();
      }),
      { numRuns: 1500 },
    );
  });

  it('takes any message of debugpy, and any of the editor, without failing', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('event', 'response', 'request'), fc.string(), fc.jsonValue()), {
          maxLength: 20,
        }),
        (all) => {
          const stage = new Stage();
          stage.up(1);
          stage.attach();
          const names = ['stopped', 'thread', 'breakpoint', 'module', 'output', 'continued', 'process', 'invalidated'];
          all.forEach(([kind, name, body], i) => {
            const command = i % 2 === 0 ? (names[i % names.length] ?? name) : name;
            const args = isObject(body) ? body : {};
            if (kind === 'event') stage.event(command, isObject(body) ? body : { body });
            else if (kind === 'response') stage.reply({ epoch: stage.epoch, seq: i, command, arguments: {} }, body);
            else stage.editor(COMMANDS[i % 22]?.[0] ?? 'x', args);
          });
          expect([...stage.answers.values()].every((one) => one.length === 1)).toBe(true);
        },
      ),
    );
  });
});
