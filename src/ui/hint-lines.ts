// Owns the lines about hints below the targets: who tells when to look, and when they last did. Pure.
import type { HintReport } from '../core/status.ts';
import { printable } from '../lib/printable.ts';
import { agoText } from '../lib/ago.ts';

/** Nothing of a tool that is not there: its absence is no news. Its problems are shown with the targets. */
export function hintLines(hints: readonly HintReport[], now: number): readonly string[] {
  return hints
    .filter(({ state, lastEvent }) => state === 'connected' || lastEvent !== null)
    .map(({ source, message, lastEvent }) => {
      const last = lastEvent === null ? '' : `; last: ${lastEvent.text}, ${agoText(now - lastEvent.at)}`;
      return printable(`hints of ${source}: ${message}${last}`);
    });
}
