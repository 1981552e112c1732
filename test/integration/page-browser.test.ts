/** The status page in a real browser, on a real app under a real daemon. */
import { createServer } from 'node:http';
import type { Page as Tab } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openPage } from '../../src/page/page.ts';
import { type Browser, ensureBrowser, startBrowser } from '../support/browser.ts';
import { getOrSkip } from '../support/machine.ts';
import { attached, report } from '../support/reports.ts';
import { Rig } from '../support/rig.ts';
import { freePort, startLocalApp } from '../support/sample-app.ts';
import { until } from '../support/until.ts';

const chromium = await getOrSkip(() => ensureBrowser());

/** A tab that notes what no page may have: errors, refused files, and requests to anybody else. */
async function tab(browser: Browser, url: string): Promise<{ tab: Tab; faults: string[] }> {
  const one = await browser.context.newPage();
  onTestFinished(() => one.close());
  const faults: string[] = [];
  one.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text());
  });
  one.on('pageerror', (error) => faults.push(String(error)));
  one.on('request', (request) => {
    if (new URL(request.url()).hostname !== '127.0.0.1') faults.push(`asked ${request.url()}`);
  });
  await one.goto(url);
  await one.getByRole('article').first().waitFor();
  return { tab: one, faults };
}

describe.skipIf(chromium === undefined)('the status page', () => {
  let browser: Browser;
  let rig: Rig;
  let url = '';

  beforeAll(async () => {
    browser = await startBrowser();
    rig = await Rig.attachedTo(await startLocalApp());
    url = await until(async () => (await rig.daemon.status())?.daemon.page, 'the page');
  });

  afterAll(async () => {
    await browser[Symbol.asyncDispose]();
    await rig.stop();
  });

  it('shows a reload as it happens: the next worker, and each phase with its milliseconds', async () => {
    const { tab: page, faults } = await tab(browser, url);
    expect(page.url()).not.toContain('token');
    const target = page.getByRole('article', { name: 'app' });
    await rig.reattached(() => rig.app.setFactor(5));
    const { worker, reattach } = await rig.status('counted', ({ reattach: { count } }) => count === 1);
    await target.getByText(new RegExp(`^${String(worker?.pid)}, the \\d+.., Python 3\\.14`)).waitFor();
    await page.getByRole('group', { name: /^Last re-attaches/ }).press('Home');
    const { phases } = reattach.last ?? {};
    const words = (ms: number | null = 0): string =>
      (ms ?? 0) < 10_000 ? `${String(ms)} ms` : String(Math.round((ms ?? 0) / 1000));
    const readout = target.locator('figure', { hasText: 'Last re-attaches' }).locator('output');
    await until(async () => (await readout.textContent())?.includes('reload: seen'), 'the phases in words');
    const said = (await readout.textContent()) ?? '';
    expect(said).toContain(`entered ${words(phases?.entered)}, debugpy up ${words(phases?.debugpyUp)}`);
    expect(said).toContain(`breakpoints verified ${words(phases?.verified)}`);
    expect(faults).toEqual([]);
  });

  it('shows a stop while it lasts, and keeps it', async () => {
    const { tab: page, faults } = await tab(browser, url);
    await rig.app.answers();
    const mark = rig.editor.mark();
    const answer = rig.app.price(3);
    const { body } = await rig.editor.waitFor('stopped', undefined, { after: mark });
    const stopped = page.getByText(/^Stopped at app\.py:11 \(breakpoint\) for /);
    await stopped.waitFor();
    await rig.editor.request('continue', { threadId: (body as { threadId: number }).threadId });
    await answer;
    await stopped.waitFor({ state: 'hidden' });
    await page.getByRole('region', { name: 'Stops' }).getByText('app.py:11 (breakpoint)').first().waitFor();
    expect(faults).toEqual([]);
  });

  it.each(['light', 'dark'] as const)(
    'is readable in %s: its words stand out from what is behind them',
    async (scheme) => {
      const { tab: page, faults } = await tab(browser, url);
      await page.emulateMedia({ colorScheme: scheme });
      const contrasts = await page.evaluate<number[]>(CONTRASTS);
      expect(contrasts.length).toBeGreaterThan(10);
      expect(Math.min(...contrasts)).toBeGreaterThanOrEqual(4.5);
      expect(faults).toEqual([]);
    },
  );

  it('fits a phone', async () => {
    const { tab: page } = await tab(browser, url);
    await page.setViewportSize({ width: 390, height: 800 });
    await until(
      () => page.evaluate<boolean>('document.documentElement.scrollWidth <= innerWidth'),
      'nothing to scroll sideways',
    );
  });

  it('is reached by the keyboard, and each thing has a name', async () => {
    const { tab: page, faults } = await tab(browser, url);
    const names: string[] = [];
    for (let i = 0; i < 40; i += 1) {
      await page.keyboard.press('Tab');
      names.push(await page.evaluate<string>(FOCUSED));
    }
    expect(names).toEqual(
      expect.arrayContaining([
        'Skip to the targets',
        '15 min',
        'Restart app',
        'Timeline; arrow keys read it',
        'CPU of the worker; arrow keys read it',
        'Memory of the worker; arrow keys read it',
        'Last re-attaches; arrow keys read it',
        'Processes',
        'Stops',
      ]),
    );
    await page.getByRole('radio', { name: '15 min' }).press('ArrowRight');
    await page.getByText(/in 1 h$/).waitFor();
    expect(faults).toEqual([]);
  });

  it('is opened by a link on another site, such as Tilt’s page', async () => {
    const other = createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end(`<link rel="icon" href="data:,"><a href="${url}">wand</a>`);
    });
    const port = await freePort();
    await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
    onTestFinished(() => {
      other.closeAllConnections();
      other.close();
    });
    const page = await browser.context.newPage();
    onTestFinished(() => page.close());
    await browser.context.clearCookies();
    await page.goto(`http://localhost:${String(port)}/`);
    await page.getByRole('link').click();
    await page.getByRole('article', { name: 'app' }).waitFor();
  });

  it('says so when the daemon ends', async () => {
    const { tab: page } = await tab(browser, url);
    await page.getByRole('status').getByText(/^live/).waitFor();
    await rig.leave();
    await page.getByText('wand does not answer since').waitFor();
    await page.getByRole('article', { name: 'app' }).waitFor();
  });
});

it.skipIf(chromium === undefined)('goes on by itself when the daemon answers again', async () => {
  const browser = await startBrowser();
  onTestFinished(() => browser[Symbol.asyncDispose]());
  let said = 'the first one';
  const options = {
    report: () => report([{ ...attached, message: said }]),
    restart: () => Promise.resolve(''),
    log: () => undefined,
    port: await freePort(),
    token: 'a-token-for-this-test',
  };
  const first = await openPage(options);
  const { tab: page } = await tab(browser, first.url);
  await page.getByText('the first one').waitFor();
  await first.close();
  await page.getByText('wand does not answer since').waitFor();
  said = 'the second one';
  const second = await openPage(options);
  onTestFinished(() => second.close());
  await page.getByText('the second one').waitFor();
  await page.getByText('live again since').waitFor();
});

it.skipIf(chromium === undefined)('tells of every worker and its session, and the re-attaches of each', async () => {
  const browser = await startBrowser();
  onTestFinished(() => browser[Symbol.asyncDispose]());
  const now = Date.now();
  const last = (ago: number, reason: 'crash' | 'reload') => ({ at: now - ago, ms: 140, seenMs: 90, reason });
  const row = {
    replica: 'api',
    generation: 2,
    phase: 'attached',
    session: true,
    stoppedAt: null,
    message: '',
  } as const;
  const first = last(2_000, 'reload');
  const target = {
    ...attached,
    reattach: { count: 1, last: first, history: [first] },
    workers: [
      { ...row, slot: 0, pid: 43, reattach: { count: 1, last: first } },
      { ...row, slot: 1, pid: 44, reattach: { count: 3, last: last(1_000, 'crash') }, stoppedAt: 'app.py:12 (step)' },
      { ...row, slot: null, pid: 45, session: false, phase: null, reattach: { count: 0, last: null } },
    ],
  };
  const status = await openPage({
    report: () => report([target]),
    restart: () => Promise.resolve(''),
    log: () => undefined,
    port: await freePort(),
    token: 'a-token-for-this-test',
  });
  onTestFinished(() => status.close());
  status.update(report([target]));
  const { tab: page, faults } = await tab(browser, status.url);
  await page.getByText('2 re-attaches, no stops').waitFor();
  for (const figure of ['Timeline', 'Last re-attaches']) {
    await page.getByRole('group', { name: new RegExp(`^${figure};`) }).press(figure === 'Timeline' ? 'End' : 'Home');
    const readout = page.locator('figure', { hasText: figure }).locator('output');
    await until(async () => (await readout.textContent())?.includes('crash, worker 2: '), `${figure} in words`);
  }
  const rows = await page.getByRole('region', { name: 'Workers' }).locator('tbody tr').allInnerTexts();
  expect(rows.map((text) => text.split('\t').map((cell) => cell.trim()))).toEqual([
    ['43', '1', 'attached', '', '–', '–', '1, last 140 ms', 'api'],
    ['44', '2', 'stopped at app.py:12 (step)', '', '–', '–', '3, last 140 ms', 'api'],
    ['45', 'none', 'runs without the debugger', '', '–', '–', '0', 'api'],
  ]);
  expect(faults).toEqual([]);
});

/** The name of what has the focus; empty at the end of the page. */
const FOCUSED = `(() => {
  const one = document.activeElement;
  if (one === null || one === document.body) return '';
  return one.getAttribute('aria-label') ?? one.closest('label')?.textContent ?? one.textContent;
})()`;

/** Of each piece of text that is shown: how its colour stands out from the ground below it (WCAG 2). */
const CONTRASTS = `(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const over = (colors) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const color of colors) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const of = walk.currentNode.parentElement;
    if (walk.currentNode.data.trim() === '' || !of.checkVisibility() || of.closest('noscript, .unseen, legend')) continue;
    const grounds = [];
    for (let up = of; up !== null; up = up.parentElement) grounds.unshift(getComputedStyle(up).backgroundColor);
    const [a, b] = [light(over(grounds)), light(over([...grounds, getComputedStyle(of).color]))];
    found.push((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return found;
})()`;
