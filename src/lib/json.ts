// Owns strict JSON with the place of a fault. Pure; must not import a package.
import type { Parsed } from './yaml.ts';

/** Like JSON.parse, a byte order mark allowed. Never throws. */
export function parseJson(text: string): Parsed {
  const source = text.startsWith('\uFEFF') ? text.slice(1) : text;
  try {
    const value: unknown = JSON.parse(source);
    return { value };
  } catch (error) {
    const full = error instanceof Error ? error.message : String(error);
    // V8: `Expected ',' … in JSON at position 20 (line 2 column 5)`, or no position at all: then it is the end.
    const position = /\bat position (\d+)/.exec(full)?.[1];
    const { line, column } = placeOf(source, position === undefined ? source.length : Number(position));
    const message = full.replace(/ in JSON at position.*$/s, '').replace(/, (\.\.\.)?".*" is not valid JSON$/s, '');
    return { error: { message, line, column } };
  }
}

function placeOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const start = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - start + 1 };
}
