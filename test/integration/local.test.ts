/** A process of this machine: what an editor can do in one session, and that it all survives a reload. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectEditor } from '../support/invariants.ts';
import { freePort } from '../support/machine.ts';
import { lookAt, Rig } from '../support/rig.ts';
import { folder } from '../support/folder.ts';
import { BREAKPOINT_LINE, startLocalApp, type SampleApp } from '../support/sample-app.ts';
import { until } from '../support/until.ts';
import { wand, WandDaemon } from '../support/wand.ts';

interface Breakpoints {
  readonly breakpoints: readonly { readonly id: number; readonly verified: boolean; readonly line?: number }[];
}

/** Which tools of `sys.monitoring` are at work inside the worker, and whether any thread is traced. */
const PROBE = `import sys, threading, json
tools = [i for i in range(6) if sys.monitoring.get_tool(i) is not None and sys.monitoring.get_events(i)]
print(json.dumps({"tools": tools, "trace": any(sys._current_frames().get(t.ident) is not None and sys._current_frames()[t.ident].f_trace is not None for t in threading.enumerate())}))
`;

describe('one session on a local app', () => {
  let app: SampleApp;
  let rig: Rig;

  beforeAll(async () => {
    app = await startLocalApp();
    await writeFile(join(app.folder, 'probe.py'), PROBE);
    rig = await Rig.start(app, Rig.processOf(app));
    await rig.attached();
    await rig.attach();
  });

  afterAll(async () => {
    await rig.stop();
  });

  const set = async (breakpoints: readonly object[]): Promise<Breakpoints> =>
    rig.editor.request<Breakpoints>('setBreakpoints', { source: { path: rig.file }, breakpoints });

  /** Sends a request; what stops is looked at, and goes on. Null: it came through. */
  async function trial(amount: number): Promise<Awaited<ReturnType<typeof lookAt>> | null> {
    const after = rig.editor.mark();
    let total: number | null = null;
    const answer = app.price(amount).then((body) => (total = body.total));
    const stopped = rig.editor.waitFor('stopped', undefined, { after });
    const first = await Promise.race([stopped.catch(() => null), answer.then(() => null)]);
    if (first === null) {
      stopped.catch(() => undefined);
      expect(total).not.toBeNull();
      return null;
    }
    const stop = await lookAt(rig.editor, first);
    await rig.editor.request('continue', { threadId: stop.threadId });
    await answer;
    return stop;
  }

  it('shows and changes what is there while stopped', async () => {
    const after = rig.editor.mark();
    const answer = app.price(14);
    const stop = await lookAt(rig.editor, await rig.editor.waitFor('stopped', undefined, { after }));
    expect(stop).toMatchObject({ name: 'price', line: BREAKPOINT_LINE, reason: 'breakpoint', path: rig.file });
    expect(stop.variables).toMatchObject({ amount: '14', total: '42' });
    const { frameId } = stop;
    expect(await rig.editor.request('evaluate', { expression: 'total * 2', frameId, context: 'hover' })).toMatchObject({
      result: '84',
    });
    expect(
      await rig.editor.request('setVariable', { variablesReference: stop.scope, name: 'total', value: '1000' }),
    ).toMatchObject({ value: '1000' });
    const { targets } = await rig.editor.request<{ targets: { label: string }[] }>('completions', {
      frameId,
      text: 'tot',
      column: 4,
    });
    expect(targets.map(({ label }) => label)).toContain('total');
    await rig.editor.request('continue', { threadId: stop.threadId });
    expect(await answer).toEqual({ total: 1000 });
  });

  it('steps', async () => {
    await set([{ line: BREAKPOINT_LINE - 1 }]);
    const after = rig.editor.mark();
    const answer = app.price(7);
    const { threadId } = await lookAt(rig.editor, await rig.editor.waitFor('stopped', undefined, { after }));
    const mark = rig.editor.mark();
    await rig.editor.request('next', { threadId });
    const stepped = await rig.editor.waitFor('stopped', undefined, { after: mark });
    expect(await lookAt(rig.editor, stepped)).toMatchObject({
      reason: 'step',
      line: BREAKPOINT_LINE,
      variables: { total: '21' },
    });
    await rig.editor.request('continue', { threadId });
    await answer;
    await set([{ line: BREAKPOINT_LINE }]);
  });

  it('keeps verified breakpoints with their ids over a reload', async () => {
    const { breakpoints } = await set([{ line: BREAKPOINT_LINE }]);
    await rig.reattached(() => app.setFactor(4));
    const again = await set([{ line: BREAKPOINT_LINE }]);
    expect(again.breakpoints).toMatchObject([{ id: breakpoints[0]?.id, verified: true, line: BREAKPOINT_LINE }]);
    expect(await rig.hit(10)).toMatchObject({ total: 40, variables: { total: '40' } });
  });

  it('knows a breakpoint that is set while no worker is there', async () => {
    const ended = rig.editor.next('output', ({ output }) => /exited/.test(String(output)));
    const mark = rig.editor.mark();
    await app.edit((text) => `${text}\nsyntax error\n`);
    await ended;
    const { breakpoints } = await set([{ line: BREAKPOINT_LINE, condition: 'amount == 99' }]);
    expect(breakpoints).toMatchObject([{ verified: false }]);
    await rig.editor.waitFor('progressStart', undefined, { after: mark });
    await rig.reattached(() => app.edit((text) => text.replace('\nsyntax error\n', '')));
    await rig.editor.waitFor('progressEnd', undefined, { after: mark });
    expect(rig.editor.events('breakpoint', mark).at(-1)).toMatchObject({ breakpoint: { verified: true } });
    expect(await trial(98)).toBeNull();
    expect(await trial(99)).toMatchObject({ variables: { amount: '99' } });
  });

  /** Each kind of breakpoint in one worker and in the next. */
  async function twice(check: () => Promise<void>): Promise<void> {
    await check();
    await rig.reattached(() => app.edit((text) => `${text}\n`));
    await app.answers();
    await check();
  }

  it('conditions', async () => {
    await set([{ line: BREAKPOINT_LINE, condition: 'amount > 10' }]);
    await twice(async () => {
      expect(await trial(10)).toBeNull();
      expect(await trial(11)).toMatchObject({ variables: { amount: '11' } });
    });
  });

  it('hit conditions', async () => {
    await set([{ line: BREAKPOINT_LINE, hitCondition: '2' }]);
    await twice(async () => {
      expect(await trial(1)).toBeNull();
      expect(await trial(2)).toMatchObject({ variables: { amount: '2' } });
      expect(await trial(3)).toBeNull();
    });
  });

  it('log points', async () => {
    await set([{ line: BREAKPOINT_LINE, logMessage: 'amount is {amount}' }]);
    await twice(async () => {
      const said = rig.editor.next('output', ({ output }) => String(output).includes('amount is 17'));
      expect(await trial(17)).toBeNull();
      await said;
    });
  });

  it('function breakpoints', async () => {
    await set([]);
    await rig.editor.request('setFunctionBreakpoints', { breakpoints: [{ name: 'price' }] });
    await twice(async () => {
      expect(await trial(5)).toMatchObject({ name: 'price', reason: 'function breakpoint' });
    });
    await rig.editor.request('setFunctionBreakpoints', { breakpoints: [] });
  });

  it('exception breakpoints', async () => {
    await app.edit((text) => text.replace('    return {', '    assert amount != 13, "unlucky"\n    return {'));
    await rig.editor.next('output', ({ output }) => String(output).startsWith('attached to worker'));
    await rig.editor.request('setExceptionBreakpoints', { filters: ['raised'] });
    await twice(async () => {
      const after = rig.editor.mark();
      const answer = fetch(`${app.url}/price/13`);
      const stop = await lookAt(rig.editor, await rig.editor.waitFor('stopped', undefined, { after }));
      expect(stop).toMatchObject({ reason: 'exception', name: 'price' });
      expect(await rig.editor.request('exceptionInfo', { threadId: stop.threadId })).toMatchObject({
        exceptionId: 'AssertionError',
      });
      await rig.editor.request('setExceptionBreakpoints', { filters: [] });
      await rig.editor.request('continue', { threadId: stop.threadId });
      expect((await answer).status).toBe(500);
      await rig.editor.request('setExceptionBreakpoints', { filters: ['raised'] });
    });
    await rig.editor.request('setExceptionBreakpoints', { filters: [] });
  });

  it('refuses a second editor and keeps the first', async () => {
    const second = await connectEditor(rig.port);
    const answer = await second.ask('initialize', { adapterID: 'debugpy', clientID: 'second' });
    expect(answer).toMatchObject({ success: false });
    expect(answer.message).toMatch(/a test is attached/);
    await set([{ line: BREAKPOINT_LINE }]);
    expect(await rig.hit(2)).toMatchObject({ line: BREAKPOINT_LINE });
    second.destroy();
  });

  it('lets the app run on at full speed when the editor leaves, and takes it back', async () => {
    const worker = await rig.worker();
    await rig.editor.disconnect();
    await rig.status('nobody there', ({ editor }) => !editor.connected);
    expect(await app.price(3)).toEqual({ total: 12 });
    const probe = await wand(['inject', 'probe.py', '--pid', String(worker)], { cwd: app.folder });
    expect({ ...probe, stdout: JSON.parse(probe.stdout) as unknown }).toMatchObject({
      code: 0,
      stdout: { tools: [], trace: false },
    });
    await rig.attach();
    expect(await rig.worker()).toBe(worker);
    expect(await rig.hit(3)).toMatchObject({ total: 12 });
  });

  it('lets the app run on when wand leaves', async () => {
    const worker = await rig.worker();
    expect(await rig.leave()).toBe(0);
    expect(await app.price(3)).toEqual({ total: 12 });
    const probe = await wand(['inject', 'probe.py', '--pid', String(worker)], { cwd: app.folder });
    expect(JSON.parse(probe.stdout)).toMatchObject({ tools: [], trace: false });
    expect(await readFile(`/proc/${String(worker)}/cmdline`, 'utf8')).toContain('spawn_main');
  });
});

describe('a pid that nobody has', () => {
  // More than Linux gives out.
  const GONE = '4194305';
  const said = new RegExp(`^wand: there is no process ${GONE} on this machine\\n.*pgrep.*--container NAME`);

  it('is an error of `wand debug`', async () => {
    await using empty = await folder();
    const daemon = new WandDaemon(['debug', '--pid', GONE, '--port', String(await freePort())], { cwd: empty.path });
    try {
      await until(() => daemon.output.includes(GONE), 'it says so');
      expect(daemon.output).toMatch(said);
      expect(await daemon.exited).toBe(2);
    } finally {
      await daemon.stop('SIGKILL');
    }
  });

  it.each([
    ['ps', []],
    ['inject', ['script.py']],
  ])('is an error of `wand %s`', async (command, args) => {
    await using project = await folder({ 'script.py': '' });
    const { code, stderr } = await wand([command, ...args, '--pid', GONE], { cwd: project.path });
    expect(stderr).toMatch(said);
    expect(code).toBe(2);
  });

  it('is waited for by `wand watch`, which has other targets to care for', async () => {
    await using project = await folder();
    await project.write({
      'debugwand.config.json': JSON.stringify({
        targets: { app: { process: { pid: Number(GONE) }, port: await freePort() } },
      }),
    });
    const daemon = new WandDaemon(['watch'], { cwd: project.path });
    try {
      const { message } = await daemon.target('it waits', ({ phase, ready }) => phase === 'waiting' && ready);
      expect(message).toBe(`there is no process ${GONE}`);
    } finally {
      await daemon.stop();
    }
  });
});
