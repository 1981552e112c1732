// Owns how a line of the log is told to people. Pure.
import { printable } from './printable.ts';

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type Level = (typeof LEVELS)[number];

/** One entry of the log. `at`: ms since the epoch. */
export interface LogEntry {
  readonly level: Level;
  readonly at: number;
  readonly text: string;
}

/** `2026-01-31 09:05:07.123 warn  api: …` from a line of the file; a line that is none of ours as it is, made printable. */
export function formatLogLine(line: string): string {
  const entry = readLogLine(line);
  return entry === null ? printable(line) : `${dateText(entry.at)} ${levelText(entry.level)} ${indented(entry.text)}`;
}

export function readLogLine(line: string): LogEntry | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  if (!('level' in value) || !('time' in value) || !('msg' in value) || typeof value.msg !== 'string') return null;
  const level = LEVELS.find((name) => name === value.level);
  const at = typeof value.time === 'string' ? Date.parse(value.time) : Number.NaN;
  return level === undefined || Number.isNaN(at) ? null : { level, at, text: value.msg };
}

/** All levels equally wide. */
export function levelText(level: Level): string {
  return level.padEnd(5);
}

/** `09:05:07.123` of this machine's time zone. */
export function clockText(at: number): string {
  const date = new Date(at);
  const [hours, minutes, seconds] = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two);
  return `${hours ?? ''}:${minutes ?? ''}:${seconds ?? ''}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function dateText(at: number): string {
  const date = new Date(at);
  return `${String(date.getFullYear())}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clockText(at)}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** The lines below the first one are seen to belong to it. */
export function indented(text: string): string {
  return text.split('\n').map(printable).join('\n    ');
}
