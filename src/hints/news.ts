// Owns what a source of hints may say, and what that makes of its place in the report. Pure. A hint is never a truth: it says
// when to look, and the platforms say what is so.
import type { ErrorReport, HintReport } from '../core/status.ts';
import type { TargetConfig } from '../core/types.ts';

export type News =
  /** Something was done that may have changed the app. `at`: ms since the epoch; null: now. */
  | { readonly type: 'look'; readonly text: string; readonly at: number | null }
  /** The tool has taken a port of this machine. `fix`: how to make it leave that alone. */
  | { readonly type: 'port'; readonly port: number; readonly text: string; readonly fix: string }
  /** Something that the user should know of. One of each code is kept. */
  | { readonly type: 'problem'; readonly error: ErrorReport }
  /** The tool ends; what it took is free again. */
  | { readonly type: 'ended'; readonly text: string }
  | { readonly type: 'nothing' };

export interface HintState {
  readonly state: HintReport['state'];
  /** One sentence. */
  readonly message: string;
  readonly lastEvent: HintReport['lastEvent'];
  readonly ports: ReadonlyMap<number, { readonly text: string; readonly fix: string }>;
  readonly problems: ReadonlyMap<string, ErrorReport>;
}

/** A port of ours, for words: `target api`. */
export interface OurPort {
  readonly port: number;
  readonly what: string;
}

/** The editors' ports and the forwarded ones. */
export function ourPorts(targets: readonly TargetConfig[]): readonly OurPort[] {
  return targets.flatMap(({ name, port, forward }) => [
    { port, what: `target ${name}` },
    ...forward.map(({ localPort }) => ({ port: localPort, what: `a forward of ${name}` })),
  ]);
}

export const QUIET: HintState = {
  state: 'waiting',
  message: 'looking for it',
  lastEvent: null,
  ports: new Map(),
  problems: new Map(),
};

/** More ports than that are nobody's dev loop. */
const MOST_PORTS = 200;

/**
 * @param since when the connection was made, ms since the epoch: what the source tells of earlier times is history, of
 *   which only the ports count
 * @returns the next state, and why to look now; null: no reason to
 */
export function heard(
  state: HintState,
  news: News,
  since: number,
  now: number,
): { readonly state: HintState; readonly look: string | null } {
  switch (news.type) {
    case 'look': {
      const at = news.at ?? now;
      const next = { ...state, lastEvent: { at, text: news.text } };
      return { state: next, look: at < since ? null : news.text };
    }
    case 'port': {
      if (state.ports.size >= MOST_PORTS) return { state, look: null };
      const { port, text, fix } = news;
      return { state: { ...state, ports: new Map(state.ports).set(port, { text, fix }) }, look: null };
    }
    case 'problem':
      return { state: { ...state, problems: new Map(state.problems).set(news.error.code, news.error) }, look: null };
    case 'ended':
      return { state: { ...QUIET, state: 'ended', message: news.text, lastEvent: state.lastEvent }, look: null };
    case 'nothing':
      return { state, look: null };
    default:
      return news satisfies never;
  }
}

/** A port that both want is explained; the rest of the tool's ports are its own matter. */
export function hintReport(source: string, state: HintState, ours: readonly OurPort[]): HintReport {
  const collisions = ours.flatMap(({ port, what }): ErrorReport[] => {
    const theirs = state.ports.get(port);
    if (theirs === undefined) return [];
    const message = `port ${String(port)} of ${what} is used by ${source} for ${theirs.text}`;
    return [{ code: 'port-of-tool', message, fix: `${theirs.fix}, or give ${what} another port in the config` }];
  });
  const { message, lastEvent } = state;
  return { source, state: state.state, message, lastEvent, problems: [...collisions, ...state.problems.values()] };
}
