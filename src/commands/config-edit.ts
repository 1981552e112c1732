// Owns the one change that wand makes to a config of the user's: a context that may be entered. Pure.
import { basename, extname } from 'node:path';
import { fields } from '../lib/fields.ts';
import { editJsonc, parseJsonc } from '../lib/jsonc.ts';

/** The text with that context in `allowContexts`; null: how is for the user to see. */
export function withAllowedContext(file: string, text: string, context: string): string | null {
  const name = basename(file);
  if (name === 'pyproject.toml') return null;
  switch (extname(name)) {
    case '.json':
      return inJson(text, name === 'package.json' ? ['debugwand'] : [], context);
    case '.yaml':
    case '.yml':
      return /^allowContexts\b/m.test(text) || /^\s*[{[]/.test(text)
        ? null
        : `${text.replace(/\n*$/, '\n')}allowContexts: [${JSON.stringify(context)}]\n`;
    case '.ts':
    case '.mts':
    case '.js':
    case '.mjs':
      return inModule(text, context);
    default:
      return null;
  }
}

function inJson(text: string, path: readonly string[], context: string): string | null {
  const parsed = parseJsonc(text);
  if ('error' in parsed) return null;
  const holder = path.reduce<unknown>((value, key) => fields(value)[key], parsed.value);
  const list = fields(holder)['allowContexts'];
  return Array.isArray(list)
    ? editJsonc(text, [...path, 'allowContexts', list.length], context)
    : editJsonc(text, [...path, 'allowContexts'], [context]);
}

/** As `wand init` writes it, and as most people do. What was made is read again before it counts. */
function inModule(text: string, context: string): string | null {
  const lists = [...text.matchAll(/\ballowContexts:\s*\[/g)];
  const [list] = lists;
  const name = JSON.stringify(context);
  if (list !== undefined) {
    if (lists.length > 1) return null;
    const at = list.index + list[0].length;
    return `${text.slice(0, at)}${name}, ${text.slice(at)}`;
  }
  const exported = /\bexport default \{[ \t]*\r?\n/.exec(text);
  if (exported === null) return null;
  const at = exported.index + exported[0].length;
  return `${text.slice(0, at)}  allowContexts: [${name}],\n${text.slice(at)}`;
}
