/**
 * Conformance: what real editors once said is said again to a real wand over a real app. Each answer and event is checked
 * against the protocol's schema, each request has one response, and the rules of order hold.
 */
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Conversation, StageAction } from '../support/editors/conversation.ts';
import { orderFaults } from '../support/editors/order.ts';
import { Replay } from '../support/editors/replay.ts';
import { DapClient } from '../support/dap-client.ts';
import { DapSchema } from '../support/dap-schema.ts';
import { debugpyVenv } from '../support/dap-worker.ts';
import { Rig } from '../support/rig.ts';
import { startLocalApp } from '../support/sample-app.ts';

const FOLDER = join(import.meta.dirname, '../fixtures/dap');
const names = globSync('*.json', { cwd: FOLDER }).map((file) => basename(file, '.json'));

async function recorded(name: string): Promise<Conversation> {
  return JSON.parse(await readFile(join(FOLDER, `${name}.json`), 'utf8')) as Conversation;
}

describe('a recorded conversation', () => {
  let schema: DapSchema;

  beforeAll(async () => {
    schema = await DapSchema.load(await debugpyVenv());
  });

  it('there are some', () => {
    expect(names).toEqual(expect.arrayContaining(['dape', 'nvim-dap']));
  });

  it.each(names)('of %s is in order', async (name) => {
    expect(orderFaults((await recorded(name)).entries)).toEqual([]);
  });

  it.each(names)('of %s goes the same way again', async (name) => {
    const app = await startLocalApp();
    const rig = await Rig.start(app, Rig.processOf(app));
    let answer: Promise<unknown> = Promise.resolve();
    let factor = 3;
    const stage = async (action: StageAction): Promise<void> => {
      switch (action) {
        case 'request':
          await app.answers();
          answer = app.price(14);
          answer.catch(() => undefined);
          return;
        case 'answered':
          expect(await answer).toEqual({ total: 14 * factor });
          return;
        case 'save':
          factor += 1;
          return app.setFactor(factor);
        case 'kill':
          process.kill(await rig.worker(), 'SIGKILL');
          return;
        default:
          action satisfies never;
      }
    };
    try {
      await rig.attached();
      const client = await DapClient.connect(rig.port, { schema, timeoutMs: 60_000 });
      const conversation = await recorded(name);
      const { entries, differences } = await new Replay(
        conversation,
        [['/app/', `${app.folder}/`]],
        client,
        stage,
      ).play();
      expect(differences).toEqual([]);
      expect(client.violations).toEqual([]);
      expect(orderFaults(entries)).toEqual([]);
      const stops = entries.filter((entry) => entry.from === 'wand' && entry.message.event === 'stopped');
      const then = conversation.entries.filter((entry) => entry.from === 'wand' && entry.message.event === 'stopped');
      expect(stops).toHaveLength(then.length);
      client.destroy();
    } finally {
      await rig.stop();
    }
  });
});
