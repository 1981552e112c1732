// Owns the choice of the one worker to debug. Pure; the roles are given.
import type { KeptCrew, ProcessChoice, ProcessInfo } from '../types.ts';
import type { Previous } from './roles.ts';
import { descendants, type Node } from './tree.ts';
import { named, type Verdict, type Verdicts } from './verdict.ts';

export interface Choice {
  readonly pid: number | null;
  readonly why: string;
  /** Pids of the equal workers that it is one of, oldest first, and of those that these started for themselves. */
  readonly crew: readonly number[];
  readonly below: readonly number[];
  /** For the next choice; null: nothing new is known. */
  readonly kept: KeptCrew | null;
}

interface Candidate {
  readonly node: Node;
  readonly process: ProcessInfo;
  readonly verdict: Verdict;
  /** Lower is better: cannot be entered, exec'ed into the container, rank. */
  readonly score: number;
}

type Tree = ReadonlyMap<number, Node>;

/** Starts further apart than this are two generations of equal workers. */
const GENERATION_GAP_MS = 1_000;
/** gunicorn's default graceful_timeout is 30 s: so long the old generation may overlap with the new one. */
const OVERLAP_MS = 40_000;
/** Where the number of workers is known, one more than that after this time was added (SIGTTIN): an old one that is still
 * there is busy, which is rare. */
const REPLACED_MS = 10_000;

export function choose(
  tree: Tree,
  verdicts: Verdicts,
  choice: ProcessChoice,
  previous: Previous | null,
  kept: KeptCrew | null,
): Choice {
  const candidates = candidatesOf(tree, verdicts);
  if (choice === 'auto') {
    if (candidates.length === 0) return none(whyNone(tree, verdicts));
    const awaited = awaitedSupervisor(tree, verdicts, candidates, previous);
    if (awaited !== null) return none(`${named(awaited)} has no worker at the moment`);
    return pick(candidates, verdicts, previous, kept, 'override with process:');
  }
  if ('pid' in choice) return byPid(tree, verdicts, choice.pid);
  return byMatch(tree, verdicts, candidates, choice.match, previous, kept);
}

function none(why: string): Choice {
  return { pid: null, why, crew: [], below: [], kept: null };
}

function candidatesOf(tree: Tree, verdicts: Verdicts): Candidate[] {
  const found: Candidate[] = [];
  for (const node of tree.values()) {
    const { process } = node;
    const verdict = verdicts.get(process.pid);
    if (verdict?.role !== 'worker' || process.python === null) continue;
    found.push({
      node,
      process,
      verdict,
      score: (isClosed(process) ? 100 : 0) + (isVisitor(tree, node) ? 10 : 0) + verdict.rank,
    });
  }
  return found;
}

/** In a container, what has no parent and is not pid 1 came by `docker exec`: a shell, a health check. It is the app only
 * where the container's own command runs no Python. */
function isVisitor(tree: Tree, node: Node): boolean {
  let top = node;
  while (top.parent !== null) top = top.parent;
  return top.process.ppid === 0 && top.process.pid !== 1 && tree.has(1);
}

/**
 * While a server restarts its worker, nothing else is chosen in its place: not the clock process beside the site, and not
 * the worker of a second server. It is the supervisor of the last worker, or one whose workers matter more than all there are.
 */
function awaitedSupervisor(
  tree: Tree,
  verdicts: Verdicts,
  candidates: readonly Candidate[],
  previous: Previous | null,
): Verdict | null {
  const best = Math.min(...candidates.map((c) => c.score));
  if (candidates.some((c) => isSame(c.process, previous) && c.score === best)) return null;
  for (const node of tree.values()) {
    const verdict = verdicts.get(node.process.pid);
    if (verdict?.role !== 'supervisor' || isClosed(node.process) || isVisitor(tree, node)) continue;
    if (descendants(node).some((below) => isWorker(verdicts, below))) continue;
    if (verdict.rank < best || (verdict.rank === best && node.process.pid === previous?.ppid)) return verdict;
  }
  return null;
}

function isSame(process: ProcessInfo, previous: Previous | null): boolean {
  return process.pid === previous?.pid && process.startTime === previous.startTime;
}

/** It says itself that no debugger can enter. */
function isClosed({ python }: ProcessInfo): boolean {
  return python?.remoteDebug === 'off' || python?.remoteDebug === 'unsupported';
}

function pick(
  candidates: readonly Candidate[],
  verdicts: Verdicts,
  previous: Previous | null,
  keptCrew: KeptCrew | null,
  hint: string,
): Choice {
  const best = Math.min(...candidates.map((c) => c.score));
  const equals = candidates.filter((c) => c.score === best);
  const kept = equals.find((c) => isSame(c.process, previous));
  const group = kept?.verdict.group ?? groupOf(equals, previous);
  const crew = equals.filter((c) => c.verdict.group === group);
  const known = keptCrew?.by === group ? keptCrew.count : null;
  const current = currentGeneration(crew, verdicts.get(group) ?? null, known);
  const chosen = kept !== undefined && current.includes(kept) ? kept : first(newest(current));
  return {
    pid: chosen.process.pid,
    why: whyThis(chosen, crew, candidates, verdicts, hint),
    crew: pidsOf(current),
    below: pidsOf(candidates.filter((c) => startedByOne(c.node, current))),
    // One that ended is about to be replaced: the number shrinks only with a generation.
    kept: { by: group, count: current.length < crew.length ? current.length : Math.max(known ?? 0, crew.length) },
  };
}

function pidsOf(candidates: readonly Candidate[]): number[] {
  return [...candidates].sort(byStart).map((c) => c.process.pid);
}

function startedByOne({ parent }: Node, crew: readonly Candidate[]): boolean {
  for (let above = parent; above !== null; above = above.parent) {
    const { pid } = above.process;
    if (crew.some((c) => c.process.pid === pid)) return true;
  }
  return false;
}

/** The supervisor of the last worker if it still has some, else that of the oldest candidate. */
function groupOf(equals: readonly Candidate[], previous: Previous | null): number {
  const same = equals.find((c) => c.verdict.group === previous?.ppid);
  const oldest = [...equals].sort(byStart)[0];
  return same?.verdict.group ?? oldest?.verdict.group ?? 0;
}

function byStart(a: Candidate, b: Candidate): number {
  return a.process.startTime - b.process.startTime || a.process.pid - b.process.pid;
}

function first(crew: readonly Candidate[]): Candidate {
  return crew.reduce((a, b) => (b.process.pid < a.process.pid ? b : a));
}

/** The workers born together last. */
function newest(crew: readonly Candidate[]): readonly Candidate[] {
  const young = crew.toSorted((a, b) => byStart(b, a));
  const generation: Candidate[] = [];
  for (const candidate of young) {
    const before = generation.at(-1);
    if (before !== undefined && candidate.process.ageMs - before.process.ageMs > GENERATION_GAP_MS) break;
    generation.push(candidate);
  }
  return generation;
}

/**
 * Those that the server means to keep. gunicorn forks the new generation on HUP before it stops the old one: as long as
 * there are more workers than it keeps, a young generation of that number has replaced the others; a smaller one was added
 * to them. Where the number is unknown (a config file), one at least as large as what is older has replaced it, unless there
 * are no more than were `known` to be kept.
 */
function currentGeneration(
  crew: readonly Candidate[],
  supervisor: Verdict | null,
  known: number | null,
): readonly Candidate[] {
  const { overlaps = false, size = null } = supervisor?.crew ?? {};
  if (!overlaps || (size === null && known !== null && crew.length <= known)) return crew;
  const young = newest(crew);
  if (size !== null) {
    const kept = Math.max(1, size);
    const added = young.length < kept || young.every((c) => c.process.ageMs > REPLACED_MS);
    return crew.length <= kept || added ? crew : [...crew].sort(byStart).slice(-kept);
  }
  const older = crew.length - young.length;
  return older > 0 && young.length >= older && young.every((c) => c.process.ageMs < OVERLAP_MS) ? young : crew;
}

function whyThis(
  chosen: Candidate,
  crew: readonly Candidate[],
  all: readonly Candidate[],
  verdicts: Verdicts,
  hint: string,
): string {
  const pid = String(chosen.process.pid);
  const { reason, group } = chosen.verdict;
  const supervisor = verdicts.get(group);
  if (crew.length > 1) {
    const whose = supervisor === undefined || group === chosen.process.pid ? '' : ` of ${named(supervisor)}`;
    return `worker ${pid}, one of ${String(crew.length)} workers${whose}; ${hint}`;
  }
  const groups = new Set(all.map((c) => c.verdict.group));
  if (groups.size > 1)
    return `worker ${pid}: ${reason}; one of ${String(groups.size)} programs with user code, ${hint}`;
  return `worker ${pid}: ${reason}`;
}

function whyNone(tree: Tree, verdicts: Verdicts): string {
  const all = [...tree.values()];
  if (all.length === 0) return 'no process of the target was found';
  const pythons = all.filter((node) => node.process.python !== null);
  if (pythons.length === 0) {
    const names = [...new Set(all.map((node) => node.duty.name))].slice(0, 4).join(', ');
    return `no Python process among ${String(all.length)} (${names})`;
  }
  const supervisor = pythons.map((node) => verdicts.get(node.process.pid)).find((v) => v?.role === 'supervisor');
  if (supervisor !== undefined) return `${named(supervisor)} has no worker at the moment`;
  const roles = pythons.map((node) => labelOf(verdicts, node)).slice(0, 4);
  return `no worker among ${String(pythons.length)} Python ${pythons.length === 1 ? 'process' : 'processes'} (${roles.join(', ')})`;
}

function byPid(tree: Tree, verdicts: Verdicts, pid: number): Choice {
  const node = tree.get(pid);
  const what = `process: { pid: ${String(pid)} }`;
  if (node === undefined) return none(`${what} names no running process; ${present(tree, verdicts)}`);
  if (node.process.python === null) return none(`${what} is ${node.duty.name}, not a Python process`);
  const why = `chosen by ${what}; it is a ${verdicts.get(pid)?.role ?? 'worker'}`;
  return { pid, why, crew: [pid], below: [], kept: null };
}

/** Matches workers by their own command line, and the workers of a supervisor or wrapper by that one's. */
function byMatch(
  tree: Tree,
  verdicts: Verdicts,
  candidates: readonly Candidate[],
  pattern: string,
  previous: Previous | null,
  kept: KeptCrew | null,
): Choice {
  const what = `process: { match: '${pattern}' }`;
  let expression: RegExp;
  try {
    expression = new RegExp(pattern, 'u');
  } catch {
    return none(`${what} is no valid regular expression`);
  }
  const hits = [...tree.values()].filter((node) => expression.test(node.process.cmdline.join(' ')));
  if (hits.length === 0) return none(`${what} matches no process; ${present(tree, verdicts)}`);
  const wanted = new Set(hits.flatMap((node) => (isWorker(verdicts, node) ? [node] : [node, ...descendants(node)])));
  const among = candidates.filter((c) => wanted.has(c.node));
  if (among.length === 0) {
    const seen = hits.map((node) => labelOf(verdicts, node)).slice(0, 3);
    return none(`${what} matches ${seen.join(', ')}, which has no worker at the moment`);
  }
  const choice = pick(among, verdicts, previous, kept, 'make the pattern narrower to choose another');
  return { ...choice, why: `chosen by ${what}: ${choice.why}` };
}

function isWorker(verdicts: Verdicts, node: Node): boolean {
  return verdicts.get(node.process.pid)?.role === 'worker';
}

function present(tree: Tree, verdicts: Verdicts): string {
  const pythons = [...tree.values()].filter((node) => node.process.python !== null);
  if (pythons.length === 0) return 'there is no Python process';
  const names = pythons.slice(0, 5).map((node) => {
    const verdict = verdicts.get(node.process.pid);
    return verdict === undefined ? '' : `${verdict.name} ${String(verdict.pid)} (${verdict.role})`;
  });
  return `there are ${names.join(', ')}${pythons.length > 5 ? ', …' : ''}`;
}

function labelOf(verdicts: Verdicts, node: Node): string {
  return `${verdicts.get(node.process.pid)?.name ?? node.duty.name} ${String(node.process.pid)}`;
}
