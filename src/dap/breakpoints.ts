// Owns the editor's breakpoints: the latest list of every source, the ids that the editor sees, and what it was told of
// each. Survives every worker. Pure; sends nothing.
import { isInteger, isObject, objects, type JsonObject } from './messages.ts';
import type { ListCommand } from './breakpoint-lists.ts';

export const WAITING_MESSAGE = 'waiting for a worker';

/** Sources without breakpoints that are remembered: their empty lists are replayed too, but not without end. */
const MAX_EMPTY_LISTS = 1000;

export interface BreakpointList {
  readonly command: ListCommand;
  /** As the editor sent them. */
  readonly args: JsonObject;
  readonly entries: readonly Entry[];
}

/** One breakpoint. `id` is the editor's and never changes; `debugpyId` is the one of the present connection. */
interface Entry {
  readonly id: number;
  readonly spec: JsonObject;
  readonly source: JsonObject | null;
  debugpyId: number | null;
  /** What is true, and what the editor was told last (null: nothing yet). */
  actual: State;
  told: State | null;
}

interface State {
  readonly verified: boolean;
  readonly message?: string;
  readonly line?: number;
  readonly column?: number;
  readonly endLine?: number;
  readonly endColumn?: number;
}

export class BreakpointStore {
  readonly #lists = new Map<string, BreakpointList>();
  readonly #byDebugpyId = new Map<number, Entry>();
  #nextId = 1;

  /** Remembers a list in place of the one before; breakpoints that were in that one keep their ids. */
  set(command: ListCommand, args: JsonObject): BreakpointList {
    const source = isObject(args['source']) ? args['source'] : null;
    const key = `${command}:${source === null ? '' : sourceKey(source)}`;
    const before = [...(this.#lists.get(key)?.entries ?? [])];
    const specs = command === 'setExceptionBreakpoints' ? [] : objects(args['breakpoints']);
    const kept = keep(specs, before);
    const entries = specs.map((spec, at): Entry => {
      const same = kept[at];
      const state: State = same?.actual ?? { verified: false, message: WAITING_MESSAGE };
      return {
        id: same?.id ?? this.#nextId++,
        spec,
        source,
        debugpyId: same?.debugpyId ?? null,
        actual: state,
        told: same?.told ?? null,
      };
    });
    for (const entry of before) this.#unbind(entry);
    for (const entry of entries) if (entry.debugpyId !== null) this.#byDebugpyId.set(entry.debugpyId, entry);
    const list: BreakpointList = { command, args, entries };
    this.#lists.delete(key);
    this.#lists.set(key, list);
    this.#forgetEmpty();
    return list;
  }

  /** Every list, in the order in which the editor set them last. */
  lists(): BreakpointList[] {
    return [...this.#lists.values()];
  }

  /** debugpy's answer to a list. */
  answered(list: BreakpointList, body: unknown, success: boolean, message: string | undefined): void {
    const given = isObject(body) ? objects(body['breakpoints']) : [];
    const latest = this.lists().includes(list);
    list.entries.forEach((entry, at) => {
      const one = given[at];
      this.#unbind(entry);
      if (!success || one === undefined) {
        entry.actual = { verified: false, message: message ?? 'debugpy did not say whether it is set' };
        return;
      }
      entry.actual = stateOf(one);
      if (latest && isInteger(one['id'])) {
        entry.debugpyId = one['id'];
        this.#byDebugpyId.set(one['id'], entry);
      }
    });
  }

  /** A `breakpoint` event of debugpy; false when the breakpoint is none of the editor's. */
  changed(breakpoint: JsonObject): boolean {
    const id = breakpoint['id'];
    const entry = isInteger(id) ? this.#byDebugpyId.get(id) : undefined;
    if (entry === undefined) return false;
    entry.actual = stateOf(breakpoint);
    return true;
  }

  /** Editor's ids for debugpy's; unknown ones are left out. */
  idsToEditor(ids: readonly unknown[]): number[] {
    return ids.flatMap((id) => {
      const entry = isInteger(id) ? this.#byDebugpyId.get(id) : undefined;
      return entry === undefined ? [] : [entry.id];
    });
  }

  /** "app.py:12" of a breakpoint by the editor's id; null for one without a line. */
  placeOf(id: number): string | null {
    for (const { entries } of this.#lists.values()) {
      const entry = entries.find((e) => e.id === id);
      const line = entry?.actual.line ?? entry?.spec['line'];
      if (entry?.source && isInteger(line)) return `${baseName(sourceKey(entry.source))}:${String(line)}`;
    }
    return null;
  }

  /** The body that answers the editor's request for a list. What it says counts as told. */
  answer(list: BreakpointList): JsonObject {
    if (list.command === 'setExceptionBreakpoints') return {};
    return { breakpoints: list.entries.map(tell) };
  }

  /** Bodies of the `breakpoint` events that bring the editor up to date. What they say counts as told. */
  news(): JsonObject[] {
    const bodies: JsonObject[] = [];
    for (const { entries } of this.#lists.values()) {
      for (const entry of entries) {
        if (entry.told === null || same(entry.told, entry.actual)) continue;
        bodies.push({ reason: 'changed', breakpoint: tell(entry) });
      }
    }
    return bodies;
  }

  /** The connection is gone, and with it debugpy's ids. Nothing is set anywhere; lines stay where they were. */
  unset(): void {
    this.#byDebugpyId.clear();
    for (const { entries } of this.#lists.values()) {
      for (const entry of entries) {
        entry.debugpyId = null;
        entry.actual = { ...entry.actual, verified: false, message: WAITING_MESSAGE };
      }
    }
  }

  counts(): { breakpoints: number; verified: number } {
    const all = this.lists().flatMap((list) => list.entries);
    return { breakpoints: all.length, verified: all.filter((entry) => entry.actual.verified).length };
  }

  #unbind(entry: Entry): void {
    if (entry.debugpyId !== null && this.#byDebugpyId.get(entry.debugpyId) === entry) {
      this.#byDebugpyId.delete(entry.debugpyId);
    }
    entry.debugpyId = null;
  }

  #forgetEmpty(): void {
    const empty = [...this.#lists].filter(([, list]) => list.entries.length === 0);
    for (const [key] of empty.slice(0, Math.max(0, empty.length - MAX_EMPTY_LISTS))) this.#lists.delete(key);
  }
}

/** For each new breakpoint the old one that it is, if any: the same in all, else at the same place. */
function keep(specs: readonly JsonObject[], before: Entry[]): (Entry | undefined)[] {
  const left = [...before];
  const kept: (Entry | undefined)[] = specs.map(() => undefined);
  for (const key of [JSON.stringify, placeKey]) {
    specs.forEach((spec, at) => {
      if (kept[at] !== undefined) return;
      const wanted = key(spec);
      const found = left.findIndex((entry) => key(entry.spec) === wanted);
      if (found !== -1) [kept[at]] = left.splice(found, 1);
    });
  }
  return kept;
}

function placeKey(spec: JsonObject): string {
  return JSON.stringify([spec['line'], spec['column'], spec['name']]);
}

function sourceKey(source: JsonObject): string {
  if (typeof source['path'] === 'string') return source['path'];
  return JSON.stringify([source['sourceReference'], source['name']]);
}

export function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
}

function stateOf(given: JsonObject): State {
  const { message, line, column, endLine, endColumn } = given;
  return {
    verified: given['verified'] === true,
    ...(typeof message === 'string' ? { message } : {}),
    ...(isInteger(line) ? { line } : {}),
    ...(isInteger(column) ? { column } : {}),
    ...(isInteger(endLine) ? { endLine } : {}),
    ...(isInteger(endColumn) ? { endColumn } : {}),
  };
}

function same(a: State, b: State): boolean {
  return (
    a.verified === b.verified &&
    a.message === b.message &&
    a.line === b.line &&
    a.column === b.column &&
    a.endLine === b.endLine &&
    a.endColumn === b.endColumn
  );
}

function tell(entry: Entry): JsonObject {
  entry.told = entry.actual;
  return { id: entry.id, ...entry.actual, ...(entry.source === null ? {} : { source: entry.source }) };
}
