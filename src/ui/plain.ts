// Owns output without a cursor: a line for each entry of the log, for people (`--plain`, pipes, Tilt, CI) or for
// programs (`--json`). Pure: entries in, lines out.
import { clockText, indented, levelText, type LogEntry } from '../lib/log-line.ts';
import type { Style } from './style.ts';
import type { Transition } from './transitions.ts';

const COLORS = { debug: '2', info: '32', warn: '33', error: '31' } as const;

/** `09:05:07.123 info  api: attached …`; further lines of the text are indented below it. */
export function plainLine(entry: LogEntry, style: Style): string {
  const level = levelText(entry.level);
  const shown = style.color ? `\u001B[${COLORS[entry.level]}m${level}\u001B[0m` : level;
  return `${clockText(entry.at)} ${shown} ${indented(entry.text)}`;
}

/** One JSON object: `time` (ISO 8601), `level`, `event`, `target`, `text`, and the event's own fields. */
export function jsonLine(entry: LogEntry, transition: Transition | null): string {
  const { event, target, text, data } = transition ?? { event: 'log', target: null, text: entry.text, data: {} };
  return JSON.stringify({ ...data, time: new Date(entry.at).toISOString(), level: entry.level, event, target, text });
}
