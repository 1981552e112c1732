// Owns the scopes of containers, asked for once where one shares a PID namespace. Must not know selectors.
import type { Scope } from '../core/types.ts';
import type { DockerEngine } from './docker-engine.ts';
import { execInContainer } from './docker-exec.ts';
import { interpreterCandidates } from './docker-interpreters.ts';
import { scopeOf } from './docker-select.ts';
import type { ContainerDetails } from './docker-wire.ts';
import { sharedScope } from './shared-scope.ts';
import type { ExecStream } from './target.ts';

/** Works out scopes, once for each start of a container. */
export class DockerScopes {
  readonly #known = new Map<string, Scope>();

  readonly of = async (engine: DockerEngine, details: ContainerDetails, signal: AbortSignal): Promise<Scope> => {
    if (!details.pidMode.startsWith('container:')) return scopeOf(details);
    const key = `${details.id}@${details.startedAt}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const candidates = interpreterCandidates(details, await engine.top(details.id, signal));
    const run = (argv: readonly string[], limit: AbortSignal): Promise<ExecStream> =>
      execInContainer(engine, { container: details.id, argv }, limit);
    const scope = await sharedScope(candidates, run, signal);
    // Bounded: only the starts of a few replicas are of interest.
    if (this.#known.size > 64) this.#known.clear();
    this.#known.set(key, scope);
    return scope;
  };
}
