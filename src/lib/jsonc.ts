// Owns JSON with comments, read and edited in place: the only importer of `jsonc-parser`. Pure.
import { applyEdits, modify, parse, type ParseError, printParseErrorCode } from 'jsonc-parser';
import type { Parsed } from './yaml.ts';

/** Comments, trailing commas and a byte order mark allowed, as VS Code reads its own files. Never throws. */
export function parseJsonc(text: string): Parsed {
  const errors: ParseError[] = [];
  const value: unknown = parse(text.replace(/^\uFEFF/, ' '), errors, {
    allowTrailingComma: true,
    allowEmptyContent: true,
  });
  const first = errors[0];
  return first === undefined ? { value } : { error: { message: inWords(first), ...placeOf(text, first.offset) } };
}

/** Offset of the first fault of strict JSON, null when there is none. */
export function jsonFault(text: string): number | null {
  const errors: ParseError[] = [];
  parse(text, errors, { disallowComments: true, allowTrailingComma: false });
  return errors[0]?.offset ?? null;
}

/** Sets the value at `path` (-1: behind the last of a list); comments, order and all the rest stay as they are. */
export function editJsonc(text: string, path: readonly (string | number)[], value: unknown): string {
  if (text.startsWith('\uFEFF')) return `\uFEFF${editJsonc(text.slice(1), path, value)}`;
  const indent = /\n([ \t]+)\S/.exec(text)?.[1] ?? '    ';
  const formattingOptions = {
    insertSpaces: !indent.startsWith('\t'),
    tabSize: indent.startsWith('\t') ? 4 : indent.length,
    eol: text.includes('\r\n') ? '\r\n' : '\n',
  };
  return applyEdits(text, modify(text, [...path], value, { formattingOptions, isArrayInsertion: path.at(-1) === -1 }));
}

/** Line and column of an offset, from 1. */
export function placeOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset);
  const start = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - start + 1 };
}

function inWords(error: ParseError): string {
  const words = printParseErrorCode(error.error)
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase();
  return words.replace(/^(\w+) expected$/, 'expected a $1');
}
