// Owns helper containers: one for each target container, of its own image, in its PID and network namespaces, with
// SYS_PTRACE. A helper lives on its stdin: it leaves when we do, however we went. Must not decide when one is needed.
import type { Duplex } from 'node:stream';
import { randomBytes } from 'node:crypto';
import { DebugwandError } from '../lib/errors.ts';
import type { DockerEngine } from './docker-engine.ts';
import { explainDocker } from './docker-errors.ts';
import { HELPER_LABEL } from './docker-select.ts';
import type { ContainerDetails } from './docker-wire.ts';
import { isOrphan, ownMark } from './owner.ts';

const OWNER_LABEL = 'debugwand.owner';

/** Lives until its stdin ends. The payload knows its own by the word debugwand in `python -I … -c …`. */
const SLEEPER = '# debugwand helper\nimport sys\nsys.stdin.buffer.read()\n';

interface Helper {
  readonly id: string;
  readonly wire: Duplex;
}

export class DockerHelpers {
  /** By id and start of the target container: its namespaces are those of one start. */
  readonly #helpers = new Map<string, Promise<Helper>>();
  #swept = false;

  /**
   * The id of the container's helper, started on first use.
   * @param interpreters tried in order, as the entrypoint
   * @throws DebugwandError `helper-denied`, `helper-failed`
   */
  async idFor(
    engine: DockerEngine,
    details: ContainerDetails,
    interpreters: readonly string[],
    signal: AbortSignal,
  ): Promise<string> {
    const key = `${details.id}@${details.startedAt}`;
    const known = this.#helpers.get(key);
    if (known !== undefined) return (await known).id;
    const starting = this.#start(engine, details, interpreters, signal);
    this.#helpers.set(key, starting);
    try {
      const helper = await starting;
      // It ends with its target, or by somebody's hand: the next one who asks gets a new one.
      helper.wire.once('close', () => {
        if (this.#helpers.get(key) === starting) this.#helpers.delete(key);
      });
      return helper.id;
    } catch (error) {
      this.#helpers.delete(key);
      throw error;
    }
  }

  /** Removes helpers of daemons that are dead. Once is enough. */
  async sweep(engine: DockerEngine, signal: AbortSignal): Promise<void> {
    if (this.#swept) return;
    this.#swept = true;
    const all = await engine.list(signal);
    const stale = all.filter(({ labels }) => labels[HELPER_LABEL] !== undefined && isOrphan(labels[OWNER_LABEL] ?? ''));
    await Promise.allSettled(stale.map(({ id }) => engine.remove(id, signal)));
  }

  /** Forgets the helpers of containers that do not run any more: they ended with them. */
  keepOnly(running: ReadonlySet<string>): void {
    for (const [key, helper] of this.#helpers) {
      if (running.has(key.slice(0, key.indexOf('@')))) continue;
      this.#helpers.delete(key);
      void helper.then(({ wire }) => wire.destroy()).catch(() => undefined);
    }
  }

  /** Removes all of ours. */
  async close(engine: DockerEngine | null, signal: AbortSignal): Promise<void> {
    const helpers = await Promise.allSettled(this.#helpers.values());
    this.#helpers.clear();
    await Promise.allSettled(
      helpers.map(async (settled) => {
        if (settled.status === 'rejected') return;
        settled.value.wire.destroy();
        await engine?.remove(settled.value.id, signal);
      }),
    );
  }

  async #start(
    engine: DockerEngine,
    details: ContainerDetails,
    interpreters: readonly string[],
    signal: AbortSignal,
  ): Promise<Helper> {
    await this.sweep(engine, signal).catch(() => undefined);
    let last: unknown = null;
    for (const interpreter of interpreters.filter((path) => path !== '/proc/1/exe')) {
      try {
        return await engine.startHelper(
          {
            name: `debugwand-helper-${details.id.slice(0, 12)}-${randomBytes(3).toString('hex')}`,
            imageId: details.imageId,
            command: [interpreter, '-I', '-S', '-c', SLEEPER],
            labels: { [HELPER_LABEL]: details.id, [OWNER_LABEL]: ownMark() },
            joins: details.id,
            userNamespaceMode: details.userNamespaceMode,
          },
          signal,
        );
      } catch (error) {
        signal.throwIfAborted();
        last = error;
        if (!/no such file|not found|permission denied/i.test(String(error))) break;
      }
    }
    throw explainHelper(last, details, engine.endpoint);
  }
}

function explainHelper(error: unknown, details: ContainerDetails, endpoint: string): DebugwandError {
  const named = explainDocker(error, { endpoint, container: details.name });
  if (named.code !== 'docker-failed' && named.code !== 'docker-denied') return named;
  return new DebugwandError({
    code: 'helper-denied',
    message: `no helper container could be started beside \`${details.name}\`: ${named.message}`,
    fix: 'give the container the capability itself: `docker run --cap-add SYS_PTRACE`, or in Compose `cap_add: [SYS_PTRACE]`',
    cause: error,
  });
}
