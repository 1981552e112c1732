/** What the status page costs: the daemon's CPU while it is open, and how soon a browser shows it. */
import { startBrowser } from '../support/browser.ts';
import { until } from '../support/until.ts';
import { cpuSeconds } from './processes.ts';
import { startRun } from './wand-run.ts';

export interface PageCost {
  /** Of one core, while nothing else happens: without a page, and with one open. */
  readonly closedCpuPercent: number;
  readonly openCpuPercent: number;
  /** From the navigation to the first contentful paint, ms, as the browser says. */
  readonly firstPaintMs: number[];
}

export async function measurePage(seconds: number, paints: number): Promise<PageCost> {
  const run = await startRun('local');
  try {
    const editor = await run.attach();
    const url = await until(async () => (await run.daemon.status())?.daemon.page, 'the status page');
    const daemon = run.daemon.child.pid ?? 0;
    const cpuPercent = async (): Promise<number> => {
      const [from, at] = [cpuSeconds(daemon), performance.now()];
      await until(() => performance.now() - at > seconds * 1000, 'an idle while', seconds * 1000 + 5000);
      return ((cpuSeconds(daemon) - from) / (performance.now() - at)) * 100_000;
    };
    const closedCpuPercent = await cpuPercent();
    await using browser = await startBrowser();
    const tab = await browser.context.newPage();
    await tab.goto(url);
    await tab.getByRole('article').waitFor();
    const openCpuPercent = await cpuPercent();
    const firstPaintMs: number[] = [];
    for (let i = 0; i < paints; i += 1) {
      await tab.reload();
      await tab.getByRole('article').waitFor();
      firstPaintMs.push(
        await tab.evaluate<number>("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Infinity"),
      );
    }
    await editor.disconnect();
    return { closedCpuPercent, openCpuPercent, firstPaintMs };
  } finally {
    await run.stop();
  }
}
