// Owns what the keeper was told: which worker each debug session has, and how it is reached. Decides nothing.
import type { WorkerState } from '../core/entry-state.ts';
import { workerName } from '../core/followed-replica.ts';
import { replicaKey } from '../core/identity.ts';
import { inferPathMappings } from '../core/path-mappings.ts';
import { sessionEnd } from '../core/session-end.ts';
import type { TargetState } from '../core/state.ts';
import type { PathMapping, ProcessInfo, Replica, TargetConfig } from '../core/types.ts';
import type { EditorPort } from '../dap/editor-port.ts';
import type { Followed } from './followed.ts';

interface Told {
  readonly generation: number;
  readonly process: ProcessInfo;
  readonly replica: Replica;
}

export class Sessions {
  readonly #port: EditorPort;
  /** Absolute: the developer's project folder. */
  readonly #projectRoot: string;
  readonly #told = new Map<number, Told>();

  constructor(port: EditorPort, projectRoot: string) {
    this.#port = port;
    this.#projectRoot = projectRoot;
  }

  /** Hands the worker to the session of a slot. False: it is not entered (any more). */
  up(slot: number, worker: WorkerState, followed: Followed, state: TargetState, config: TargetConfig): boolean {
    const { entry, generation, process, seenAt, startedAt } = worker;
    if (entry.state !== 'entered') return false;
    const { port, origin, debugpy } = entry.result;
    const open = followed.entries.dial(generation, port);
    if (open === null) return false;
    const { replica } = followed;
    const { pid } = process;
    this.#told.set(slot, { generation, process, replica });
    const facts = { name: workerName(state, process), pid, generation, seenAt, startedAt, origin, debugpy };
    this.#port.workerUp({ ...facts, pathMappings: this.#pathMappings(replica, process, config), open }, slot);
    return true;
  }

  /** The replica of the slot's worker, as its `replicaKey`; null: it has none. */
  replicaOf(slot: number): string | null {
    const told = this.#told.get(slot);
    return told === undefined ? null : replicaKey(told.replica);
  }

  /** Takes it from the session, and leaves the worker. `now`: the worker that the slot has by now. */
  down(slot: number, generation: number, state: TargetState, now: WorkerState | null, followed: Followed | null): void {
    const told = this.#told.get(slot);
    this.#told.delete(slot);
    const { text, ended } =
      told === undefined
        ? { text: 'left the worker', ended: false }
        : sessionEnd(state, told.process, told.replica, Date.now(), now);
    this.#port.workerDown(generation, { text }, slot);
    followed?.entries.leave(generation, ended);
  }

  #pathMappings(replica: Replica, { cwd }: ProcessInfo, config: TargetConfig): PathMapping[] {
    if (config.pathMappings.length > 0) return [...config.pathMappings];
    // A manifest mostly leaves the working directory to the image, of which the API server knows nothing.
    const place = replica.workingDir === undefined && cwd !== null ? { ...replica, workingDir: cwd } : replica;
    return inferPathMappings(this.#projectRoot, place, config.source.kind);
  }
}
