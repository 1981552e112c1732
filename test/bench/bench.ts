/**
 * `npm run bench`: every figure that debugwand promises, measured on the real thing in one run, as JSON on stdout; progress
 * goes to stderr. `npm run bench -- reload idle` measures these alone; `--reloads N`, `--kills N` set the rounds.
 */
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { run } from '../support/run.ts';
import { root } from '../support/step.ts';
import { measureStall, measureThroughput } from './app-cost.ts';
import { measureBaseline } from './baseline.ts';
import { forwardSummary, measureForward } from './forward.ts';
import { measureIdle } from './idle.ts';
import { measureKeeper } from './keeper.ts';
import { measureKills } from './kills.ts';
import { measureDebugCommand, measureIdleCluster, measureRolloutBaseline, measureRollouts } from './kubernetes.ts';
import { measurePage } from './page.ts';
import { measureReloads } from './reload.ts';
import { measureRoundTrips } from './round-trips.ts';
import { goal, round, summary } from './statistics.ts';
import { measureVSCode } from './vscode.ts';
import { measureWorkers } from './workers.ts';

const args = process.argv.slice(2);

function option(name: string, otherwise: number): number {
  const index = args.indexOf(`--${name}`);
  return index < 0 ? otherwise : Number(args[index + 1]);
}

type Part = () => Promise<Record<string, unknown>>;

const PARTS: Record<string, Part> = {
  reload: async () => {
    const rounds = option('reloads', 50);
    const baseline = await measureBaseline(Math.min(rounds, 20));
    const base = summary(baseline.listenPlusAttach).p50;
    const result: Record<string, unknown> = {
      baseline: {
        listenPlusAttach: summary(baseline.listenPlusAttach),
        startToVerified: summary(baseline.startToVerified),
      },
    };
    const places = args.includes('--local-only') ? (['local'] as const) : (['local', 'docker'] as const);
    for (const place of places) {
      const times = await measureReloads(place, rounds);
      const [start, seen] = [summary(times.startToVerified), summary(times.seenToVerified)];
      result[place] = {
        startToVerified: start,
        seenToVerified: seen,
        goals: [
          goal('start to verified, p50, of listen() plus attach', start.p50 / base, 0.5, '×'),
          goal('start to verified, p95, of listen() plus attach', start.p95 / base, 1, '×'),
          goal('seen to verified, p50, of listen() plus attach', seen.p50 / base, 0.25, '×'),
        ],
        ofBaselineStartToVerified: round(start.p50 / summary(baseline.startToVerified).p50),
      };
    }
    return result;
  },
  stall: async () => {
    const { alone, attaching } = await measureStall(5);
    const [a, b] = [summary(alone).p50, summary(attaching).p50];
    return {
      alone: summary(alone),
      attaching: summary(attaching),
      goals: [goal('longest request while attaching, more than alone', b - a, 10, 'ms')],
    };
  },
  roundTrips: async () => {
    const { step, stackTrace, variables } = await measureRoundTrips(100);
    const keeper = summary((await measureKeeper(500)).own);
    return {
      keeper,
      step: summary(step),
      stackTrace: summary(stackTrace),
      variables: summary(variables),
      goals: [
        goal('step, p50', summary(step).p50, 10, 'ms'),
        goal('stackTrace, p50', summary(stackTrace).p50, 5, 'ms'),
        goal('variables, p50', summary(variables).p50, 5, 'ms'),
        goal("the keeper's own share of a round trip, p99", keeper.p99, 0.5, 'ms'),
      ],
    };
  },
  throughput: async () => {
    const { without, attached, elsewhere } = await measureThroughput(5);
    return {
      requestsPerSecond: {
        without: round(without, 0),
        attached: round(attached, 0),
        breakpointElsewhere: round(elsewhere, 0),
      },
      goals: [
        goal('throughput lost, attached', 1 - attached / without, 0.03, 'of 1'),
        goal('throughput lost, breakpoint elsewhere', 1 - elsewhere / without, 0.1, 'of 1'),
      ],
    };
  },
  idle: async () => {
    const result: Record<string, unknown> = {};
    for (const place of ['docker', 'local'] as const) {
      const idle = await measureIdle(place, 30);
      result[place] = {
        ...idle,
        statusMs: summary(idle.statusMs),
        goals: [
          goal('daemon, idle', idle.daemonCpuPercent, 0.5, '% of a core'),
          goal('agent, idle', idle.agentCpuPercent, 0.5, '% of a core'),
          goal('daemon, memory', idle.daemonRssMb, 90, 'MB'),
          goal('wand status, cold, p50', summary(idle.statusMs).p50, 150, 'ms'),
        ],
      };
    }
    return result;
  },
  workers: async () => {
    const { attachMs, workerRssMb, ...rest } = await measureWorkers(option('seconds', 30));
    const { daemonCpuPercent, daemonRssMb } = rest;
    return {
      ...rest,
      attachMs: summary(attachMs),
      workerRssMb: summary(workerRssMb),
      goals: [
        goal('daemon, 8 workers attached, idle', daemonCpuPercent.idle, 1, '% of a core'),
        goal('daemon, 8 workers attached, serving', daemonCpuPercent.requests, 1, '% of a core'),
        goal('daemon, memory with 8 workers attached', daemonRssMb.all, 120, 'MB'),
      ],
    };
  },
  kubernetes: async () => {
    const rounds = Math.min(option('reloads', 50), 20);
    const baseline = summary(await measureRolloutBaseline(Math.min(rounds, 10)));
    const { startToVerified, toldToVerified, whole } = await measureRollouts(rounds);
    const [rollout, told] = [summary(startToVerified), summary(toldToVerified)];
    const [pod, docker] = [await measureReloads('kubernetes', rounds), await measureReloads('docker', rounds)];
    const [inPod, inDocker] = [summary(pod.startToVerified), summary(docker.startToVerified)];
    const [far, near] = [await measureRoundTrips(100, 'kubernetes'), await measureRoundTrips(100, 'docker')];
    const debug = summary(await measureDebugCommand(5));
    const idle = await measureIdleCluster(200, 120);
    return {
      rollout: { baseline, startToVerified: rollout, toldToVerified: told, whole: summary(whole) },
      reload: { pod: inPod, docker: inDocker },
      stackTrace: { pod: summary(far.stackTrace), docker: summary(near.stackTrace) },
      debug,
      idle,
      goals: [
        goal('rollout: worker starts to verified, p50', rollout.p50, 1_000, 'ms'),
        goal("rollout: without the cluster's own time, p50", told.p50, 1_000, 'ms'),
        goal('rollout: of port-forward, listen() and attach, p50', rollout.p50 / baseline.p50, 0.5, '×'),
        goal("reload in a pod, of Docker's, p50", inPod.p50 / inDocker.p50, 1.2, '×'),
        goal('stackTrace, all of it, p50', summary(far.stackTrace).p50, 5, 'ms'),
        goal('wand debug to attached, p50', debug.p50, 1_500, 'ms'),
        goal('requests to the API server, idle', idle.requestsPerMinute, 2, 'per minute'),
        goal('daemon with 200 pods in the namespace', idle.daemonRssMb, 150, 'MB'),
      ],
    };
  },
  rollouts: async () => {
    const { startToVerified, toldToVerified, editorDisconnects } = await measureRollouts(option('rollouts', 100));
    const [startTo, toldTo] = [summary(startToVerified), summary(toldToVerified)];
    return { startToVerified: startTo, toldToVerified: toldTo, editorDisconnects };
  },
  forward: async () => {
    const { wand, kubectl } = await measureForward(option('rounds', 5));
    const [ours, theirs] = [forwardSummary(wand), forwardSummary(kubectl)];
    return {
      wand: ours,
      kubectl: theirs,
      goals: [
        goal(
          "a big answer, kubectl's speed of ours, p50",
          theirs.downMbPerSecond.p50 / ours.downMbPerSecond.p50,
          1,
          '×',
        ),
        goal("a big request, kubectl's speed of ours, p50", theirs.upMbPerSecond.p50 / ours.upMbPerSecond.p50, 1, '×'),
        goal("kept connection, of kubectl's time, p50", ours.keptConnection.p50 / theirs.keptConnection.p50, 1, '×'),
        goal("new connection, of kubectl's time, p50", ours.newConnection.p50 / theirs.newConnection.p50, 1, '×'),
        goal('of 200 connections at once, lost', ours.lost, 0, 'connections'),
      ],
    };
  },
  page: async () => {
    const { closedCpuPercent, openCpuPercent, firstPaintMs } = await measurePage(30, 10);
    return {
      closedCpuPercent: round(closedCpuPercent, 2),
      openCpuPercent: round(openCpuPercent, 2),
      firstPaint: summary(firstPaintMs),
      goals: [
        goal('daemon, a status page open', openCpuPercent, 1, '% of a core'),
        goal('status page, first paint, p50', summary(firstPaintMs).p50, 300, 'ms'),
      ],
    };
  },
  vscode: async () => {
    const { ownReload, attachedReload, saveToTold, saveToStop } = await measureVSCode(
      Math.min(option('reloads', 50), 20),
    );
    const [own, stop] = [summary(ownReload), summary(saveToStop)];
    return {
      ownReload: own,
      attachedReload: summary(attachedReload),
      saveToTold: summary(saveToTold),
      saveToStop: stop,
      goals: [goal("saved to stopped in VS Code, of the app's own reload, p50", stop.p50 / own.p50, 1.2, '×')],
    };
  },
  kills: async () => ({ ...(await measureKills(option('kills', 1000))) }),
};

const wanted = Object.keys(PARTS).filter((name) => args.includes(name));
const names = wanted.length > 0 ? wanted : Object.keys(PARTS);
const report: Record<string, unknown> = {
  commit: (await run('git', ['rev-parse', '--short', 'HEAD'], { cwd: root })).trim(),
  machine: {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1e9),
    node: process.versions.node,
  },
};
// What users run is the build: no types are stripped at start.
await run('tsc', ['-p', 'test/support/tsconfig.build.json'], { cwd: root });
process.env['WAND_BIN'] = join(root, 'dist', 'bin.js');
for (const name of names) {
  process.stderr.write(`measuring ${name} …\n`);
  report[name] = await PARTS[name]?.();
}
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
