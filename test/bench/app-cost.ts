/** What the debugger costs the app: the longest request while attaching, and the throughput while attached. */
import { DapClient } from '../support/dap-client.ts';
import { startLocalApp } from '../support/sample-app.ts';
import { until } from '../support/until.ts';
import { startLoad } from './load.ts';
import { startRun } from './wand-run.ts';

const SECONDS = 4;

async function forSeconds(url: string, seconds: number): Promise<number[]> {
  const load = startLoad(url);
  const end = performance.now() + seconds * 1000;
  await until(() => performance.now() > end, 'the time of the load', seconds * 1000 + 5000);
  return load.stop();
}

/** The longest request in ms: of the load alone, and of the same load while wand enters and an editor attaches. */
export async function measureStall(rounds: number): Promise<{ alone: number[]; attaching: number[] }> {
  const alone: number[] = [];
  const attaching: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const plain = await startLocalApp();
    await forSeconds(`${plain.url}/price/1`, 1);
    alone.push(Math.max(...(await forSeconds(`${plain.url}/price/1`, 2))));
    await plain.stop();
    // The load runs from before wand is inside until its editor has attached.
    const run = await startRun('local');
    const load = startLoad(`${run.app.url}/price/1`);
    await run.daemon.target('attached', (target) => target.phase === 'attached');
    const before = await load.stop();
    const again = startLoad(`${run.app.url}/price/1`);
    const editor = await DapClient.connect(run.port);
    await editor.attach({});
    const times = [...before, ...(await again.stop())];
    attaching.push(Math.max(...times));
    await editor.disconnect();
    await run.stop();
  }
  return { alone, attaching };
}

/** Requests per second: without wand, attached without a breakpoint, attached with a breakpoint in another function. */
export async function measureThroughput(): Promise<{ without: number; attached: number; elsewhere: number }> {
  const run = await startRun('local', []);
  const url = `${run.app.url}/price/1`;
  const rate = async (): Promise<number> => (await forSeconds(url, SECONDS)).length / SECONDS;
  try {
    const editor = await DapClient.connect(run.port);
    await forSeconds(url, 1);
    const samples = { without: 0, attached: 0, elsewhere: 0 };
    await editor.attach({});
    samples.attached = await rate();
    await editor.request('setBreakpoints', { source: { path: run.file }, breakpoints: [{ line: 3 }] });
    samples.elsewhere = await rate();
    await editor.disconnect();
    await run.daemon.stop();
    samples.without = await rate();
    return samples;
  } finally {
    await run.stop();
  }
}
