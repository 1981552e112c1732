/** What the debugger costs the app: the longest request while attaching, and the throughput while attached. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DapClient } from '../support/dap-client.ts';
import { freePort, startLocalApp } from '../support/sample-app.ts';
import { until } from '../support/until.ts';
import { WandDaemon } from '../support/wand.ts';
import { startLoad } from './load.ts';
import { summary } from './statistics.ts';
import { startRun } from './wand-run.ts';

async function forSeconds(url: string, seconds: number, lanes: number): Promise<number[]> {
  const load = startLoad(url, lanes);
  const end = performance.now() + seconds * 1000;
  await until(() => performance.now() > end, 'the time of the load', seconds * 1000 + 5000);
  return load.stop();
}

/**
 * The longest request in ms, one at a time so that none waits for another: in a stretch of the load alone, and in one in
 * which wand starts, enters the worker, and an editor attaches and sets a breakpoint.
 */
export async function measureStall(rounds: number): Promise<{ alone: number[]; attaching: number[] }> {
  const alone: number[] = [];
  const attaching: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const app = await startLocalApp();
    const port = await freePort();
    const match = `uvicorn app:app --port ${new URL(app.url).port}`;
    const config = { targets: { bench: { process: { match }, port } }, notify: false };
    await writeFile(join(app.folder, 'debugwand.config.json'), JSON.stringify(config));
    const url = `${app.url}/price/1`;
    await forSeconds(url, 1, 1);
    alone.push(Math.max(...(await forSeconds(url, 3, 1))));
    const load = startLoad(url, 1);
    const daemon = new WandDaemon(['watch', '--plain'], { cwd: app.folder });
    await daemon.target('attached', (target) => target.phase === 'attached');
    const editor = await DapClient.connect(port);
    await editor.attach({ [join(app.folder, 'app.py')]: [{ line: 3 }] });
    attaching.push(Math.max(...(await load.stop())));
    await editor.disconnect();
    await daemon.stop();
    await app.stop();
  }
  return { alone, attaching };
}

/** Requests per second, medians of stretches in turns: no editor, attached without a breakpoint, with one elsewhere. */
export async function measureThroughput(
  rounds: number,
): Promise<{ without: number; attached: number; elsewhere: number }> {
  const run = await startRun('local', []);
  const url = `${run.app.url}/price/1`;
  const rates = { without: [] as number[], attached: [] as number[], elsewhere: [] as number[] };
  const measure = async (kind: keyof typeof rates): Promise<void> => {
    rates[kind].push((await forSeconds(url, 2, 4)).length / 2);
  };
  try {
    await forSeconds(url, 2, 4);
    for (let round = 0; round < rounds; round += 1) {
      await measure('without');
      const editor = await DapClient.connect(run.port);
      await editor.attach({});
      await measure('attached');
      await editor.request('setBreakpoints', { source: { path: run.file }, breakpoints: [{ line: 3 }] });
      await measure('elsewhere');
      await editor.disconnect();
    }
  } finally {
    await run.stop();
  }
  const median = (values: readonly number[]): number => summary(values).p50;
  return { without: median(rates.without), attached: median(rates.attached), elsewhere: median(rates.elsewhere) };
}
