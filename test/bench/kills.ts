/** Kills the worker over and over: the editor must not notice, and nothing may grow. */
import { until } from '../support/until.ts';
import { agentsOf, descriptors, rssBytes } from './processes.ts';
import { startRun } from './wand-run.ts';

export interface Kills {
  readonly kills: number;
  readonly editorDisconnects: number;
  readonly unanswered: number;
  readonly violations: number;
  readonly before: Usage;
  readonly after: Usage;
}

interface Usage {
  readonly daemonRssMb: number;
  readonly daemonDescriptors: number;
  readonly agentRssMb: number;
  readonly agentDescriptors: number;
  readonly agents: number;
}

function usage(daemon: number): Usage {
  const agents = agentsOf(daemon);
  const [agent = 0] = agents;
  return {
    daemonRssMb: Math.round(rssBytes(daemon) / 1e5) / 10,
    daemonDescriptors: descriptors(daemon),
    agentRssMb: Math.round(rssBytes(agent) / 1e5) / 10,
    agentDescriptors: descriptors(agent),
    agents: agents.length,
  };
}

/** `uvicorn --workers 2`: its supervisor brings a killed worker back by itself. */
export async function measureKills(kills: number): Promise<Kills> {
  const run = await startRun('local', ['--workers', '2']);
  try {
    const editor = await run.attach();
    const daemon = run.daemon.child.pid ?? 0;
    let before = usage(daemon);
    for (let round = 1; round <= kills; round += 1) {
      const { worker } = await run.daemon.target('a worker to kill', (target) => target.phase === 'attached');
      if (worker !== null) process.kill(worker.pid, 'SIGKILL');
      await run.daemon.target(
        'the next worker',
        (target) => target.phase === 'attached' && target.worker?.pid !== worker?.pid,
      );
      // The first fifty fill caches and pools.
      if (round === Math.min(50, Math.ceil(kills / 2))) before = usage(daemon);
      if (editor.closed) break;
    }
    await until(() => editor.unanswered.length === 0, 'every request answered').catch(() => undefined);
    return {
      kills,
      editorDisconnects: editor.closed ? 1 : 0,
      unanswered: editor.unanswered.length,
      violations: editor.violations.length,
      before,
      after: usage(daemon),
    };
  } finally {
    await run.stop();
  }
}
