// The agents of a replica, real ones, over cuts: what the daemon is told.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { AgentEvent } from '../../../src/agent/protocol.ts';
import type { Cut } from '../../../src/agent/wire.ts';
import type { Replica } from '../../../src/core/types.ts';
import { ReplicaAgents } from '../../../src/daemon/replica-agents.ts';
import type { DebugwandError } from '../../../src/lib/errors.ts';
import { FakeTarget } from '../../support/fake-target.ts';
import { until } from '../../support/until.ts';

const never = new AbortController().signal;

let target: FakeTarget;
let pool: ReplicaAgents;
let cuts: (Cut | null)[];
let lost: DebugwandError[];
let said: string[];
let events: AgentEvent[];

async function begin(seconds: number): Promise<void> {
  const replica: Replica = await until(async () => {
    for await (const { replicas } of target.watch(never)) return replicas[0];
    return undefined;
  }, 'a replica');
  const hooks = {
    onEvent: (event: AgentEvent) => events.push(event),
    onLost: (error: DebugwandError) => lost.push(error),
    onProgress: (text: string) => said.push(text),
    onCut: (cut: Cut | null) => cuts.push(cut),
  };
  pool = new ReplicaAgents(target, replica, seconds, hooks, never);
}

beforeEach(() => {
  target = new FakeTarget({ helper: true });
  target.start();
  [cuts, lost, said, events] = [[], [], [], []];
});

afterEach(async () => {
  await pool.close();
  await target.close();
});

test('agents of all rungs are kept over a cut, and told of as one', async () => {
  await begin(20);
  const agent = await pool.watch();
  const helper = await pool.forRung('helper-container', null);
  target.cut();
  await Promise.all([agent.request('ping', {}, never), helper.request('ping', {}, never)]);
  await until(() => cuts.at(-1) === null, 'all are back');
  expect(cuts[0]?.until).toBeGreaterThan(Date.now());
  expect(lost).toEqual([]);
  expect(said.filter((text) => text === 'the connection into fake is back')).toHaveLength(2);
  // By the rung that each came in by.
  expect(target.execs.filter(({ helper: beside }) => beside).length).toBe(2);
  expect(target.execs.length).toBe(4);
  expect(await pool.forRung('helper-container', null)).toBe(helper);
  const before = events.length;
  await pool.refresh();
  await until(() => events.length > before, 'it still watches');
});

test('without a lease, and after it, the agent is lost', async () => {
  await begin(0);
  await pool.watch();
  target.cut();
  await until(() => lost.length > 0, 'lost');
  expect(cuts).toEqual([]);

  await begin(0.2);
  await pool.watch();
  target.cut();
  for (let count = 0; count < 20; count += 1) target.failNext('exec', new Error('unreachable'));
  await until(() => lost.length > 1, 'lost');
  expect(lost[1]?.message).toMatch(/could not be reached again in time/);
  await until(() => cuts.at(-1) === null, 'nothing is waited for any more');
  expect(said.some((text) => text.includes('is back'))).toBe(false);
});

test('a replica that is gone is waited for no longer', async () => {
  await begin(20);
  await pool.watch();
  target.cut();
  target.stop();
  await until(() => lost.length > 0, 'lost');
  expect(lost[0]?.code).toBe('agent-lost');
});
