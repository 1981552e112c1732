// Owns which engine a target talks to: the first that answered stays the one, also over restarts, until the target is
// closed. Must not know containers.
import { connectDocker } from './docker-connect.ts';
import type { DockerEngine } from './docker-engine.ts';

export class DockerConnection {
  readonly #explicit: string | null;
  #engine: DockerEngine | null = null;
  #connecting: Promise<DockerEngine> | null = null;
  readonly #close = new AbortController();

  /** @param explicit `host` of the config; null: found out */
  constructor(explicit: string | null) {
    this.#explicit = explicit;
  }

  /** For messages. */
  get endpoint(): string {
    return this.#engine?.endpoint ?? this.#explicit ?? 'any known socket';
  }

  /** The engine, if one answered yet. */
  get current(): DockerEngine | null {
    return this.#engine;
  }

  /** @throws DebugwandError `docker-unreachable`, `docker-denied`, `docker-host-invalid` while none answers */
  async engine(signal: AbortSignal): Promise<DockerEngine> {
    if (this.#engine !== null) return this.#engine;
    // Shared by all who ask meanwhile; one of them giving up must not fail the others.
    this.#connecting ??= connectDocker(this.#explicit, this.#close.signal)
      .then((engine) => {
        if (this.#close.signal.aborted) engine.close();
        else this.#engine = engine;
        return engine;
      })
      .finally(() => {
        this.#connecting = null;
      });
    const engine = await this.#connecting;
    signal.throwIfAborted();
    return engine;
  }

  close(): void {
    this.#close.abort();
    this.#engine?.close();
  }
}
