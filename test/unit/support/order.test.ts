import { describe, expect, test } from 'vitest';
import type { DapEntry, Entry } from '../../support/editors/conversation.ts';
import { orderFaults } from '../../support/editors/order.ts';

/** `> attach` is asked, `< attach` answered, anything else an event: `stopped 1`, `thread started 1`, `attached`. */
function conversation(lines: string): Entry[] {
  const seqs = new Map<string, number>();
  return lines.split('; ').map((line, index): Entry => {
    const [first = '', second = '', third = ''] = line.split(' ');
    if (first === '>') {
      seqs.set(second, index);
      const message: DapEntry = {
        seq: index,
        type: 'request',
        command: second,
        arguments: { threadId: Number(third) },
      };
      return { from: 'editor', message };
    }
    if (first === '<') {
      const request_seq = seqs.get(second) ?? -1;
      return { from: 'wand', message: { seq: index, type: 'response', command: second, request_seq, success: true } };
    }
    const event = first === 'attached' ? 'output' : first;
    const body =
      event === 'output'
        ? { output: 'attached to worker 7 (0.1 s)' }
        : event === 'thread'
          ? { reason: second, threadId: Number(third) }
          : { threadId: Number(second) };
    return { from: 'wand', message: { seq: index, type: 'event', event, body } };
  });
}

const START = '> attach; initialized; > configurationDone; < configurationDone; < attach; thread started 1; attached';

describe('a conversation in order', () => {
  test.each([
    START,
    `${START}; stopped 1; > continue; < continue; stopped 1; > next 1; < next; stopped 1`,
    `${START}; stopped 1; continued 1; thread exited 1; thread started 2; attached; stopped 2`,
    `${START}; > disconnect; terminated; < disconnect; > terminate`,
  ])('%s', (lines) => {
    expect(orderFaults(conversation(lines))).toEqual([]);
  });
});

describe('a breach is named', () => {
  test.each([
    ['> attach; initialized; < attach', '"attach" was answered before the configuration was done'],
    [`${START}; initialized`, '"initialized" came twice'],
    [`${START}; terminated`, '"terminated" came although the editor had not left'],
    [`${START}; exited`, '"exited" came although the editor had not left'],
    [`${START}; stopped 1; thread exited 1`, 'thread 1 exited while its stop was on the screen'],
    [`${START}; thread exited 1; thread started 2; stopped 2`, '"stopped" came before the editor knew the worker'],
    [`${START}; > threads`, '"threads" was never answered'],
    [`${START}; > threads; < threads; < threads`, 'a response to "threads", which is not open'],
  ])('%s', (lines, fault) => {
    expect(orderFaults(conversation(lines))).toEqual([fault]);
  });
});
