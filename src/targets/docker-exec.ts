// Owns one program run by `exec` in a container: its three streams and its exit status. Must not choose what is run.
import { setTimeout as sleep } from 'node:timers/promises';
import { DebugwandError } from '../lib/errors.ts';
import { demux } from './docker-demux.ts';
import type { DockerEngine, ExecSpec, RunningExec } from './docker-engine.ts';
import { execFailure } from './docker-errors.ts';
import type { ExecState } from './docker-wire.ts';
import type { ExecStream } from './target.ts';

/** How long the engine may take to know what became of a program whose output ended, ms. */
const SETTLE_MS = 2_000;
/** How long a program may take to be started, ms. */
const START_MS = 15_000;

/**
 * Runs a program in a container. Resolves once it runs (or ran and ended).
 * @param signal covers the start only
 * @throws DebugwandError `exec-not-found`, `exec-denied`, `exec-failed`, and errors of the engine as they come
 */
export async function execInContainer(engine: DockerEngine, spec: ExecSpec, signal: AbortSignal): Promise<ExecStream> {
  const running = await engine.exec(spec, signal);
  const { wire } = running;
  const { stdout, stderr, ended } = demux(wire);
  let closed = false;
  let over = false;
  const exit = ended.then(async ({ error }) => {
    over = true;
    const cut = error === undefined ? {} : { error };
    // Also after an error: a program that leaves without reading its stdin resets the wire.
    const code = closed ? null : await exitCode(running);
    wire.destroy();
    return { code, ...cut };
  });
  const close = (): void => {
    closed = true;
    wire.destroy();
  };
  try {
    const started = await waitForStart(running, () => over, signal);
    if (started !== 'ended') return { stdin: wire, stdout, stderr, exit, close };
    const { code } = await exit;
    // An error of the runtime arrives as output: what is read here is put back if it was the program's own.
    const peeked = [peek(stdout), peek(stderr)];
    const failure = execFailure(code, peeked.join('\n'), spec.argv[0] ?? '');
    if (failure !== null) throw failure;
    return { stdin: wire, stdout, stderr, exit, close };
  } catch (error) {
    close();
    throw error;
  }
}

type Readable = ExecStream['stdout'];

/** What was buffered, which stays to be read. */
function peek(stream: Readable): string {
  const chunk: unknown = stream.read();
  if (!Buffer.isBuffer(chunk)) return '';
  stream.unshift(chunk);
  return chunk.subarray(0, 4096).toString('utf8');
}

/** An engine hands the wire over before the program is started: the first sign of life is asked for. */
async function waitForStart(
  running: RunningExec,
  isOver: () => boolean,
  signal: AbortSignal,
): Promise<'running' | 'ended'> {
  const deadline = Date.now() + START_MS;
  for (let pause = 5; ; pause = Math.min(100, pause * 1.5)) {
    if (isOver()) return 'ended';
    const state = await running.state(signal);
    if (state.running && state.pid > 0) return 'running';
    // Ended, but its output is still under way: `exit` says when all of it is here.
    if (!state.running && state.exitCode !== null && state.pid > 0) return 'ended';
    if (Date.now() > deadline) {
      throw new DebugwandError({
        code: 'exec-failed',
        message: 'the container engine did not start the program in time',
        fix: 'it is tried again; see the load of the machine and the log of the engine',
      });
    }
    await sleep(pause, undefined, { signal });
  }
}

/** Null when nobody knows: the container or the engine went. */
async function exitCode(running: RunningExec): Promise<number | null> {
  const patience = AbortSignal.timeout(SETTLE_MS);
  try {
    for (let pause = 2; ; pause = Math.min(100, pause * 2)) {
      const state: ExecState = await running.state(patience);
      if (!state.running && state.exitCode !== null) return state.exitCode;
      await sleep(pause, undefined, { signal: patience });
    }
  } catch {
    return null;
  }
}
