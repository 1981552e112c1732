/** What wand costs when nothing happens: CPU and memory of the daemon and of the agent; a cold `wand status`. */
import { until } from '../support/until.ts';
import { wand } from '../support/wand.ts';
import { allAgents, cpuSeconds, rssBytes } from './processes.ts';
import { startRun, type Place } from './wand-run.ts';

export interface Idle {
  readonly daemonCpuPercent: number;
  readonly agentCpuPercent: number;
  readonly daemonRssMb: number;
  readonly agentRssMb: number;
  readonly statusMs: number[];
}

/** Local: the agent watches among all processes of this machine; in a container, among those of the container. */
export async function measureIdle(place: Place, seconds: number): Promise<Idle> {
  const others = new Set(allAgents());
  const run = await startRun(place);
  try {
    const editor = await run.attach();
    const daemon = run.daemon.child.pid ?? 0;
    const [agent = 0] = allAgents().filter((pid) => !others.has(pid));
    const before = { daemon: cpuSeconds(daemon), agent: cpuSeconds(agent), at: performance.now() };
    await until(() => performance.now() - before.at > seconds * 1000, 'an idle while', seconds * 1000 + 5000);
    const elapsed = (performance.now() - before.at) / 1000;
    const idle = {
      daemonCpuPercent: ((cpuSeconds(daemon) - before.daemon) / elapsed) * 100,
      agentCpuPercent: ((cpuSeconds(agent) - before.agent) / elapsed) * 100,
      daemonRssMb: rssBytes(daemon) / 1e6,
      agentRssMb: rssBytes(agent) / 1e6,
    };
    const statusMs: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      const started = performance.now();
      await wand(['status'], { cwd: run.app.folder });
      statusMs.push(performance.now() - started);
    }
    await editor.disconnect();
    return { ...idle, statusMs };
  } finally {
    await run.stop();
  }
}
