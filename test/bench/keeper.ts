/**
 * The keeper's own share of a round trip. The same requests go straight to a debugpy that answers at once and through the
 * keeper, in turns, so that both meet the same machine; and the keeper's process says how long it worked on each.
 * `node test/bench/keeper.ts [rounds]` prints JSON.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { DapClient } from '../support/dap-client.ts';
import { run } from '../support/run.ts';
import { until } from '../support/until.ts';
import { goal, round, summary } from './statistics.ts';

const REQUESTS = {
  stackTrace: { threadId: 1, levels: 20 },
  variables: { variablesReference: 1 },
  scopes: { frameId: 1 },
} as const;

const WARM_UP = 200;

async function program(file: string, ...args: string[]): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, file), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const port = await new Promise<number>((resolve) =>
    child.stdout?.once('data', (line: Buffer) => resolve(Number(line.toString()))),
  );
  return { child, port };
}

export interface KeeperTimes {
  /** Whole round trips in ms, straight and through the keeper. */
  readonly trips: Record<keyof typeof REQUESTS, { straight: number[]; keeper: number[] }>;
  /** What of each round trip is the keeper's own work, in ms: from bytes to bytes, on the way there and back. */
  readonly own: number[];
}

export async function measureKeeper(rounds: number): Promise<KeeperTimes> {
  const stub = await program('keeper-stub.ts');
  const keeper = await program('keeper-port.ts', String(stub.port));
  let report = '';
  keeper.child.stdout?.on('data', (chunk: Buffer) => (report += chunk.toString()));
  try {
    const clients = { straight: await DapClient.connect(stub.port), keeper: await DapClient.connect(keeper.port) };
    for (const client of Object.values(clients)) {
      await client.attach();
      await client.waitFor('stopped');
    }
    const trips: KeeperTimes['trips'] = {
      stackTrace: { straight: [], keeper: [] },
      variables: { straight: [], keeper: [] },
      scopes: { straight: [], keeper: [] },
    };
    for (let i = -WARM_UP; i < rounds; i++) {
      for (const command of ['stackTrace', 'variables', 'scopes'] as const) {
        for (const way of ['straight', 'keeper'] as const) {
          const started = performance.now();
          await clients[way].request(command, REQUESTS[command]);
          if (i >= 0) trips[command][way].push(performance.now() - started);
        }
      }
    }
    keeper.child.stdin?.end();
    await until(() => report.endsWith('\n'), 'the report of the keeper');
    for (const client of Object.values(clients)) client.destroy();
    // The last ones are the measured round trips, two arrivals each.
    const handled = (JSON.parse(report) as number[]).slice(-rounds * 3 * 2);
    const own = handled.flatMap((ms, i) => (i % 2 === 0 ? [] : [ms + (handled[i - 1] ?? 0)]));
    return { trips, own };
  } finally {
    keeper.child.kill();
    stub.child.kill();
  }
}

/** The difference of the two ways, in ms: the keeper, its sockets, and the scheduler of a machine that runs all three. */
export function difference(times: { straight: number[]; keeper: number[] }): { p50: number; p99: number } {
  const [straight, keeper] = [summary(times.straight), summary(times.keeper)];
  return { p50: round(keeper.p50 - straight.p50), p99: round(keeper.p99 - straight.p99) };
}

if (process.argv[1] === import.meta.filename) {
  const { trips, own } = await measureKeeper(Number(process.argv[2] ?? 2000));
  const commit = (await run('git', ['rev-parse', '--short', 'HEAD'])).trim();
  const machine = { cores: cpus().length, model: cpus()[0]?.model ?? '', node: process.version, load: loadavg()[0] };
  const figures = Object.entries(trips).map(([command, both]) => ({
    command,
    straight: summary(both.straight),
    keeper: summary(both.keeper),
    difference: difference(both),
  }));
  const share = summary(own);
  const goals = [goal("keeper's own share of a round trip, p99", share.p99, 0.5, 'ms')];
  process.stdout.write(`${JSON.stringify({ commit, machine, figures, own: share, goals }, null, 2)}\n`);
}
