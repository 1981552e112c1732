// Owns reading a Dockerfile as far as `wand init` needs it: what runs, and where. Pure.
import { posix } from 'node:path';

export interface DockerfileFacts {
  /** Absolute, null when the image's own counts. */
  readonly workdir: string | null;
  /** ENTRYPOINT and CMD as one command line; empty: the image's own. */
  readonly command: readonly string[];
  /** Files of the build's context and where they are put: `.` to `/app`. */
  readonly copies: readonly Copy[];
  /** "3.11" of `FROM python:3.11-slim`; null: not to be seen. */
  readonly python: string | null;
}

export interface Copy {
  /** Relative to the context. */
  readonly source: string;
  /** Absolute. */
  readonly destination: string;
}

interface Stage {
  readonly name: string;
  readonly from: string;
  workdir: string | null;
  entrypoint: readonly string[];
  cmd: readonly string[];
  copies: readonly Copy[];
  readonly variables: Map<string, string>;
}

/** The stage that is built: `target`, or the last one. Stages that it starts from count too. */
export function readDockerfile(text: string, target: string | null = null): DockerfileFacts | null {
  const stages: Stage[] = [];
  const globals = new Map<string, string>();
  for (const [instruction, rest] of instructions(text)) {
    const stage = stages.at(-1);
    const value = (raw: string): string => substitute(raw, stage?.variables ?? globals);
    if (instruction === 'FROM') {
      const [image = '', , name = ''] = value(rest.replace(/--\S+\s+/g, '')).split(/\s+/);
      const base = stages.find((other) => other.name !== '' && other.name === image.toLowerCase());
      stages.push({
        name: name.toLowerCase(),
        from: base?.from ?? image,
        workdir: base?.workdir ?? null,
        entrypoint: base?.entrypoint ?? [],
        cmd: base?.cmd ?? [],
        copies: base?.copies ?? [],
        variables: new Map([...globals, ...(base?.variables ?? [])]),
      });
    } else if (instruction === 'ARG' || instruction === 'ENV') {
      for (const [key, text] of assignments(rest)) (stage?.variables ?? globals).set(key, value(text));
    } else if (stage !== undefined && instruction === 'WORKDIR') {
      stage.workdir = below(stage.workdir, unquote(value(rest)));
    } else if (stage !== undefined && (instruction === 'COPY' || instruction === 'ADD')) {
      stage.copies = [...stage.copies, ...copiesOf(value(rest), stage.workdir)];
    } else if (stage !== undefined && instruction === 'CMD') {
      stage.cmd = commandWords(rest);
    } else if (stage !== undefined && instruction === 'ENTRYPOINT') {
      stage.entrypoint = commandWords(rest);
      stage.cmd = []; // Docker forgets an earlier CMD there
    }
  }
  const built = target === null ? stages.at(-1) : stages.find((stage) => stage.name === target.toLowerCase());
  if (built === undefined) return null;
  return {
    workdir: built.workdir,
    command: [...built.entrypoint, ...built.cmd],
    copies: built.copies,
    python: /(?:^|\/)python:(\d+\.\d+)/.exec(built.from)?.[1] ?? null,
  };
}

/** Of the context only: what another stage or an address gives is no source of the project. */
function copiesOf(text: string, workdir: string | null): readonly Copy[] {
  if (/(^|\s)--from=/.test(text)) return [];
  const words = commandWords(text.replace(/(^|\s)--\S+/g, ' ').trim());
  const last = words.at(-1);
  if (last === undefined) return [];
  const destination = below(workdir, last);
  return words
    .slice(0, -1)
    .filter((source) => !/^(\w+:\/\/|<<)/.test(source))
    .map((source) => ({ source: posix.normalize(source).replace(/^\/|\/$/g, '') || '.', destination }));
}

function below(folder: string | null, path: string): string {
  return posix.resolve('/', folder ?? '', path);
}

/** Comments are out, continued lines are one. */
function* instructions(text: string): Generator<readonly [string, string]> {
  const lines = text.split(/\r?\n/).filter((line) => !/^\s*#/.test(line));
  const whole = lines.join('\n').replace(/\\[ \t]*\n/g, ' ');
  for (const line of whole.split('\n')) {
    const match = /^\s*([A-Za-z]+)\s+(.+)$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) yield [match[1].toUpperCase(), match[2].trim()];
  }
}

/** Both forms: a JSON list, or a line for the shell, whose `exec` and quotes are seen through. */
export function commandWords(text: string): readonly string[] {
  if (text.trimStart().startsWith('[')) {
    try {
      const words: unknown = JSON.parse(text);
      if (Array.isArray(words)) return words.filter((word) => typeof word === 'string');
    } catch {
      return []; // Docker would take it for a command called `[`
    }
  }
  const words = text.match(/"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"']+/g) ?? [];
  const plain = words.map(unquote);
  return plain[0] === 'exec' ? plain.slice(1) : plain;
}

/** `A=1 B="x y"`, and the old form `A some text`. */
function assignments(text: string): (readonly [string, string])[] {
  const pairs = [...text.matchAll(/(\w+)=("(?:[^"\\]|\\.)*"|'[^']*'|\S*)/g)];
  if (pairs.length > 0) return pairs.map(([, key = '', value = '']) => [key, unquote(value)]);
  const old = /^(\w+)\s+(.*)$/.exec(text);
  return old?.[1] === undefined ? [] : [[old[1], old[2] ?? '']];
}

/** `$NAME`, `${NAME}`, `${NAME:-other}`; what is not known stays as it is. */
export function substitute(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(
    /\$(?:(\w+)|\{(\w+)(?::?-([^}]*))?\})/g,
    (whole, bare: string | undefined, braced: string | undefined, other: string | undefined) =>
      variables.get(bare ?? braced ?? '') ?? other ?? whole,
  );
}

function unquote(text: string): string {
  return /^(".*"|'.*')$/.test(text) ? text.slice(1, -1) : text;
}
