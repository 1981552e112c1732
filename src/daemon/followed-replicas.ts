// Owns the replicas that one target follows at a time: each is followed once, and left when it is wanted no more. What runs
// inside of one is followed.ts.
import { replicaKey } from '../core/identity.ts';
import type { Replica } from '../core/types.ts';
import type { Target } from '../targets/target.ts';
import { Followed, type FollowedHooks } from './followed.ts';
import type { Tasks } from './tasks.ts';

type Generations = readonly (number | null)[];

export class FollowedReplicas {
  readonly #target: Target;
  readonly #hooks: FollowedHooks;
  readonly #tasks: Tasks;
  /** By `replicaKey`. */
  readonly #followed = new Map<string, Followed>();
  readonly #looking = new Set<Followed>();

  constructor(target: Target, hooks: FollowedHooks, tasks: Tasks) {
    this.#target = target;
    this.#hooks = hooks;
    this.#tasks = tasks;
  }

  /** By `replicaKey`; null: it is not followed (any more). */
  of(key: string | null): Followed | null {
    return key === null ? null : (this.#followed.get(key) ?? null);
  }

  /** These and no others. Their agents are not started yet. */
  follow(replicas: readonly Replica[], leaseSeconds: number): void {
    const wanted = new Set(replicas.map(replicaKey));
    for (const [key, former] of this.#followed) {
      if (wanted.has(key)) continue;
      this.#followed.delete(key);
      this.#tasks.run('leave the replica', () => former.close());
    }
    for (const replica of replicas) {
      const key = replicaKey(replica);
      if (this.#followed.has(key)) continue;
      this.#followed.set(key, new Followed(this.#target, replica, leaseSeconds, this.#hooks));
    }
  }

  /** Workers and sessions of other generations are left. */
  keep(workers: Generations, sessions: Generations): void {
    for (const { entries } of this.#followed.values()) entries.keep(workers, sessions);
  }

  /** Asks the agents for the processes anew; while one is at it, not again. */
  look(): void {
    for (const followed of this.#followed.values()) {
      if (this.#looking.has(followed)) continue;
      this.#looking.add(followed);
      this.#tasks.run('look again', async () => {
        try {
          await followed.refresh();
        } finally {
          this.#looking.delete(followed);
        }
      });
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#followed.values()].map((followed) => followed.close()));
  }
}
