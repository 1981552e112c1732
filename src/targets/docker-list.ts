// Owns looking over all containers of an engine, without a target: for `wand init`, and for naming what is not there.
import { DebugwandError } from '../lib/errors.ts';
import { connectDocker } from './docker-connect.ts';
import { explainDocker } from './docker-errors.ts';
import { isHelper, missingText, PROJECT_LABEL, select, SERVICE_LABEL, type DockerSelector } from './docker-select.ts';

export interface FoundContainer {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly state: string;
  /** Null outside Compose. */
  readonly compose: { readonly project: string; readonly service: string } | null;
  readonly workingDir: string;
  /** Bind mounts. */
  readonly mounts: readonly { readonly source: string; readonly destination: string }[];
  /** Of the first process. */
  readonly command: readonly string[];
}

const MAX_INSPECTED = 100;

/**
 * Running containers, newest first; at most 100.
 * @param host as in the config; null: found out
 * @throws DebugwandError `docker-unreachable`, `docker-denied`, …
 */
export async function listRunning(host: string | null, signal: AbortSignal): Promise<readonly FoundContainer[]> {
  const engine = await connectDocker(host, signal);
  try {
    const all = (await engine.list(signal)).filter((c) => c.state === 'running' && !isHelper(c.labels));
    const newest = all.toSorted((a, b) => b.created - a.created).slice(0, MAX_INSPECTED);
    const details = await Promise.all(newest.map(({ id }) => engine.inspect(id, signal)));
    return details.flatMap((found) => {
      if (found === null) return [];
      const project = found.labels[PROJECT_LABEL];
      const service = found.labels[SERVICE_LABEL];
      return [
        {
          id: found.id,
          name: found.name,
          image: found.imageName,
          state: found.state,
          compose: project === undefined || service === undefined ? null : { project, service },
          workingDir: found.workingDir,
          mounts: found.mounts
            .filter((mount) => mount.type === 'bind')
            .map(({ source, destination }) => ({ source, destination })),
          command: [found.path, ...found.args],
        },
      ];
    });
  } catch (error) {
    signal.throwIfAborted();
    throw explainDocker(error, { endpoint: engine.endpoint });
  } finally {
    engine.close();
  }
}

/**
 * Makes sure that a selector means something, for commands that do not wait.
 * @throws DebugwandError `container-not-found`, with the nearest name that exists
 */
export async function checkContainer(
  selector: DockerSelector,
  host: string | null,
  signal: AbortSignal,
): Promise<void> {
  const engine = await connectDocker(host, signal);
  try {
    const all = await engine.list(signal);
    if (select(all, selector).length > 0) return;
    const running = all.filter((c) => c.state === 'running' && !isHelper(c.labels)).map((c) => c.names[0] ?? c.id);
    throw new DebugwandError({
      code: 'container-not-found',
      message: missingText(selector, all),
      fix:
        running.length === 0
          ? 'no container runs: start yours first'
          : `running containers: ${running.slice(0, 10).join(', ')}${running.length > 10 ? ', …' : ''}`,
    });
  } catch (error) {
    signal.throwIfAborted();
    throw explainDocker(error, { endpoint: engine.endpoint });
  } finally {
    engine.close();
  }
}
