// Owns YAML: the only importer of `yaml`. Pure.
import { LineCounter, parseDocument } from 'yaml';

/** What a text in some format holds, or the first thing wrong with it; `line` and `column` count from 1. */
export type Parsed =
  | { readonly value: unknown }
  | { readonly error: { readonly message: string; readonly line: number | null; readonly column: number | null } };

/** One YAML 1.2 document, merge keys (`<<`) and YAML 1.1 documents that say so included. Never throws. */
export function parseYaml(text: string): Parsed {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const first = document.errors[0];
  if (first !== undefined) {
    const { line, col } = lines.linePos(first.pos[0]);
    return { error: { message: first.message, line, column: col } };
  }
  try {
    // The limit on aliases keeps a small file from growing into gigabytes.
    const value: unknown = document.toJS({ maxAliasCount: 1000 });
    return { value };
  } catch (error) {
    return { error: { message: error instanceof Error ? error.message : String(error), line: null, column: null } };
  }
}
