/** The keeper and what no editor of today says: requests of versions to come, fields that nobody knows, all of the protocol. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DapClient } from '../support/dap-client.ts';
import { DapSchema } from '../support/dap-schema.ts';
import { DapWorker, debugpyVenv, WORKER_FILE, WORKER_LINE } from '../support/dap-worker.ts';
import { Keeper } from '../support/keeper.ts';

/** What ends the session, or is about how it begins. */
const FRAMES_OF_A_SESSION = ['initialize', 'attach', 'launch', 'configurationDone', 'disconnect', 'terminate'];
/** What the debugger may ask the editor, not the other way round. */
const REVERSE = ['runInTerminal', 'startDebugging'];
const HERE = { [WORKER_FILE]: [{ line: WORKER_LINE }] };

let venv = '';
let schema: DapSchema;
const open: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  venv = await debugpyVenv();
  schema = await DapSchema.load(venv);
});

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

async function keeper(): Promise<Keeper> {
  const held = await Keeper.start();
  open.push(() => held.port.close());
  return held;
}

async function editorOf(held: Keeper): Promise<DapClient> {
  const editor = await held.editor({ schema });
  open.push(() => {
    editor.destroy();
    return Promise.resolve(expect(editor.violations).toEqual([]));
  });
  return editor;
}

async function workerFor(held: Keeper, generation = 1): Promise<DapWorker> {
  const worker = await DapWorker.start(venv);
  open.push(() => worker.kill());
  held.port.workerUp(worker.link(generation));
  return worker;
}

describe('all requests of the protocol, and some of a later one', () => {
  const unknown = ['futureThing', 'locations', 'setBreakpointsV2', 'Threads', '', 'a'.repeat(1000)];

  it.each(['no worker', 'a worker that runs', 'a worker that is stopped'] as const)(
    'have one answer each, with %s',
    { timeout: 60_000 },
    async (state) => {
      const held = await keeper();
      const worker = state === 'no worker' ? null : await workerFor(held);
      const editor = await editorOf(held);
      await editor.attach(state === 'a worker that is stopped' ? HERE : {});
      if (worker !== null) await held.verified(1);
      if (state === 'a worker that is stopped') await editor.waitFor('stopped');
      const known = schema.requests.filter((command) => ![...FRAMES_OF_A_SESSION, ...REVERSE].includes(command));
      expect(known).toEqual(expect.arrayContaining(['setInstructionBreakpoints', 'readMemory', 'disassemble']));
      // Resuming comes last: a thread that runs has other answers.
      const rank = (command: string): number =>
        Number(/^(continue|next|step(In|Out|Back)|reverseContinue|goto|pause)$/.test(command));
      const commands = [...known, ...unknown].toSorted((a, b) => rank(a) - rank(b));
      const answers = await Promise.all(commands.map((command) => editor.ask(command, {})));
      expect(answers.map(({ command }) => command)).toEqual(commands);
      for (const { command, success, message } of answers) {
        // Who is refused is told why.
        if (success !== true)
          expect({ command, message }).toEqual({ command, message: expect.stringMatching(/\w{3}/) as unknown });
        if (unknown.includes(command ?? '')) expect({ command, success }).toEqual({ command, success: false });
      }
      await editor.request('setBreakpoints', { source: { path: WORKER_FILE }, breakpoints: [] });
      await editor.disconnect();
      await worker?.runs();
    },
  );
});

describe('fields of a later version', () => {
  it('in every message of a session change nothing', async () => {
    const held = await keeper();
    await workerFor(held);
    const editor = await editorOf(held);
    const later = { futureField: { deep: [1, null, 'x'] }, supportsFuture: true };
    await editor.attach(
      { [WORKER_FILE]: [{ line: WORKER_LINE, mode: 'future', ...later }] },
      { initialize: later, attach: { ...later, __future: 1 } },
    );
    const { threadId } = (await editor.waitFor('stopped')).body as { threadId: number };
    const { stackFrames } = await editor.request<{ stackFrames: { id: number; line: number }[] }>('stackTrace', {
      threadId,
      ...later,
    });
    expect(stackFrames[0]?.line).toBe(WORKER_LINE);
    const frameId = stackFrames[0]?.id;
    expect(
      await editor.request('evaluate', { expression: '6 * 7', frameId, context: 'future', ...later }),
    ).toMatchObject({
      result: '42',
    });
    await editor.request('next', { threadId, granularity: 'future', ...later });
    await editor.disconnect({ suspendDebuggee: false, ...later });
  });

  it('around a request, and messages that are no request, change nothing', async () => {
    const held = await keeper();
    const editor = await editorOf(held);
    editor.write(JSON.stringify({ seq: 1, type: 'event', event: 'future', body: {} }));
    editor.write(JSON.stringify({ seq: 2, type: 'response', request_seq: 77, command: 'future', success: true }));
    await editor.attach();
    editor.write(
      JSON.stringify({ seq: 3, type: 'response', request_seq: 77, command: 'startDebugging', success: false }),
    );
    const odd = { command: 'threads', future: true, arguments: null };
    const answer = await editor.askAs(odd);
    expect(answer).toMatchObject({ success: true, body: { threads: [] } });
    // Without arguments at all, as nvim-dap asks.
    expect(await editor.askAs({ command: 'threads' })).toMatchObject({ success: true });
    await editor.disconnect();
  });
});
