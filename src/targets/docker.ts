// Owns the docker target: puts watch, exec, helper and interpreters together. The parts are docker-*.ts.
import { DebugwandError } from '../lib/errors.ts';
import type { Replica, Snapshot, TargetSource } from '../core/types.ts';
import { DockerConnection } from './docker-connection.ts';
import { execInContainer } from './docker-exec.ts';
import { explainDocker, goneError } from './docker-errors.ts';
import { DockerHelpers } from './docker-helper.ts';
import { interpreterCandidates } from './docker-interpreters.ts';
import { DockerScopes } from './docker-scope.ts';
import type { DockerSelector } from './docker-select.ts';
import { watchContainers } from './docker-watch.ts';
import type { ContainerDetails } from './docker-wire.ts';
import type { DockerEngine } from './docker-engine.ts';
import { isPythonName } from './python-names.ts';
import { observed } from './snapshots.ts';
import type { ExecOptions, ExecStream, Target } from './target.ts';

/** How long the removal of helpers may take when we leave, ms: they leave by themselves too. */
const CLOSE_MS = 1_500;

export class DockerTarget implements Target {
  readonly kind = 'docker';
  readonly #selector: DockerSelector;
  readonly #connection: DockerConnection;
  readonly #helpers = new DockerHelpers();
  readonly #scopes = new DockerScopes();
  /** By container: the Python that ran in it last, which a helper starts with. */
  readonly #proven = new Map<string, string>();

  constructor(source: Extract<TargetSource, { kind: 'docker' }>) {
    this.#selector =
      'compose' in source
        ? { compose: source.compose, all: source.replica === 'all' }
        : { container: source.container };
    this.#connection = new DockerConnection(source.host ?? null);
  }

  watch(signal: AbortSignal): AsyncIterable<Snapshot> {
    return observed(
      (push, inner) =>
        watchContainers(
          {
            connection: this.#connection,
            selector: this.#selector,
            scopeOf: this.#scopes.of,
            onRunning: (ids) => {
              this.#helpers.keepOnly(ids);
            },
          },
          push,
          inner,
        ),
      signal,
    );
  }

  async exec(
    replica: Replica,
    argv: readonly string[],
    options: ExecOptions,
    signal: AbortSignal,
  ): Promise<ExecStream> {
    return this.#named(replica, signal, async (engine) => {
      const spec = { container: replica.id, argv, ...(options.user === undefined ? {} : { user: options.user }) };
      const stream = await execInContainer(engine, spec, signal);
      const program = argv[0] ?? '';
      if (isPythonName(program)) this.#proven.set(replica.id, program);
      return stream;
    });
  }

  readonly execHelper = async (replica: Replica, argv: readonly string[], signal: AbortSignal): Promise<ExecStream> =>
    this.#named(replica, signal, async (engine) => {
      const details = await running(engine, replica, signal);
      const proven = [this.#proven.get(replica.id) ?? '', argv[0] ?? ''].filter(isPythonName);
      const candidates = [...proven, ...interpreterCandidates(details, await engine.top(details.id, signal))];
      const start = async (): Promise<ExecStream> => {
        const helper = await this.#helpers.idFor(engine, details, [...new Set(candidates)], signal);
        return execInContainer(engine, { container: helper, argv, user: '0:0' }, signal);
      };
      try {
        return await start();
      } catch (error) {
        if (explainDocker(error, { endpoint: engine.endpoint }).code !== 'replica-gone') throw error;
        // The helper was removed by somebody.
        this.#helpers.forget(details);
        return start();
      }
    });

  async interpreters(replica: Replica, signal: AbortSignal): Promise<readonly string[]> {
    return this.#named(replica, signal, async (engine) => {
      const details = await running(engine, replica, signal);
      return interpreterCandidates(details, await engine.top(details.id, signal));
    });
  }

  explain(error: unknown): DebugwandError {
    return explainDocker(error, { endpoint: this.#connection.endpoint });
  }

  async close(): Promise<void> {
    const engine = this.#connection.current;
    await this.#helpers.close(engine, AbortSignal.timeout(CLOSE_MS));
    this.#connection.close();
  }

  /** Names what goes wrong, with the replica's name in it. */
  async #named<T>(replica: Replica, signal: AbortSignal, work: (engine: DockerEngine) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#connection.engine(signal));
    } catch (error) {
      signal.throwIfAborted();
      throw explainDocker(error, { endpoint: this.#connection.endpoint, container: replica.name });
    }
  }
}

async function running(engine: DockerEngine, replica: Replica, signal: AbortSignal): Promise<ContainerDetails> {
  const details = await engine.inspect(replica.id, signal);
  if (details === null) throw goneError(`container \`${replica.name}\` does not exist any more`);
  if (details.state === 'paused') {
    throw new DebugwandError({
      code: 'replica-paused',
      message: `container \`${replica.name}\` is paused`,
      fix: 'let it go on: `docker unpause`',
    });
  }
  if (details.state !== 'running') throw goneError(`container \`${replica.name}\` does not run`);
  return details;
}
