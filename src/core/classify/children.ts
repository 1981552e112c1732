// Owns the rules for processes that run no command line of their own: multiprocessing's children and plain forks. Pure.
import { RANK } from './tools.ts';
import type { Node } from './tree.ts';
import { named, placed, verdict, type Verdict, type Verdicts } from './verdict.ts';

/** A forked child of a program that is not known to fork may be about to exec: younger ones are not judged. */
export const FORK_SETTLES_MS = 100;

/** The top one of a chain is a helper, those below it (forked, same command line) are workers. */
export function forkserver(node: Node, verdicts: Verdicts): Verdict {
  const server = node.parent;
  if (server === null || server.duty.is !== 'forkserver') {
    return verdict(node, 'helper', 'forkserver', 'the forkserver of multiprocessing');
  }
  const owner = server.parent === null ? undefined : verdicts.get(server.parent.process.pid);
  const reason = `forked by the multiprocessing forkserver ${String(server.process.pid)}`;
  if (owner === undefined) return verdict(node, 'worker', 'worker', reason, { group: server.process.pid });
  if (owner.role === 'wrapper') return starter(node, owner);
  return verdict(node, 'worker', 'worker', `${reason} of ${named(owner)}`, placed(owner));
}

/** A child of multiprocessing's spawn method. */
export function spawned(node: Node, above: Verdict | undefined): Verdict {
  if (above === undefined) {
    const reason = 'a multiprocessing child whose parent is gone or not of this target';
    return verdict(node, 'worker', 'multiprocessing child', reason, { rank: RANK.side });
  }
  if (above.role === 'wrapper' && node.parent?.process.python !== null) return starter(node, above);
  const how = above.role === 'worker' ? 'a multiprocessing child of' : 'spawned by';
  return verdict(node, 'worker', 'worker', `${how} ${named(above)}`, placed(above));
}

/** honcho and the like start each program from a process of their own. */
function starter(node: Node, owner: Verdict): Verdict {
  return verdict(node, 'wrapper', 'starter', `a process of ${named(owner)} that starts a program`);
}

/** A process that runs its parent's program without an exec. Null: judge it by its own looks. */
export function fork(node: Node, parent: Node, above: Verdict): Verdict | null {
  if (parent.duty.is === 'supervisor' && parent.duty.forks && above.role === 'supervisor') {
    return hand(node, parent, above);
  }
  if (above.role === 'helper') return null;
  const { ageMs, execId, forked } = node.process;
  if (ageMs < FORK_SETTLES_MS && (execId !== '0' || forked === true)) {
    return verdict(node, 'helper', 'fork', `just forked by ${named(above)}, runs no program of its own yet`);
  }
  return verdict(node, 'worker', 'worker', `forked by ${named(above)}`, placed(above));
}

/** A child of a server that is known to fork: gunicorn, celery. Its title, where it has one, says more. */
function hand(node: Node, parent: Node, above: Verdict): Verdict | null {
  const { duty } = node;
  if (duty.is === 'supervisor' && duty.name !== parent.duty.name) return null; // gunicorn's dirty arbiter
  if (duty.is === 'worker' && duty.rank !== above.rank) {
    return verdict(node, 'worker', duty.name, `${duty.reason}, forked by ${named(above)}`, { rank: duty.rank });
  }
  if (parent.duty.is === 'supervisor' && parent.duty.beat === true && parent.children[0] === node) {
    const reason = `the scheduler (-B) of ${named(above)}: its first child`;
    return verdict(node, 'worker', 'celery beat', reason, { rank: RANK.side });
  }
  const tasks = above.rank === RANK.tasks;
  const reason = tasks ? `a pool child of ${named(above)}: tasks run here` : `forked by ${named(above)}`;
  return verdict(node, 'worker', 'worker', reason, placed(above));
}
