// Owns TOML: the only importer of `smol-toml`. Pure.
import { parse, TomlError } from 'smol-toml';
import type { Parsed } from './yaml.ts';

/** One TOML 1.0 document. Never throws. */
export function parseToml(text: string): Parsed {
  try {
    return { value: parse(text) };
  } catch (error) {
    if (error instanceof TomlError) {
      // The message goes on with a picture of the place, which line and column say already.
      const message = (error.message.split('\n')[0] ?? error.message).replace(/^Invalid TOML document: /, '');
      return { error: { message, line: error.line, column: error.column } };
    }
    return { error: { message: error instanceof Error ? error.message : String(error), line: null, column: null } };
  }
}
