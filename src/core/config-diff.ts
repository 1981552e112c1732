// Owns which targets a new config touches. Pure.
import type { ProjectConfig, TargetConfig } from './types.ts';

export interface ConfigDiff {
  readonly added: readonly TargetConfig[];
  /** As they were. */
  readonly removed: readonly TargetConfig[];
  /** As they are now: another source or port, so the old one ends and a new one starts. */
  readonly replaced: readonly TargetConfig[];
  /** As they are now: other settings, which a running target takes without losing its session. */
  readonly updated: readonly TargetConfig[];
  readonly untouched: readonly TargetConfig[];
}

/** Targets are the same by name. Another root replaces all: their paths and commands start there. */
export function diffConfigs(before: ProjectConfig, after: ProjectConfig): ConfigDiff {
  const old = new Map(before.targets.map((target) => [target.name, target]));
  const names = new Set(after.targets.map((target) => target.name));
  const fate = (target: TargetConfig): keyof ConfigDiff => {
    const was = old.get(target.name);
    if (was === undefined) return 'added';
    if (before.root !== after.root || was.port !== target.port || !equal(was.source, target.source)) return 'replaced';
    return equal(was, target) ? 'untouched' : 'updated';
  };
  const having = (wanted: keyof ConfigDiff): TargetConfig[] =>
    after.targets.filter((target) => fate(target) === wanted);
  return {
    added: having('added'),
    removed: before.targets.filter((target) => !names.has(target.name)),
    replaced: having('replaced'),
    updated: having('updated'),
    untouched: having('untouched'),
  };
}

/** Plain data; the order of keys does not count. */
function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && equal(Reflect.get(a, key), Reflect.get(b, key)));
}
