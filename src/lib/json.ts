// Owns strict JSON with the place of a fault. Pure.
import { jsonFault, placeOf } from './jsonc.ts';
import type { Parsed } from './yaml.ts';

/** Like JSON.parse, a byte order mark allowed. Never throws. */
export function parseJson(text: string): Parsed {
  const source = text.startsWith('\uFEFF') ? text.slice(1) : text;
  try {
    const value: unknown = JSON.parse(source);
    return { value };
  } catch (error) {
    // V8 has the better words: `Expected ',' … in JSON at position 20 (line 2 column 5)`, but not always a place.
    const full = error instanceof Error ? error.message : String(error);
    const position = /\bat position (\d+)/.exec(full)?.[1];
    const message = full.replace(/ in JSON at position.*$/s, '').replace(/, (\.\.\.)?".*" is not valid JSON$/s, '');
    const offset = position === undefined ? (jsonFault(source) ?? source.length) : Number(position);
    return { error: { message, ...placeOf(source, offset) } };
  }
}
