// Owns the numbers that the editor sees in place of debugpy's. debugpy counts from 0 or 1 again in every worker, so a
// number alone does not say whose it is. Pure.

/** DAP wants ids below 2^31. Far before, numbering starts over: what it collides with is then long forgotten. */
const WRAP_AT = 2 ** 30;

/**
 * One numbering, without a table: within an epoch (one connection to debugpy) editor's id = base + debugpy's id, and each
 * epoch's base is above every id of the epochs before. So an old id is known as old, and nothing grows.
 */
export class IdSpace {
  readonly #first: 0 | 1;
  #base = 0;
  #top = 0;

  /** `first`: the lowest id that debugpy gives. With 1, 0 means "none" and stays 0 both ways. */
  constructor(first: 0 | 1) {
    this.#first = first;
  }

  toEditor(id: number): number {
    if (id === 0 && this.#first === 1) return 0;
    const shown = this.#base + id + (1 - this.#first);
    if (shown > this.#top) this.#top = shown;
    return shown;
  }

  /** Null: the id belongs to an earlier epoch. */
  toDebugpy(id: number): number | null {
    if (id === 0 && this.#first === 1) return 0;
    return id > this.#base ? id - this.#base - (1 - this.#first) : null;
  }

  nextEpoch(): void {
    if (this.#top > WRAP_AT) this.#top = 0;
    this.#base = this.#top;
  }
}

export type IdKind = 'thread' | 'frame' | 'variable' | 'source' | 'module' | 'goto' | 'stepIn';

/** All numberings of a session. */
export class Ids {
  readonly #spaces: Readonly<Record<IdKind, IdSpace>> = {
    thread: new IdSpace(1),
    frame: new IdSpace(1),
    variable: new IdSpace(1),
    source: new IdSpace(1),
    module: new IdSpace(0),
    goto: new IdSpace(0),
    stepIn: new IdSpace(0),
  };

  toEditor(kind: IdKind, id: number): number {
    return this.#spaces[kind].toEditor(id);
  }

  toDebugpy(kind: IdKind, id: number): number | null {
    return this.#spaces[kind].toDebugpy(id);
  }

  /** From now on every id given so far is stale. */
  nextEpoch(): void {
    for (const space of Object.values(this.#spaces)) space.nextEpoch();
  }
}
