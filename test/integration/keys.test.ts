/** The keys of `wand watch` on a real terminal, with a real server of several workers and an editor. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StatusReport, TargetReport } from '../../src/core/status.ts';
import type { DapClient } from '../support/dap-client.ts';
import { EditorTree } from '../support/editor-tree.ts';
import { assertGoodSession, connectEditor } from '../support/invariants.ts';
import { getOrSkip } from '../support/machine.ts';
import { ALL_PACKAGES } from '../support/packages.ts';
import { venv } from '../support/python.ts';
import { writeConfig } from '../support/rig.ts';
import { SETUPS, start, type Running } from '../support/servers.ts';
import { Terminal } from '../support/terminal.ts';
import { until } from '../support/until.ts';
import { bin, wand } from '../support/wand.ts';

const environment = await getOrSkip(() => venv('3.14', ALL_PACKAGES));

describe.skipIf(environment === undefined)('keys of wand watch on a terminal', () => {
  let running: Running;
  let terminal: Terminal;
  let port: number;

  beforeEach(async () => {
    const setup = SETUPS.find(({ name }) => name === 'uvicorn-workers');
    if (setup === undefined) throw new Error('no setup uvicorn-workers');
    running = await start(setup, join(environment ?? '', 'bin'));
    const { dir } = running.place;
    ({ app: port = 0 } = await writeConfig(dir, { app: { process: { pid: running.pid } } }));
    await until(() => running.who(), 'the app answers', 30_000);
    terminal = await Terminal.start([process.execPath, bin(), 'watch'], { cwd: dir });
    await terminal.shows('attached', 0, 60_000);
  });

  afterEach(async () => {
    await terminal[Symbol.asyncDispose]();
    await running.stop();
  });

  async function status(): Promise<TargetReport> {
    const { stdout } = await wand(['status', '--json'], { cwd: running.place.dir });
    const [target] = (JSON.parse(stdout) as StatusReport).targets;
    if (target === undefined) throw new Error('no target');
    return target;
  }

  /** Presses a key; resolves with the worker that the editor is told it got. */
  async function moved(editor: DapClient, key: string): Promise<number> {
    const after = editor.mark();
    terminal.type(key);
    const isTold = ({ output }: Record<string, unknown>): boolean => String(output).startsWith('attached to worker');
    const { body } = await editor.waitFor('output', isTold, { after, timeoutMs: 30_000 });
    return Number(/attached to worker (\d+)/.exec((body as { output: string }).output)?.[1]);
  }

  it('w moves the session to the next worker, round and round, and q gives the terminal back', async () => {
    expect(await terminal.modes()).toMatchObject({ canonical: false, echo: false });
    const editor = await connectEditor(port, 30_000);
    await editor.attach({});
    const { workers, worker } = await status();
    const all = workers.map(({ pid }) => pid);
    expect(all).toHaveLength(3);
    const seen = [worker?.pid];
    for (const _ of all) {
      const mark = terminal.mark();
      const next = await moved(editor, 'w');
      seen.push(next);
      // The status line, too.
      await terminal.shows(new RegExp(`attached.*worker ${String(next)}|worker ${String(next)}.*attached`), mark);
    }
    expect(new Set(seen.slice(0, 3))).toEqual(new Set(all));
    expect(seen[3]).toBe(seen[0]);
    // r: the same worker, entered anew.
    expect(await moved(editor, 'r')).toBe(seen[0]);
    await assertGoodSession(editor);
    terminal.type('q');
    expect(await terminal.exited).toBe(0);
    await until(() => editor.closed, 'the end of the session');
    expect(await running.who()).toBeGreaterThan(0);
  });

  it('w says why where every worker has a session of its own', async () => {
    const editor = await EditorTree.attach(port, {});
    await editor.attached(3);
    const before = (await status()).workers.map(({ slot, pid }) => [slot, pid]);
    const mark = terminal.mark();
    terminal.type('w');
    await terminal.shows('every other worker of app has a debug session of its own', mark);
    expect((await status()).workers.map(({ slot, pid }) => [slot, pid])).toEqual(before);
    await editor.assertGood();
    editor.destroy();
  });
});
