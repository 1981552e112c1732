/** What a session for each of eight workers costs: time to attach, memory of the daemon and of the workers, CPU of the daemon. */
import { EditorTree } from '../support/editor-tree.ts';
import { until } from '../support/until.ts';
import { cpuSeconds, rssBytes } from './processes.ts';
import { startRun, type WandRun } from './wand-run.ts';

export const WORKERS = 8;

export interface WorkersFigures {
  /** From the editor's `configurationDone` to all sessions attached. */
  readonly allAttachedMs: number;
  /** From the moment that the editor was asked for a session to its worker's breakpoints set, each but the first. */
  readonly attachMs: readonly number[];
  readonly daemonRssMb: { readonly one: number; readonly all: number };
  /** What the debugger adds to a worker, for each of those that had none before. */
  readonly workerRssMb: readonly number[];
  readonly daemonCpuPercent: { readonly idle: number; readonly requests: number };
}

export async function measureWorkers(seconds: number): Promise<WorkersFigures> {
  const run = await startRun('local', ['--workers', String(WORKERS)]);
  try {
    const daemon = run.daemon.child.pid ?? 0;
    const before = await run.daemon.target('eight workers', ({ workers }) => workers.length === WORKERS);
    const others = before.workers.flatMap(({ slot, pid }) => (slot === null && pid !== null ? [pid] : []));
    const alone = new Map(others.map((pid) => [pid, rssBytes(pid)]));
    const one = rssBytes(daemon) / 1e6;

    const started = performance.now();
    // A breakpoint that is never reached.
    const editor = await EditorTree.attach(run.port, { [run.file]: [{ line: 1, condition: 'False' }] });
    await editor.attached(WORKERS);
    const allAttachedMs = performance.now() - started;
    const workerRssMb = others.map((pid) => (rssBytes(pid) - (alone.get(pid) ?? 0)) / 1e6);

    const idle = await cpuPercent(daemon, seconds, async () => undefined);
    const requests = await cpuPercent(daemon, seconds, () => answer(run));
    const all = rssBytes(daemon) / 1e6;
    const { attachMs } = editor;
    await editor.root.disconnect();
    return {
      allAttachedMs,
      attachMs,
      daemonRssMb: { one, all },
      workerRssMb,
      daemonCpuPercent: { idle, requests },
    };
  } finally {
    await run.stop();
  }
}

/** Of a core, while `work` is done again and again. */
async function cpuPercent(pid: number, seconds: number, work: () => Promise<unknown>): Promise<number> {
  const [cpu, at] = [cpuSeconds(pid), performance.now()];
  await until(
    async () => {
      await work();
      return performance.now() - at > seconds * 1000;
    },
    'a while',
    seconds * 1000 + 10_000,
  );
  return ((cpuSeconds(pid) - cpu) / ((performance.now() - at) / 1000)) * 100;
}

async function answer({ app }: WandRun): Promise<void> {
  await app.price(1);
}
