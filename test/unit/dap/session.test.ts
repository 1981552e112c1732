import { describe, expect, it } from 'vitest';
import { FILE, PYDEVD_CAPABILITIES, Stage } from './stage.ts';

/** All of `wanted` in this order, whatever lies between. */
function expectOrder(lines: readonly string[], wanted: readonly string[]): void {
  let at = 0;
  for (const line of lines) if (line === wanted[at]) at += 1;
  expect(at === wanted.length ? wanted : { missing: wanted[at], in: lines }).toEqual(wanted);
}

/** The matcher, without the `any` that it says it is. */
function containing(text: string): unknown {
  return expect.stringContaining(text);
}

function live(setUp?: (stage: Stage) => void): Stage {
  const stage = new Stage();
  setUp?.(stage);
  stage.up(1);
  stage.attach();
  return stage;
}

describe('first attach, no worker yet', () => {
  it('answers everything at once, in the order that editors expect', () => {
    const stage = new Stage();
    stage.attach();
    expect(stage.lines).toEqual([
      'initialize ok',
      'initialized',
      'setBreakpoints ok',
      'setExceptionBreakpoints ok',
      'configurationDone ok',
      'attach ok',
    ]);
    expect(stage.bodiesOf('setBreakpoints')).toEqual([
      { breakpoints: [{ id: 1, verified: false, message: 'waiting for a worker', source: { path: FILE } }] },
    ]);
    expect(stage.events).toEqual([{ type: 'editor', connected: true, client: 'a test' }]);
    expect(stage.session.report()).toEqual({
      connected: true,
      client: 'a test',
      stoppedAt: null,
      breakpoints: 1,
      verified: 0,
    });
  });

  it.each([
    ['threads', {}, true],
    ['evaluate', { expression: '1' }, false],
    ['pause', { threadId: 1 }, false],
    ['stackTrace', { threadId: 1 }, false],
    ['completions', { text: 'a', column: 1 }, false],
    ['modules', {}, false],
    ['neverHeardOf', {}, false],
    ['continue', { threadId: 5 }, true],
    ['next', { threadId: 5 }, true],
    ['setDebuggerProperty', { ideOS: 'Linux' }, true],
    ['setPydevdSourceMap', { source: { path: 'a' }, pydevdSourceMaps: [] }, true],
    ['debugpySystemInfo', {}, true],
    ['pydevdAuthorize', { debugServerAccessToken: 'x' }, true],
    ['setFunctionBreakpoints', { breakpoints: [{ name: 'f' }] }, true],
    ['cancel', { requestId: 99 }, true],
    ['restart', {}, true],
    ['readMemory', {}, false],
    ['initialize', {}, false],
    ['attach', {}, false],
    ['launch', {}, false],
  ])('%s is answered', (command, args, success) => {
    const stage = new Stage();
    stage.attach();
    const seq = stage.editor(command, args);
    expect(stage.answer(seq)['success']).toBe(success);
    if (!success) expect(stage.answer(seq)['message']).toMatch(/\w/);
  });

  it('shows progress after a second and goes on showing it, when the editor can', () => {
    const stage = new Stage({ waitingFor: 'container `api` is stopped' });
    stage.attach();
    stage.pass(900);
    expect(stage.lines).not.toContain('progressStart');
    stage.pass(11_000);
    expect(stage.bodiesOf('progressStart')).toMatchObject([
      { cancellable: true, message: 'container `api` is stopped' },
    ]);
    expect(stage.bodiesOf('progressUpdate').map((body) => body['message'])).toEqual([
      'container `api` is stopped (6 s)',
      'container `api` is stopped (11 s)',
    ]);
    stage.up(1);
    expect(stage.lines.slice(-2)).toEqual(['progressEnd', 'output: attached to worker 1 (0.14 s)']);
  });

  it('pops up nothing in VS Code before a reload must be over', () => {
    const stage = new Stage();
    stage.attach({ clientID: 'vscode' });
    stage.pass(1_000);
    // Nobody is there on F5: that is said soon.
    expect(stage.lines).toContain('progressStart');
    stage.up(1);
    const mark = stage.mark();
    stage.down(1);
    stage.pass(9_999);
    expect(stage.since(mark)).not.toContain('progressStart');
    stage.pass(1);
    expect(stage.since(mark)).toContain('progressStart');
  });

  it('shows none when the editor cannot, and none any more when it was cancelled', () => {
    const plain = new Stage();
    plain.attach({ supportsProgressReporting: false });
    plain.pass(60_000);
    expect(plain.lines).not.toContain('progressStart');
    const stage = new Stage();
    stage.attach();
    stage.pass(1500);
    stage.editor('cancel', { progressId: stage.bodiesOf('progressStart')[0]?.['progressId'] });
    expect(stage.lines.slice(-2)).toEqual(['progressEnd', 'cancel ok']);
    const mark = stage.mark();
    stage.pass(60_000);
    expect(stage.since(mark)).toEqual([]);
    stage.up(1);
    expect(stage.since(mark)).not.toContain('progressEnd');
  });

  it('refuses launch with the way out', () => {
    const stage = new Stage();
    stage.editor('initialize');
    expect(stage.answer(stage.editor('launch', { program: 'x' }))['message']).toContain('"request": "attach"');
    // A second try in the same connection is fine.
    stage.editor('attach');
    expect(stage.lines).toContain('initialized');
  });

  it.each([
    ['setBreakpoints', {}],
    ['attach', {}],
    ['threads', {}],
    ['initialize', { linesStartAt1: false }],
  ])('refuses %s as the first request and ends the connection', (command, args) => {
    const stage = new Stage();
    expect(stage.answer(stage.editor(command, args))['success']).toBe(false);
    expect(stage.ended).toBe(1);
    expect(stage.session.editor).toBeNull();
  });
});

describe('C. a worker is there', () => {
  it('replays, then tells the editor, then lets the held events through', () => {
    const stage = new Stage();
    stage.attach({}, { justMyCode: false, restart: true, connect: { port: 1 } });
    stage.editor('setFunctionBreakpoints', { breakpoints: [{ name: 'f', condition: 'x' }] });
    stage.editor('setBreakpoints', { source: { path: '/w/b.py' }, breakpoints: [] });
    stage.editor('setDebuggerProperty', { multiThreadsSingleNotification: true });
    stage.mute.add('threads');
    const mark = stage.mark();
    stage.up(1);
    stage.stop();
    stage.event('output', { output: 'early' });
    expect(stage.since(mark)).toEqual([]);
    expect(stage.replayed).toEqual([
      'initialize',
      'attach',
      'setDebuggerProperty',
      'setBreakpoints',
      'setExceptionBreakpoints',
      'setFunctionBreakpoints',
      'setBreakpoints',
      'configurationDone',
      'threads',
    ]);
    expect(stage.last('attach').arguments).toEqual({ justMyCode: false });
    expect(stage.last('setBreakpoints').arguments).toEqual({ source: { path: '/w/b.py' }, breakpoints: [] });
    stage.reply(stage.last('threads'), {
      threads: [
        { id: 1, name: 'MainThread' },
        { id: 2, name: 'pool' },
      ],
    });
    expect(stage.since(mark)).toEqual([
      'breakpoint 1:3 verified',
      'breakpoint 2 verified',
      'process',
      'thread started 2',
      'thread started 1',
      'output: attached to worker 1 (0.00 s)',
      'stopped 1',
      'output: early',
    ]);
    expect(stage.events.slice(1)).toEqual([
      { type: 'verified', generation: 1, at: stage.now },
      { type: 'stopped', where: 'app.py:3 (breakpoint)' },
    ]);
  });

  it('is verified without any breakpoint', () => {
    const stage = new Stage();
    stage.editor('initialize');
    stage.editor('attach');
    stage.editor('configurationDone');
    stage.up(1);
    expect(stage.events).toContainEqual({ type: 'verified', generation: 1, at: stage.now });
  });

  it('is verified only after the last answer', () => {
    for (const held of ['setBreakpoints', 'setExceptionBreakpoints', 'configurationDone', 'threads']) {
      const stage = new Stage();
      stage.mute.add(held);
      stage.up(1);
      stage.attach();
      stage.pass(500);
      expect(stage.events.map((one) => one.type)).not.toContain('verified');
      stage.reply(stage.last(held), { breakpoints: [{ id: 0, verified: true }], threads: [] });
      // A breakpoint request without its answer keeps the editor, too, from its next step in real life; here it went on.
      expect(stage.events.map((one) => one.type)).toContain('verified');
    }
  });

  it('waits for the editor: nothing runs before its configurationDone', () => {
    const stage = new Stage();
    stage.up(1);
    stage.editor('initialize');
    stage.editor('attach');
    const seq = stage.editor('setBreakpoints', { source: { path: FILE }, breakpoints: [{ line: 3 }] });
    // The worker is there already: the first answer is the true one.
    expect(stage.answer(seq)['body']).toMatchObject({ breakpoints: [{ id: 1, verified: true, line: 3 }] });
    expect(stage.replayed).not.toContain('configurationDone');
    stage.editor('configurationDone');
    expect(stage.replayed.slice(-2)).toEqual(['configurationDone', 'threads']);
    expectOrder(stage.lines, ['configurationDone ok', 'attach ok', 'process', 'thread started 2', 'thread started 1']);
  });

  it('holds a breakpoint request for a worker that is a moment away, not longer', () => {
    const stage = new Stage();
    stage.auto = false;
    stage.up(1);
    stage.editor('initialize');
    stage.editor('attach');
    const first = stage.editor('setBreakpoints', { source: { path: FILE }, breakpoints: [{ line: 3 }] });
    expect(stage.answers.get(first)).toBeUndefined();
    stage.pass(400);
    expect(stage.answer(first)['body']).toMatchObject({ breakpoints: [{ verified: false }] });
    const second = stage.editor('setBreakpoints', { source: { path: FILE }, breakpoints: [{ line: 3 }, { line: 4 }] });
    expect(stage.answer(second)['body']).toMatchObject({
      breakpoints: [
        { id: 1, verified: false },
        { id: 2, verified: false },
      ],
    });
  });

  it('answers held requests for a list that was replaced meanwhile', () => {
    const stage = new Stage();
    stage.auto = false;
    stage.up(1);
    stage.editor('initialize');
    stage.editor('attach');
    const first = stage.editor('setBreakpoints', { source: { path: FILE }, breakpoints: [{ line: 3 }] });
    const second = stage.editor('setBreakpoints', { source: { path: FILE }, breakpoints: [{ line: 4 }] });
    stage.auto = true;
    stage.feed({ type: 'upstream-open', epoch: stage.epoch });
    expect(stage.answer(first)['body']).toMatchObject({ breakpoints: [{ id: 1, verified: false }] });
    expect(stage.answer(second)['body']).toMatchObject({ breakpoints: [{ id: 2, verified: true }] });
  });

  it('speaks with the adapter of an app that listens by itself', () => {
    const stage = live((one) => {
      one.adapter = true;
      one.capabilities = { ...PYDEVD_CAPABILITIES, supportsTerminateDebuggee: true };
    });
    expect(stage.events.map((one) => one.type)).toContain('verified');
    expect(stage.lines).not.toContain('capabilities');
    stage.event('debugpySockets', { sockets: [] });
    stage.event('debugpyAttach', { subProcessId: 1 });
    stage.event('output', { category: 'telemetry', output: 'debugpy' });
    expect(stage.lines.at(-1)).toContain('attached to worker 1');
  });

  it("asks the app's own adapter for debugpySystemInfo, pydevd by its own name for it", () => {
    const own = new Stage();
    own.up(1, { origin: 'app-listening' });
    own.attach();
    own.editor('debugpySystemInfo');
    expect(own.replayed.at(-1)).toBe('debugpySystemInfo');
    const stage = new Stage();
    stage.up(1, { debugpy: '1.8.22' });
    stage.attach();
    stage.mute.add('pydevdSystemInfo');
    const seq = stage.editor('debugpySystemInfo');
    stage.reply(stage.last('pydevdSystemInfo'), { process: { pid: 5 } });
    expect(stage.answer(seq)).toMatchObject({
      command: 'debugpySystemInfo',
      body: { debugpy: { version: '1.8.22' }, process: { pid: 5 } },
    });
  });

  it('tells of capabilities only when they changed', () => {
    const stage = live(
      (one) =>
        (one.capabilities = { ...PYDEVD_CAPABILITIES, supportsLogPoints: false, supportsClipboardContext: undefined }),
    );
    expect(stage.bodiesOf('capabilities')).toEqual([
      { capabilities: { supportsLogPoints: false, supportsClipboardContext: false } },
    ]);
    stage.down(1);
    stage.up(2);
    expect(stage.bodiesOf('capabilities')).toHaveLength(1);
    stage.down(2);
    stage.capabilities = PYDEVD_CAPABILITIES;
    stage.up(3);
    expect(stage.bodiesOf('capabilities')[1]).toEqual({
      capabilities: { supportsLogPoints: true, supportsClipboardContext: true },
    });
  });

  it('fills in path mappings', () => {
    const stage = new Stage();
    stage.up(1, { pathMappings: [{ local: '/home/me', remote: '/app' }] });
    stage.attach();
    expect(stage.last('attach').arguments).toEqual({ pathMappings: [{ localRoot: '/home/me', remoteRoot: '/app' }] });
  });

  it('promises debugpy neither terminals nor child sessions', () => {
    const stage = new Stage();
    stage.up(1);
    stage.attach({ supportsStartDebuggingRequest: true, supportsRunInTerminalRequest: true });
    expect(stage.last('initialize').arguments).toMatchObject({
      clientID: 'test',
      supportsStartDebuggingRequest: false,
      supportsRunInTerminalRequest: false,
    });
  });

  it('passes on moved lines and messages, and later news', () => {
    const stage = live((one) => {
      one.verify = () => ({ verified: false, line: 7, message: 'Waiting for code to be loaded.' });
    });
    expect(stage.bodiesOf('setBreakpoints')).toMatchObject([
      { breakpoints: [{ id: 1, verified: false, line: 7, message: 'Waiting for code to be loaded.' }] },
    ]);
    stage.event('breakpoint', {
      reason: 'changed',
      breakpoint: { id: 0, verified: true, line: 8, source: { path: FILE } },
    });
    stage.event('breakpoint', { reason: 'changed', breakpoint: { id: 55, verified: true } });
    expect(stage.bodiesOf('breakpoint')).toEqual([
      { reason: 'changed', breakpoint: { id: 1, verified: true, line: 8, source: { path: FILE } } },
    ]);
  });

  it('answers a list that debugpy cannot have by itself', () => {
    const stage = live();
    const seq = stage.editor('setBreakpoints', {
      source: { name: 'x', sourceReference: 0 },
      breakpoints: [{ line: 1 }],
    });
    expect(stage.answer(seq)['body']).toMatchObject({
      breakpoints: [{ verified: false, message: containing('files') }],
    });
    expect(stage.asked.filter((one) => one.command === 'setBreakpoints')).toHaveLength(1);
  });

  it('gives a worker up that does not answer, and says so', () => {
    for (const step of ['initialize', 'configurationDone']) {
      const stage = new Stage();
      stage.mute = new Set(step === 'initialize' ? ['initialize', 'attach'] : [step]);
      stage.attach();
      stage.up(1);
      stage.pass(9_990);
      expect(stage.events.map((one) => one.type)).not.toContain('upstream-lost');
      stage.pass(20);
      expect(stage.events).toContainEqual({
        type: 'upstream-lost',
        generation: 1,
        why: 'debugpy in worker 1 did not answer',
      });
      expect(stage.closing).toEqual([1]);
      stage.mute.clear();
      // The same worker may be entered once more.
      stage.up(1);
      expect(stage.events.map((one) => one.type)).toContain('verified');
    }
  });

  it.each(['initialize', 'attach', 'configurationDone'])('gives a worker up that refuses %s', (command) => {
    const stage = new Stage();
    stage.mute = new Set(command === 'initialize' ? ['initialize', 'attach'] : [command]);
    stage.attach();
    stage.up(1);
    stage.reply(stage.last(command), undefined, 'not now');
    expect(stage.events).toContainEqual({
      type: 'upstream-lost',
      generation: 1,
      why: `debugpy refused "${command}": not now`,
    });
    expect(stage.ended).toBe(0);
  });
});

describe('A. the worker dies while it runs', () => {
  it('ends the threads, keeps the session, says why', () => {
    const stage = live();
    const mark = stage.mark();
    stage.event('exited', { exitCode: 1 });
    stage.cut();
    stage.down(1);
    expect(stage.since(mark)).toEqual([
      'thread exited 1',
      'thread exited 2',
      'output: worker 1 exited, waiting for the next one',
    ]);
    stage.pass(9_999);
    expect(stage.since(mark).slice(3)).toEqual(['progressStart', 'progressUpdate']);
    stage.pass(2);
    expect(stage.since(mark).slice(5)).toEqual(['breakpoint 1:3 unverified']);
    stage.up(2);
    expect(stage.since(mark).slice(6)).toEqual([
      'breakpoint 1:3 verified',
      'process',
      'thread started 4',
      'thread started 3',
      'progressEnd',
      'output: attached to worker 2 (0.14 s)',
    ]);
    expect(stage.ended).toBe(0);
  });

  it('does not touch the gutter when the next worker is quick', () => {
    const stage = live();
    const mark = stage.mark();
    stage.down(1);
    stage.pass(300);
    stage.up(2);
    expect(stage.since(mark).filter((line) => line.startsWith('breakpoint'))).toEqual([]);
    expect(stage.session.report()).toMatchObject({ breakpoints: 1, verified: 1 });
  });

  it.each([
    ['next', { threadId: 1 }, true, undefined],
    ['stepIn', { threadId: 1 }, true, undefined],
    ['stepOut', { threadId: 1 }, true, undefined],
    ['continue', { threadId: 1 }, true, { allThreadsContinued: true }],
    ['threads', {}, true, { threads: [] }],
    [
      'setBreakpoints',
      { source: { path: FILE }, breakpoints: [{ line: 3 }] },
      true,
      { breakpoints: [{ id: 1, verified: false }] },
    ],
    ['setFunctionBreakpoints', { breakpoints: [{ name: 'f' }] }, true, { breakpoints: [{ id: 2, verified: false }] }],
    ['setExceptionBreakpoints', { filters: [] }, true, {}],
    ['evaluate', { expression: 'x' }, false, undefined],
    ['stackTrace', { threadId: 1 }, false, undefined],
    ['variables', { variablesReference: 5 }, false, undefined],
    ['setVariable', { variablesReference: 5, name: 'x', value: '1' }, false, undefined],
    ['completions', { text: 'x', column: 1 }, false, undefined],
    ['pause', { threadId: 1 }, false, undefined],
    ['debugpySystemInfo', {}, true, { debugpy: {} }],
    ['setDebuggerProperty', {}, true, undefined],
    ['somethingNew', {}, false, undefined],
  ])('settles %s in flight', (command, args, success, body) => {
    const stage = live();
    stage.stop(1);
    stage.auto = false;
    const seq = stage.editor(command, args);
    expect(stage.answers.get(seq)).toBeUndefined();
    stage.cut();
    expect(stage.answer(seq)['success']).toBe(success);
    if (body !== undefined) expect(stage.answer(seq)['body']).toMatchObject(body);
    if (!success) expect(stage.answer(seq)['message']).toContain('worker 1 is gone');
    expect(JSON.stringify(stage.answer(seq))).not.toContain('showUser');
  });

  it('names a lost connection when nobody says that the worker ended', () => {
    const stage = live();
    const mark = stage.mark();
    stage.cut('reset');
    expect(stage.since(mark)).toEqual(['thread exited 1', 'thread exited 2']);
    expect(stage.events.map((one) => one.type)).not.toContain('upstream-lost');
    stage.pass(100);
    expect(stage.since(mark).slice(2)).toEqual([
      'output: the connection to worker 1 was lost (reset), waiting for a worker',
    ]);
    expect(stage.events).toContainEqual({ type: 'upstream-lost', generation: 1, why: 'reset' });
    stage.down(1);
    expect(stage.since(mark)).toHaveLength(3);
  });

  it('lets a worker go on that was cut off while it may have been stopped', () => {
    const stage = live();
    stage.stop(1);
    stage.cut('reset');
    stage.pass(100);
    stage.up(1);
    expect(stage.replayed.slice(0, 4)).toEqual(['initialize', 'attach', 'continue', 'setBreakpoints']);
    stage.down(1);
    stage.up(2);
    expect(stage.replayed).not.toContain('continue');
  });

  it('takes a worker that comes before the old one is gone', () => {
    const stage = live();
    const mark = stage.mark();
    stage.up(2);
    expect(stage.closing).toEqual([1]);
    expectOrder(stage.since(mark), ['thread exited 1', 'thread exited 2', 'thread started 4', 'thread started 3']);
    stage.down(1);
    expect(stage.since(mark).at(-1)).toContain('attached to worker 2');
  });

  it('survives a burst of reloads, each dying at another point', () => {
    const stage = live();
    const steps = ['initialize', 'attach', 'setBreakpoints', 'configurationDone', 'threads'];
    steps.forEach((step, i) => {
      stage.mute = new Set([step, ...(step === 'initialize' ? ['attach'] : [])]);
      stage.down(i + 1);
      stage.pass(30);
      stage.up(i + 2);
      stage.pass(30);
    });
    stage.mute.clear();
    const mark = stage.mark();
    stage.down(6);
    stage.up(7);
    expect(stage.since(mark).at(-1)).toContain('attached to worker 7');
    expect(stage.lines.filter((line) => line.startsWith('thread exited'))).toHaveLength(2);
    expect(stage.events.filter((one) => one.type === 'verified')).toHaveLength(2);
    expect(stage.ended).toBe(0);
  });

  it('ignores the end of workers it does not follow', () => {
    const stage = live();
    stage.down(7);
    const mark = stage.mark();
    stage.event('thread', { reason: 'started', threadId: 9 });
    expect(stage.since(mark)).toEqual(['thread started 9']);
  });

  it('hangs up when debugpy says goodbye, so that the app can end, and waits for the reason', () => {
    const stage = live();
    stage.event('terminated');
    expect(stage.closing).toEqual([]);
    stage.pass(1000);
    const mark = stage.mark();
    stage.event('terminated');
    expect(stage.closing).toEqual([1]);
    stage.pass(900);
    stage.down(1);
    expect(stage.since(mark)).toEqual([
      'thread exited 1',
      'thread exited 2',
      'output: worker 1 exited, waiting for the next one',
    ]);
    const silent = live();
    silent.pass(1000);
    silent.event('terminated');
    silent.pass(1000);
    expect(silent.events).toContainEqual({ type: 'upstream-lost', generation: 1, why: 'debugpy said goodbye' });
  });

  it('removes the modules of the worker', () => {
    const stage = live();
    stage.event('module', { reason: 'new', module: { id: 0, name: 'app' } });
    stage.down(1);
    expect(stage.bodiesOf('module')).toEqual([
      { reason: 'new', module: { id: 1, name: 'app' } },
      { reason: 'removed', module: { id: 1, name: 'app' } },
    ]);
  });
});

describe('B. the worker dies while it is stopped', () => {
  it('continues each stopped thread, waits, then ends the threads', () => {
    const stage = live();
    stage.stop(1);
    stage.stop(2, { reason: 'exception', hitBreakpointIds: undefined });
    const mark = stage.mark();
    stage.down(1);
    expect(stage.since(mark)).toEqual(['continued 1', 'continued 2']);
    expect(stage.bodiesOf('continued')[0]).toEqual({ threadId: 1, allThreadsContinued: true });
    stage.pass(99);
    expect(stage.since(mark)).toHaveLength(2);
    stage.pass(1);
    expect(stage.since(mark).slice(2)).toEqual([
      'thread exited 1',
      'thread exited 2',
      'output: worker 1 exited while stopped at an exception, waiting for the next one',
    ]);
  });

  it('keeps a worker that is quick back until the old threads have ended', () => {
    const stage = live();
    stage.stop(1);
    const mark = stage.mark();
    stage.down(1);
    stage.pass(20);
    stage.up(2);
    stage.stop(1);
    expect(stage.events.filter((one) => one.type === 'verified')).toHaveLength(2);
    expect(stage.since(mark)).toEqual(['continued 1']);
    stage.pass(80);
    expectOrder(stage.since(mark), [
      'continued 1',
      'thread exited 1',
      'thread exited 2',
      'thread started 4',
      'thread started 3',
      'stopped 3',
    ]);
    expect(stage.session.report().stoppedAt).toBe('app.py:3 (breakpoint)');
  });

  it.each(['visualstudio', 'vsformac'])('sends %s no continued event at all', (clientID) => {
    const stage = new Stage();
    stage.up(1);
    stage.attach({ clientID });
    stage.stop(1);
    stage.event('continued', { threadId: 1, allThreadsContinued: true });
    stage.stop(1);
    stage.down(1);
    stage.pass(200);
    expect(stage.lines.filter((line) => line.startsWith('continued'))).toEqual([]);
    expect(stage.lines).toContain('thread exited 1');
  });

  it('waits for the reason within the same time', () => {
    const stage = live();
    stage.stop(1);
    const mark = stage.mark();
    stage.cut();
    stage.pass(50);
    stage.down(1, 'worker 1 was killed');
    stage.pass(50);
    expect(stage.since(mark).at(-1)).toBe(
      'output: worker 1 was killed while stopped at app.py:3 (breakpoint), waiting for the next one',
    );
    expect(stage.events.map((one) => one.type)).not.toContain('upstream-lost');
  });
});

describe('while a worker is attached', () => {
  it('continues and pauses all threads', () => {
    const stage = live();
    stage.stop(1);
    const seq = stage.editor('continue', { threadId: 1, singleThread: true });
    expect(stage.last('continue').arguments).toEqual({ threadId: '*' });
    expect(stage.answer(seq)['body']).toEqual({ allThreadsContinued: true });
    stage.editor('pause', { threadId: 1 });
    expect(stage.last('pause').arguments).toEqual({ threadId: '*' });
  });

  it('says yes at once to who continues what runs, and pydevd, which would not answer, hears of it', () => {
    const stage = live();
    stage.mute.add('continue');
    const asked = stage.asked.length;
    const seq = stage.editor('continue', { threadId: 1 });
    expect(stage.answer(seq)).toMatchObject({ success: true, body: { allThreadsContinued: true } });
    expect(stage.asked.slice(asked).map(({ command }) => command)).toEqual(['continue']);
    // Its answer, which comes when some thread resumes at last, is nobody's.
    stage.reply(stage.last('continue'), { allThreadsContinued: true });
    expect(stage.answers.get(seq)).toHaveLength(1);
  });

  it('answers "continue" twice when it was said twice, and when a "pause" took the answer away', () => {
    const stage = live();
    stage.stop(1);
    stage.auto = false;
    const first = stage.editor('continue', { threadId: 1 });
    const second = stage.editor('continue', { threadId: 1 });
    stage.reply(stage.asked.at(-2) ?? stage.last('continue'), {});
    expect([first, second].map((seq) => stage.answer(seq)['success'])).toEqual([true, true]);
    stage.stop(1);
    const third = stage.editor('continue', { threadId: 1 });
    stage.editor('pause', { threadId: 1 });
    stage.pass(5_000);
    expect(stage.answer(third)).toMatchObject({ success: true, body: { allThreadsContinued: true } });
  });

  it('steps without the granularity that pydevd may not know, and says why a step was refused', () => {
    const stage = live();
    stage.stop(1);
    stage.auto = false;
    const seq = stage.editor('next', { threadId: 1, granularity: 'future' });
    expect(stage.last('next').arguments).toEqual({ threadId: 1 });
    stage.reply(stage.last('next'), {}, '');
    expect(stage.answer(seq)).toMatchObject({ success: false, message: 'debugpy refused "next"' });
  });

  it('knows where it is stopped', () => {
    const stage = live();
    stage.stop(1);
    expect(stage.session.report().stoppedAt).toBe('app.py:3 (breakpoint)');
    stage.editor('next', { threadId: 1 });
    expect(stage.session.report().stoppedAt).toBeNull();
    stage.stop(1, { reason: 'step', hitBreakpointIds: undefined });
    expect(stage.session.report().stoppedAt).toBe('a step');
    stage.editor('stackTrace', { threadId: 1 });
    expect(stage.session.report().stoppedAt).toBe('app.py:12 (step)');
    stage.event('continued', { threadId: 1, allThreadsContinued: true });
    expect(stage.events.filter((one) => one.type === 'stopped').map((one) => one.where)).toEqual([
      'app.py:3 (breakpoint)',
      null,
      'a step',
      'app.py:12 (step)',
      null,
    ]);
  });

  it('gives hit breakpoints the ids that the editor knows, and no others', () => {
    const stage = live();
    stage.down(1);
    stage.up(2);
    stage.stop(1, { hitBreakpointIds: [0, 9] });
    stage.stop(1, { hitBreakpointIds: [9] });
    expect(stage.bodiesOf('stopped').map((body) => body['hitBreakpointIds'])).toEqual([[1], undefined]);
  });

  it('refuses ids of a worker that is gone, and does not ask the next one', () => {
    const stage = live();
    stage.stop(1);
    stage.editor('stackTrace', { threadId: 1 });
    stage.down(1);
    stage.up(2);
    stage.pass(200);
    const before = stage.asked.length;
    for (const [command, args] of [
      ['scopes', { frameId: 3 }],
      ['stackTrace', { threadId: 1 }],
      ['next', { threadId: 1 }],
      ['continue', { threadId: 2 }],
    ] as const) {
      expect(stage.answer(stage.editor(command, args))).toMatchObject({
        success: false,
        message: containing('gone'),
      });
    }
    expect(stage.asked).toHaveLength(before);
  });

  it('passes unknown requests on, and refuses those that debugpy never answers', () => {
    const stage = live();
    stage.editor('brandNew', { x: 1 });
    expect(stage.last('brandNew').arguments).toEqual({ x: 1 });
    const seq = stage.editor('dataBreakpointInfo', { name: 'x' });
    expect(stage.answer(seq)).toMatchObject({
      success: false,
      message: 'debugpy does not support "dataBreakpointInfo"',
    });
  });

  it('answers for debugpy when a thread runs and the question was forgotten', () => {
    const stage = live();
    stage.stop(1);
    stage.auto = false;
    const scopes = stage.editor('evaluate', { expression: 'x', frameId: 3 });
    const free = stage.editor('evaluate', { expression: 'x' });
    stage.pass(60_000);
    expect(stage.answers.get(scopes)).toBeUndefined();
    stage.event('continued', { threadId: 1, allThreadsContinued: true });
    stage.pass(5000);
    expect(stage.answer(scopes)).toMatchObject({ success: false, message: containing('runs') });
    expect(stage.answers.get(free)).toBeUndefined();
    // Its late answer is nobody's.
    stage.reply(stage.asked.at(-2) ?? stage.last('evaluate'), { result: 'late' });
    expect(stage.answers.get(scopes)).toHaveLength(1);
  });

  it('cancels a request in flight', () => {
    const stage = live();
    stage.stop(1);
    stage.auto = false;
    const seq = stage.editor('evaluate', { expression: 'slow', frameId: 3 });
    const step = stage.editor('next', { threadId: 1 });
    stage.editor('cancel', { requestId: seq });
    expect(stage.answer(seq)).toMatchObject({ success: false, message: 'cancelled' });
    stage.editor('cancel', { requestId: step });
    expect(stage.answers.get(step)).toBeUndefined();
    stage.reply(stage.last('evaluate'), { result: 'late' });
    expect(stage.answers.get(seq)).toHaveLength(1);
  });

  it('passes failures on as they are', () => {
    const stage = live();
    stage.auto = false;
    const seq = stage.editor('setVariable', { variablesReference: 1, name: 'x', value: '1' });
    stage.reply(stage.last('setVariable'), { error: { id: 1, format: 'no' } }, 'no');
    expect(stage.answer(seq)).toMatchObject({
      success: false,
      message: 'no',
      body: { error: { id: 1, format: 'no' } },
    });
  });

  it('says so when an answer is too long to be read', () => {
    const stage = live();
    stage.auto = false;
    const seq = stage.editor('evaluate', { expression: 'huge', context: 'clipboard' });
    stage.feed({ type: 'upstream-oversized', epoch: stage.epoch, requestSeq: stage.last('evaluate').seq, bytes: 2e7 });
    stage.feed({ type: 'upstream-oversized', epoch: stage.epoch, requestSeq: null, bytes: 2e7 });
    expect(stage.answer(seq)).toMatchObject({ success: false, message: containing('too long') });
  });

  it('does not tell of a thread twice', () => {
    const stage = live();
    const mark = stage.mark();
    stage.event('thread', { reason: 'started', threadId: 1 });
    stage.event('thread', { reason: 'exited', threadId: 77 });
    stage.event('thread', { reason: 'exited', threadId: 2 });
    stage.event('thread', { reason: 'exited', threadId: 2 });
    expect(stage.since(mark)).toEqual(['thread exited 2']);
  });

  it('asks for a restart of the debugger when the editor wants one', () => {
    const stage = live();
    stage.editor('restart');
    expect(stage.events.at(-1)).toEqual({ type: 'restart-requested' });
  });

  it('ignores messages of connections before', () => {
    const stage = live();
    stage.down(1);
    stage.up(2);
    const mark = stage.mark();
    stage.feed({
      type: 'upstream-message',
      epoch: 1,
      message: { type: 'event', event: 'stopped', body: { threadId: 1 } },
    });
    stage.feed({ type: 'upstream-closed', epoch: 1, why: 'late' });
    // pydevd says goodbye on the connection after the one that it was said on.
    stage.event('terminated');
    expect(stage.since(mark)).toEqual([]);
  });

  it('keeps output from before the editor knew the worker, within bounds', () => {
    const stage = new Stage();
    stage.mute.add('threads');
    stage.attach();
    stage.up(1);
    for (let i = 0; i < 5000; i++) stage.event('output', { output: 'x'.repeat(1000) });
    stage.stop(1);
    stage.reply(stage.last('threads'), { threads: [] });
    const outputs = stage.lines.filter((line) => line.startsWith('output: x'));
    expect(outputs.length).toBeGreaterThan(1000);
    expect(outputs.length).toBeLessThan(1100);
    expect(stage.lines).toContain(`output: debugwand: ${String(5000 - outputs.length)} output messages were dropped`);
    expect(stage.lines.at(-1)).toBe('stopped 1');
  });
});

describe('leaving', () => {
  it('lets the worker go first, then says goodbye', () => {
    const stage = live();
    stage.stop(1);
    stage.auto = false;
    const open = stage.editor('evaluate', { expression: 'x' });
    const seq = stage.editor('disconnect', { terminateDebuggee: true });
    expect(stage.closing).toEqual([1]);
    expect(stage.answer(open)['success']).toBe(false);
    expect(stage.answers.get(seq)).toBeUndefined();
    stage.feed({ type: 'upstream-closed', epoch: 1, why: 'released' });
    expect(stage.lines.slice(-2)).toEqual(['terminated', 'disconnect ok']);
    expect(stage.ended).toBe(1);
    expect(stage.events.slice(-2)).toEqual([
      { type: 'stopped', where: null },
      { type: 'editor', connected: false, client: null },
    ]);
    expect(stage.session.wakeAt).toBeNull();
  });

  it('does not wait for a debugpy that does not let go', () => {
    const stage = live();
    stage.auto = false;
    const seq = stage.editor('disconnect');
    stage.editor('threads');
    stage.pass(1000);
    expect(stage.answer(seq)['success']).toBe(true);
    expect(stage.ended).toBe(1);
  });

  it.each([
    [false, { terminateDebuggee: true }, false],
    [true, { terminateDebuggee: true }, true],
    [true, {}, false],
  ])('ends the app only if the config (%s) and the editor (%j) say so', (terminateOnDisconnect, args, ends) => {
    const stage = new Stage({ terminateOnDisconnect });
    stage.up(1);
    stage.attach();
    stage.auto = false;
    const outputs = stage.session.handle(
      { type: 'editor-request', request: { type: 'request', seq: 90, command: 'disconnect', arguments: args } },
      stage.now,
    );
    expect(outputs).toContainEqual({ type: 'close-upstream', epoch: 1, how: ends ? 'terminate' : 'disconnect' });
  });

  it.each([
    [false, []],
    [true, [{ type: 'terminate-requested' }]],
  ])('terminate, with terminateOnDisconnect %s', (terminateOnDisconnect, events) => {
    const stage = new Stage({ terminateOnDisconnect });
    stage.up(1);
    stage.attach();
    stage.editor('terminate');
    expect(stage.lines.slice(-2)).toEqual(['terminate ok', 'terminated']);
    expect(stage.events.filter((one) => one.type === 'terminate-requested')).toEqual(events);
    expect(stage.answer(stage.editor('threads'))['success']).toBe(false);
    const mark = stage.mark();
    stage.editor('disconnect');
    expect(stage.since(mark)).toEqual(['disconnect ok']);
    expect(stage.ended).toBe(1);
  });

  it('hangs up on an editor that does not disconnect after terminate', () => {
    const stage = live();
    stage.editor('terminate');
    stage.pass(5000);
    expect(stage.ended).toBe(1);
    expect(stage.lines.filter((line) => line === 'terminated')).toHaveLength(1);
  });

  it('lets the worker of an editor that vanished go, and serves the next one', () => {
    const stage = live();
    stage.stop(1);
    stage.feed({ type: 'editor-gone' });
    expect(stage.closing).toEqual([1]);
    expect(stage.session.report()).toEqual({
      connected: false,
      client: null,
      stoppedAt: null,
      breakpoints: 0,
      verified: 0,
    });
    const mark = stage.mark();
    stage.attach();
    expect(stage.since(mark).slice(-5)).toEqual([
      'attach ok',
      'process',
      'thread started 4',
      'thread started 3',
      'output: attached to worker 1 (0.00 s)',
    ]);
    expect(stage.lines.filter((line) => line === 'attach ok')).toHaveLength(2);
  });

  it('says goodbye when the port closes', () => {
    const stage = live();
    stage.auto = false;
    const open = stage.editor('evaluate', { expression: 'x' });
    stage.feed({ type: 'close' });
    expect(stage.answer(open)['success']).toBe(false);
    expect(stage.lines.at(-1)).toBe('terminated');
    expect([stage.closing, stage.ended]).toEqual([[1], 1]);
  });

  it('remembers a worker that comes without an editor', () => {
    const stage = new Stage();
    stage.up(1);
    stage.up(2);
    expect(stage.epoch).toBe(0);
    stage.attach();
    expect(stage.lines.at(-1)).toContain('attached to worker 2');
    const other = new Stage();
    other.up(1);
    other.down(1);
    other.attach();
    expect(other.epoch).toBe(0);
  });
});
