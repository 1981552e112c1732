/** What VS Code shows of a worker that is away for long, of containers that restart, and of several targets at once. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ensureBrowser } from '../support/browser.ts';
import { ensureCodeServer } from '../support/code-server.ts';
import { ensureDocker } from '../support/docker.ts';
import { IMAGES } from '../support/images.ts';
import { getOrSkip } from '../support/machine.ts';
import { Rig } from '../support/rig.ts';
import { BREAKPOINT_LINE, startContainerApp, startLocalApp, type ContainerApp } from '../support/sample-app.ts';
import { uniqueName } from '../support/target-stage.ts';
import { desk, Stage, type Desk } from '../support/vscode-stage.ts';
import type { VSCodeWindow } from '../support/vscode-window.ts';

const vscode = await getOrSkip(async () => [await ensureCodeServer(), await ensureBrowser()]);
const docker = await getOrSkip(() => ensureDocker(['python314']));

let on: Desk;

beforeAll(async () => {
  if (vscode !== undefined) on = await desk();
});
afterAll(async () => {
  if (vscode !== undefined) await on[Symbol.asyncDispose]();
});

describe.skipIf(vscode === undefined || docker === undefined)('a container in VS Code', () => {
  const name = uniqueName('vscode');
  let app: ContainerApp;
  let stage: Stage;
  let window: VSCodeWindow;

  beforeAll(async () => {
    if (docker === undefined) return;
    app = await startContainerApp(docker, { image: IMAGES.python314, name });
    stage = await Stage.open(on, app, { shop: { docker: { container: name } } }, 'container');
    window = stage.window;
    await window.toggleBreakpoint(BREAKPOINT_LINE);
    await window.startDebugging();
  });

  afterAll(async () => {
    await stage.close();
  });

  it('stops in the file of this machine', async () => {
    expect(await stage.hit(BREAKPOINT_LINE, 10)).toMatchObject({ total: 30 });
  });

  it('goes on after `docker restart`, also of one that is stopped, without a word or a flicker', async () => {
    const restart = (): Promise<unknown> => window.reattached(() => app.docker('restart', '-t', '1', name));
    expect(await window.quietly(restart)).toEqual([]);
    expect(await stage.hit(BREAKPOINT_LINE, 10)).toMatchObject({ total: 30 });
    const answer = app.price(1).catch((error: unknown) => error);
    await window.stopped(BREAKPOINT_LINE);
    await window.shot('stopped');
    expect(await window.quietly(restart)).toEqual([]);
    await window.running();
    expect(await answer).toBeInstanceOf(Error);
    await window.shot('restarted');
    expect(await stage.hit(BREAKPOINT_LINE, 10)).toMatchObject({ total: 30 });
  });

  it('shows that nobody is there, and only that, until a syntax error is mended', async () => {
    await window.quietly(() => window.typeLine(10, '    total = amount *'));
    await window.save();
    const unmarked = ({ glyphs }: { glyphs: Readonly<Record<number, string>> }): boolean =>
      glyphs[BREAKPOINT_LINE] === 'breakpoint-unverified';
    // Both come when the wait is longer than a reload; the notification is the progress of that wait, and goes with it.
    const { popups } = await window.until('told', (screen) => screen.news > 0 && unmarked(screen), 60_000);
    await window.shot('away');
    expect(popups).toEqual([expect.stringMatching(/^notification-toast, news: .*debugwand: shop: /)]);
    await window.typeLine(10, '    total = amount * 7');
    await window.reattached(() => window.save());
    await window.until(
      'the marks are back',
      ({ glyphs, news }) => glyphs[BREAKPOINT_LINE] === 'breakpoint' && news === 0,
    );
    await window.shot('back');
    expect(await stage.hit(BREAKPOINT_LINE, 10)).toMatchObject({ total: 70 });
    expect((await window.read()).popups).toEqual(popups);
    expect((await window.read()).callStack).toEqual([]);
  });
});

describe.skipIf(vscode === undefined)('two targets in VS Code', () => {
  let stage: Stage;
  let window: VSCodeWindow;
  const apps: Awaited<ReturnType<typeof startLocalApp>>[] = [];

  beforeAll(async () => {
    const [shop, back] = [await startLocalApp(), await startLocalApp()];
    apps.push(shop, back);
    stage = await Stage.open(on, shop, { shop: Rig.processOf(shop), back: Rig.processOf(back) }, 'compound');
    window = stage.window;
  });

  afterEach(async () => {
    expect((await window.read()).popups).toEqual([]);
  });

  afterAll(async () => {
    await stage.close();
    await apps[1]?.stop();
  });

  it('are started by one compound, and left one by one', async () => {
    expect(JSON.parse(stage.launch)).toMatchObject({
      compounds: [{ name: 'wand: all', configurations: ['wand: shop', 'wand: back'] }],
    });
    await window.toggleBreakpoint(BREAKPOINT_LINE);
    await window.debug('wand: all');
    const { callStack } = await window.until('both', (screen) => screen.callStack.length >= 2);
    expect(callStack.join('\n')).toMatch(/wand: shop[^]*wand: back/);
    await window.shot('both');
    await stage.daemon.target('shop has an editor', ({ editor }) => editor.connected, { name: 'shop' });
    await stage.daemon.target('back has an editor', ({ editor }) => editor.connected, { name: 'back' });
  });
});
