// Owns the watching of containers: whole snapshots from list and inspect, woken by the engine's events, with a slow poll
// behind them. An engine that goes is told and waited for, never thrown. Must not choose: that is docker-select.ts.
import { StringDecoder } from 'node:string_decoder';
import { delayMs, type BackoffPolicy } from '../core/backoff.ts';
import type { Replica, Scope, Snapshot } from '../core/types.ts';
import { pause } from '../lib/time.ts';
import type { DockerConnection } from './docker-connection.ts';
import type { DockerEngine } from './docker-engine.ts';
import { explainDocker } from './docker-errors.ts';
import { concerns, replicaState, select, toReplica, waitingText, type DockerSelector } from './docker-select.ts';
import { parseEvent, type ContainerDetails } from './docker-wire.ts';
import { Wake } from './wake.ts';

export interface WatchOptions {
  readonly connection: DockerConnection;
  readonly selector: DockerSelector;
  /** The scope of a running container; may ask the engine. */
  readonly scopeOf: (engine: DockerEngine, details: ContainerDetails, signal: AbortSignal) => Promise<Scope>;
  /** Told of every whole observation: ids of the selected containers that run. */
  readonly onRunning: (ids: ReadonlySet<string>) => void;
}

/** How often everything is looked at even if no event came; and where the engine's events cannot be had. */
const POLL_MS = 10_000;
const POLL_WITHOUT_EVENTS_MS = 1_000;
/** Events come in bursts (kill, die, stop, destroy): between two looks at least this long. */
const SETTLE_MS = 30;
/** Replicas looked at closely; the rest of a service scaled beyond any use is not followed anyway. */
const MAX_REPLICAS = 16;
/** A line of the event stream longer than that is no event. */
const MAX_LINE = 1_000_000;
const RETRY: BackoffPolicy = { firstMs: 100, maxMs: 3_000, healthyMs: 5_000 };

/** Pushes snapshots until `signal` aborts. Never rejects for a lost engine. */
export async function watchContainers(
  options: WatchOptions,
  push: (snapshot: Snapshot) => void,
  signal: AbortSignal,
): Promise<void> {
  const state = { wake: new Wake(), known: new Set<string>(), eventsFlow: false };
  const events = followEvents(options, state, signal);
  let failures = 0;
  while (!signal.aborted) {
    try {
      const engine = await options.connection.engine(signal);
      const snapshot = await observe(engine, options, state.known, signal);
      failures = 0;
      push(snapshot);
      await pause(SETTLE_MS, signal);
      await state.wake.sleep(state.eventsFlow ? POLL_MS : POLL_WITHOUT_EVENTS_MS, signal);
    } catch (error) {
      if (signal.aborted) break;
      failures += 1;
      const named = explainDocker(error, { endpoint: options.connection.endpoint });
      push({ replicas: [], waitingFor: null, error: named });
      // Not cut short by `wake`: the event stream of a lost engine wakes as often as it fails.
      await pause(delayMs(RETRY, failures, Math.random()), signal);
    }
  }
  await events;
}

async function observe(
  engine: DockerEngine,
  options: WatchOptions,
  known: Set<string>,
  signal: AbortSignal,
): Promise<Snapshot> {
  const { selector } = options;
  const all = await engine.list(signal);
  const chosen = select(all, selector);
  const looked = await Promise.all(
    chosen.slice(0, MAX_REPLICAS).map(async ({ id }): Promise<[ContainerDetails, Replica] | null> => {
      const details = await engine.inspect(id, signal);
      // It went between the two questions.
      if (details === null) return null;
      const running = replicaState(details.state) === 'running';
      return [
        details,
        toReplica(details, running ? await options.scopeOf(engine, details, signal) : { kind: 'namespace' }),
      ];
    }),
  );
  const rows = looked.filter((row) => row !== null);
  known.clear();
  for (const { id } of chosen) known.add(id);
  options.onRunning(new Set(rows.filter(([, replica]) => replica.state !== 'stopped').map(([, { id }]) => id)));
  const replicas = rows.map(([, replica]) => replica);
  const runs = replicas.some((replica) => replica.state === 'running');
  const best = rows[0]?.[0] ?? null;
  return { replicas, waitingFor: runs ? null : waitingText(selector, best, all, Date.now()), error: null };
}

interface EventState {
  readonly wake: Wake;
  readonly known: ReadonlySet<string>;
  eventsFlow: boolean;
}

/** Wakes the watch for each event that concerns it, and whenever the stream was cut or is there again. */
async function followEvents(options: WatchOptions, state: EventState, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    // A little of the past, so that nothing falls between two streams; being told twice costs one look.
    const since = Math.floor(Date.now() / 1000) - 2;
    const openedAt = Date.now();
    try {
      const engine = await options.connection.engine(signal);
      const stream = await engine.events(since, signal);
      state.eventsFlow = true;
      state.wake.call();
      const decoder = new StringDecoder('utf8');
      let rest = '';
      for await (const chunk of stream) {
        if (!Buffer.isBuffer(chunk)) continue;
        const lines = (rest + decoder.write(chunk)).split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > MAX_LINE) rest = '';
        for (const line of lines) {
          const event = parseEvent(line);
          if (event !== null && concerns(event, options.selector, state.known)) state.wake.call();
        }
      }
    } catch {
      // The watch itself asks the engine and names what is wrong with it.
    }
    state.eventsFlow = false;
    state.wake.call();
    failures = Date.now() - openedAt > RETRY.healthyMs ? 1 : failures + 1;
    await pause(delayMs(RETRY, failures, Math.random()), signal);
  }
}
