// Owns the decision which debug session a connection to the port belongs to. Pure. A connection is never mixed into a
// session that another one has.
import { refuseInitialize } from './attach-arguments.ts';
import { isInteger, type DapRequest } from './messages.ts';

export interface Sessions {
  /** Of the editor that has the first session; null: nobody has. */
  readonly root: {
    readonly client: string;
    /** It initialized and no more, long ago. */ readonly idle: boolean;
  } | null;
  /** Sessions for further workers by number: whether an editor has them. */
  readonly children: ReadonlyMap<number, boolean>;
}

export type Route =
  /** `replaces`: the one that has it must go first. */
  | { readonly to: 'root'; readonly replaces: boolean }
  | { readonly to: 'child'; readonly slot: number }
  /** Which one, its `attach` will say: until then it has to be answered. */
  | { readonly to: 'undecided' }
  /** `disconnect` before any `attach`. */
  | { readonly to: 'end' }
  /** `why` with the way out. */
  | { readonly to: 'nowhere'; readonly why: string };

/** `initialize`: what the connection has sent before, null: nothing. `target`: for people. */
export function route(
  sessions: Sessions,
  initialize: DapRequest | null,
  { command, arguments: args }: DapRequest,
  target: string,
): Route {
  const { root, children } = sessions;
  const taken = `${root?.client ?? 'another editor'} is attached to "${target}" already, and one editor at a time can be: end its debug session first`;
  if (initialize === null) {
    if (root === null) return { to: 'root', replaces: false };
    if (root.idle) return { to: 'root', replaces: true };
    if (children.size === 0 || command !== 'initialize') return { to: 'nowhere', why: taken };
    const refusal = refuseInitialize(args);
    return refusal === null ? { to: 'undecided' } : { to: 'nowhere', why: refusal };
  }
  if (command === 'disconnect') return { to: 'end' };
  if (command !== 'attach') return { to: 'nowhere', why: `"${command}" before "attach": attach first` };
  const slot = args['subProcessId'];
  if (slot === undefined) return { to: 'nowhere', why: taken };
  const held = isInteger(slot) ? children.get(slot) : undefined;
  if (held === false && isInteger(slot)) return { to: 'child', slot };
  const named = JSON.stringify(slot);
  return {
    to: 'nowhere',
    why:
      held === true
        ? `the worker of subProcessId ${named} has a debug session already`
        : `"${target}" has no worker of subProcessId ${named} (any more): its session is offered anew when there is one`,
  };
}
