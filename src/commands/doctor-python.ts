// Owns what `wand doctor` checks of the Python of this machine, on which the agent for local targets runs.
import { basename, dirname, join, resolve } from 'node:path';
import type { Scope, TargetConfig } from '../core/types.ts';
import { findInterpreters } from '../targets/local-interpreters.ts';
import { failed, ok, skip, type Check } from './doctor-check.ts';

const NAME = 'python';
/** A shim of a version manager may be slow, ms. */
const LOOK_BUDGET_MS = 20_000;
const NO_PROCESS: Scope = { kind: 'descendants', roots: [] };

interface Place {
  readonly scope: Scope;
  /** Absolute; where a Python may be that is not in PATH. */
  readonly folders: readonly string[];
}

/**
 * Whether all local targets will find one. Nothing where there are none: what runs in containers brings its own.
 * @param targets of the config; null: there is none, and what will be debugged is not known yet
 */
export async function* pythonCheck(targets: readonly TargetConfig[] | null, cwd: string): AsyncGenerator<Check> {
  if (process.platform !== 'linux') return;
  const sources = (targets ?? []).map(({ source }) => source).filter(({ kind }) => kind === 'local');
  const commands = sources.flatMap((source) => ('command' in source ? [basename(source.command[0] ?? '')] : []));
  const places = targets === null ? [{ scope: NO_PROCESS, folders: environments(cwd) }] : sources.flatMap(placeOf);
  let found: string | null = null;
  try {
    for (const { scope, folders } of places) {
      [found = null] = await findInterpreters(scope, AbortSignal.timeout(LOOK_BUDGET_MS), folders);
    }
    if (found !== null) yield ok(NAME, `agents on this machine run on ${found}`);
  } catch (error) {
    yield commands.includes('uv')
      ? skip(NAME, 'none is here yet: `uv` brings one when it starts the app')
      : failed(NAME, error);
  }
}

function placeOf(source: TargetConfig['source']): readonly Place[] {
  if (source.kind !== 'local') return [];
  if ('match' in source) return [{ scope: { kind: 'match', pattern: source.match }, folders: [] }];
  if ('pid' in source) return [{ scope: { kind: 'descendants', roots: [source.pid] }, folders: [] }];
  const { command, cwd } = source;
  const program = command[0] ?? '';
  // It does not run now. The Python of `.venv/bin/uvicorn` is beside it.
  const beside = program.includes('/') ? [dirname(resolve(cwd, program))] : [];
  return [{ scope: NO_PROCESS, folders: [...beside, ...environments(cwd)] }];
}

function environments(cwd: string): readonly string[] {
  return ['.venv', 'venv'].map((name) => join(cwd, name, 'bin'));
}
