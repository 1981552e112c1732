// Owns the words for what is wrong with a config: all problems at once, each with its place. Pure.
import { DebugwandError } from '../lib/errors.ts';
import { nearest } from '../lib/nearest.ts';

type Path = readonly PropertyKey[];

/** `unknown`: no such setting. `missing`, `wrong`: a value of another kind. `rule`: the right kind, but not allowed. */
export type Problem =
  | { readonly kind: 'unknown'; readonly path: Path; readonly found: string; readonly known: readonly string[] }
  | { readonly kind: 'missing' | 'wrong'; readonly path: Path; readonly found: string; readonly allowed: string }
  | { readonly kind: 'rule'; readonly path: Path; readonly found: string | null; readonly rule: string };

/** One `config-invalid` for all problems. `file` null: settings that came from the command line. */
export function invalidConfig(file: string | null, problems: readonly Problem[]): DebugwandError {
  const where = file ?? 'the command line';
  const lines = problems.map(problemLine);
  const count = lines.length === 1 ? 'a problem' : `${lines.length} problems`;
  return new DebugwandError({
    code: 'config-invalid',
    message: `${where} has ${count}:\n${lines.map((line) => `  ${line}`).join('\n')}`,
    fix:
      file === null
        ? 'correct the options; `wand --help` lists them'
        : `correct ${lines.length === 1 ? 'it' : 'them'} in ${where}; debugwand.config.example.ts shows every setting`,
  });
}

/** `targets.web.pathMapping`: unknown setting … */
export function problemLine(problem: Problem): string {
  const path = pathText(problem.path);
  switch (problem.kind) {
    case 'unknown': {
      const key = String(problem.path.at(-1));
      const near = nearest(key, problem.known);
      const meant = near === null ? '' : ` → did you mean \`${near}\`?`;
      return `${path}: no such setting (found ${problem.found})${meant} Allowed: ${problem.known.join(', ')}`.replace(
        /\) Allowed/,
        '). Allowed',
      );
    }
    case 'missing':
      return `${path}: is missing. Allowed: ${problem.allowed}`;
    case 'wrong':
      return `${path}: found ${problem.found}. Allowed: ${problem.allowed}`;
    case 'rule':
      return `${path}: ${problem.rule}${problem.found === null ? '' : ` (found ${problem.found})`}`;
  }
}

/** `targets.web.pathMappings[0].local`; `the config` for its top. */
export function pathText(path: Path): string {
  if (path.length === 0) return 'the config';
  return path
    .map((key, index) => {
      if (typeof key === 'number' || (index > 0 && /^\d+$/.test(String(key)))) return `[${String(key)}]`;
      const name = /^[\w-]+$/.test(String(key)) ? String(key) : JSON.stringify(String(key));
      return index === 0 ? name : `.${name}`;
    })
    .join('');
}

/** A value in one short line: `the string "5679"`, `the list ["a"]`. Never the whole of something long. */
export function describeFound(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (typeof value === 'string') return `the string ${shorten(JSON.stringify(value))}`;
  if (typeof value === 'number' || typeof value === 'bigint') return `the number ${String(value)}`;
  if (typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `the list ${shorten(json(value))}`;
  if (value instanceof Date) return 'a date';
  if (typeof value === 'object') return `the object ${shorten(json(value))}`;
  return `a ${typeof value}`;
}

function json(value: object): string {
  try {
    return JSON.stringify(value) ?? '…';
  } catch {
    return '…';
  }
}

function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
