// Owns reading a command line: which program does this process run, with which arguments. Pure; knows no tool.
import type { ProcessInfo } from '../types.ts';

/** `title`: the process wrote its own (setproctitle); `native`: no Python command line, e.g. a shell or uwsgi. */
export interface Program {
  readonly kind: 'module' | 'script' | 'code' | 'repl' | 'title' | 'native';
  /** Module, script's base name without `.py`, program's base name; the source for `code`; the title. */
  readonly name: string;
  readonly args: readonly string[];
}

const PYTHON = /^(?:[\w.-]*-)?(?:python|pypy)[\d.]*t?d?(?:-.*)?$/i;
const TITLE = /^(?:gunicorn: |\[?celeryd?\b.*[:\]]|\[pytest-xdist\b)/;
/** Options of CPython that take the next word. */
const TAKES_VALUE = new Set(['-W', '-X', '--check-hash-based-pycs']);
/** Python programs that run another one in their own process: what counts is the inner one. */
const RUNNERS = new Set(['debugpy', 'coverage', 'pdb', 'cProfile', 'profile', 'trace', 'viztracer', 'ddtrace-run']);

export function basename(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** What the process runs. */
export function programOf(process: ProcessInfo): Program {
  const [first = '', ...rest] = process.cmdline;
  if (process.python === null) return { kind: 'native', name: basename(first || (process.exe ?? '')), args: rest };
  if (TITLE.test(first)) return { kind: 'title', name: first.trim(), args: [] };
  if (!PYTHON.test(basename(first).replace(/^-/, ''))) return { kind: 'native', name: basename(first), args: rest };
  return unwrap(parsePython(rest));
}

function parsePython(words: readonly string[]): Program {
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (TAKES_VALUE.has(word)) {
      index += 1;
      continue;
    }
    if (word === '-' || word === '') return { kind: 'repl', name: 'stdin', args: words.slice(index + 1) };
    if (!word.startsWith('-')) return { kind: 'script', name: scriptName(word), args: words.slice(index + 1) };
    if (word.startsWith('--')) continue;
    // Short options may be glued together: -Ic CODE, -Impip.
    const at = word.search(/[cm]/);
    if (at < 0 || /^-[WX]/.test(word)) continue;
    const glued = word.slice(at + 1);
    const value = glued === '' ? (words[index + 1] ?? '') : glued;
    const args = words.slice(index + (glued === '' ? 2 : 1));
    return { kind: word[at] === 'c' ? 'code' : 'module', name: value, args };
  }
  return { kind: 'repl', name: 'interactive', args: [] };
}

/** `…/bin/uvicorn` → uvicorn; `main.py` → main.py; a folder's or package's `__main__.py` is known by its folder. */
function scriptName(path: string): string {
  const base = basename(path);
  if (base !== '__main__.py') return base;
  const folder = path.slice(0, Math.max(0, path.length - base.length - 1));
  return basename(folder) || base;
}

function unwrap(program: Program): Program {
  if (!RUNNERS.has(program.name) || program.kind === 'code') return program;
  const { args } = program;
  const module = args.indexOf('-m');
  const script = args.findIndex((word) => word.endsWith('.py'));
  if (module >= 0 && (script < 0 || module < script)) {
    return unwrap({ kind: 'module', name: args[module + 1] ?? '', args: args.slice(module + 2) });
  }
  return script < 0 ? program : { kind: 'script', name: scriptName(args[script] ?? ''), args: args.slice(script + 1) };
}

/** The program's name for people: `main.py`, `uvicorn`, `python -c`. */
export function shortName(program: Program): string {
  switch (program.kind) {
    case 'code':
      return 'python -c';
    case 'repl':
      return 'interactive python';
    case 'module':
      return program.name.replace(/\.__main__$/, '') || 'python -m';
    case 'title':
      return program.name.length > 40 ? `${program.name.slice(0, 39)}…` : program.name;
    case 'script':
    case 'native':
      return program.name || 'unnamed';
    default:
      return program.kind satisfies never;
  }
}

/** True if one of the flags is there, alone or as `--flag=…`. */
export function hasFlag(args: readonly string[], ...flags: readonly string[]): boolean {
  return args.some((word) => flags.some((flag) => word === flag || word.startsWith(`${flag}=`)));
}

/** Value of the first of these options: `--workers 4`, `--workers=4`, `-w 4`, `-w4`; null when absent. */
export function optionValue(args: readonly string[], ...options: readonly string[]): string | null {
  for (const [index, word] of args.entries()) {
    for (const option of options) {
      if (word === option) return args[index + 1] ?? '';
      if (word.startsWith(`${option}=`)) return word.slice(option.length + 1);
      if (/^-[A-Za-z]$/.test(option) && word.startsWith(option) && !word.startsWith('--')) return word.slice(2);
    }
  }
  return null;
}

/** The same as a number; null when absent or none. */
export function optionNumber(args: readonly string[], ...options: readonly string[]): number | null {
  const value = optionValue(args, ...options);
  return value !== null && /^\d+$/.test(value) ? Number(value) : null;
}
