/**
 * `src/docs/troubleshooting.md`, made of the errors themselves: each code with what it says and its fix, read from the syntax
 * trees of src. `node test/support/errors-table.ts` writes it; a unit test fails when it is not what it would be.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { parseSync } from 'vite';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));
export const DOCUMENT = fileURLToPath(new URL('../../src/docs/troubleshooting.md', import.meta.url));

type Node = Readonly<Record<string, unknown>> & { readonly type: string };

/** What an error says, in one of the places where it is made. Parts that differ are `…`. */
export interface ErrorWords {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

/** A function that makes an error of its parameters: what comes from which, and what is fixed. */
interface Maker {
  readonly code: number;
  readonly message: number | Node;
  readonly fix: number | Node;
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';

function* walk(node: Node): Generator<Node> {
  yield node;
  for (const value of Object.values(node)) {
    for (const one of Array.isArray(value) ? value : [value]) if (isNode(one)) yield* walk(one);
  }
}

/** Every error that the sources can make, by code. */
export function errorsOf(sources: readonly string[]): readonly ErrorWords[] {
  const trees = sources.flatMap((text): Node[] => {
    const program: unknown = parseSync('source.ts', text).program;
    return isNode(program) ? [program] : [];
  });
  const makers = new Map(trees.flatMap((tree) => [...walk(tree)].flatMap(makerOf)));
  const all = trees.flatMap((tree) => [...walk(tree)].flatMap((node) => [...ofObject(node), ...ofCall(node, makers)]));
  const told = all.filter(({ message, fix }) => message !== '…' || fix !== '…');
  const key = (words: ErrorWords): string => JSON.stringify([words.code, words.message, words.fix]);
  return [...new Map(told.map((words) => [key(words), words])).values()].toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

function property(object: Node, name: string): Node | null {
  const list = Array.isArray(object['properties']) ? object['properties'] : [];
  for (const one of list) {
    if (!isNode(one) || one.type !== 'Property' || !isNode(one['key']) || !isNode(one['value'])) continue;
    if (one['key']['name'] === name) return one['value'];
  }
  return null;
}

function ofObject(node: Node): ErrorWords[] {
  if (node.type !== 'ObjectExpression') return [];
  const [code, message, fix] = [property(node, 'code'), property(node, 'message'), property(node, 'fix')];
  if (code === null || message === null || fix === null) return [];
  return codesOf(code).map((one) => ({ code: one, message: words(message), fix: words(fix) }));
}

function ofCall(node: Node, makers: ReadonlyMap<string, Maker>): ErrorWords[] {
  const callee = node['callee'];
  if (node.type !== 'CallExpression' || !isNode(callee)) return [];
  const maker = makers.get(String(callee['name']));
  const given: unknown[] = Array.isArray(node['arguments']) ? node['arguments'] : [];
  if (maker === undefined) return [];
  const argument = (at: number | Node): Node | null => {
    const found = typeof at === 'number' ? given[at] : at;
    return isNode(found) ? found : null;
  };
  const [code, message, fix] = [argument(maker.code), argument(maker.message), argument(maker.fix)];
  if (code === null) return [];
  const said = { message: message === null ? '…' : words(message), fix: fix === null ? '…' : words(fix) };
  return codesOf(code).map((one) => ({ code: one, ...said }));
}

/** `function name(code, …) { … { code, message, fix } … }`, also as an arrow in a constant. */
function makerOf(node: Node): [string, Maker][] {
  const made = node.type === 'VariableDeclarator' ? node['init'] : node.type === 'FunctionDeclaration' ? node : null;
  const name = isNode(node['id']) ? node['id']['name'] : undefined;
  if (!isNode(made) || typeof name !== 'string' || !Array.isArray(made['params']) || !isNode(made['body'])) return [];
  const names = made['params'].map((one: unknown) => {
    const plain = isNode(one) && one.type === 'AssignmentPattern' ? one['left'] : one;
    return isNode(plain) ? String(plain['name']) : '';
  });
  const place = (value: Node): number | Node => {
    const at = value.type === 'Identifier' ? names.indexOf(String(value['name'])) : -1;
    return at === -1 ? value : at;
  };
  for (const inner of walk(made['body'])) {
    if (inner.type !== 'ObjectExpression') continue;
    const [code, message, fix] = [property(inner, 'code'), property(inner, 'message'), property(inner, 'fix')];
    const from = code === null ? -1 : place(code);
    if (typeof from !== 'number' || from === -1 || message === null || fix === null) continue;
    return [[name, { code: from, message: place(message), fix: place(fix) }]];
  }
  return [];
}

function codesOf(node: Node): string[] {
  if (node.type === 'ConditionalExpression') {
    return [node['consequent'], node['alternate']].flatMap((one) => (isNode(one) ? codesOf(one) : []));
  }
  const { type, value } = node;
  return type === 'Literal' && typeof value === 'string' && /^[a-z]+(-[a-z]+)*$/.test(value) ? [value] : [];
}

/** A string as it is, its variable parts as `…`; of a choice, each; of anything else `…`. */
function words(node: Node): string {
  const child = (name: string): string => (isNode(node[name]) ? words(node[name]) : '…');
  switch (node.type) {
    case 'Literal':
      return String(node['value']);
    case 'TemplateLiteral': {
      const quasis: unknown[] = Array.isArray(node['quasis']) ? node['quasis'] : [];
      return quasis
        .map((part) => {
          const value = isNode(part) ? part['value'] : null;
          return typeof value === 'object' && value !== null && 'cooked' in value ? String(value.cooked) : '';
        })
        .join('…');
    }
    case 'ConditionalExpression':
      return either([child('consequent'), child('alternate')]);
    case 'LogicalExpression':
      return either([child('left'), child('right')]);
    case 'BinaryExpression':
      return `${child('left')}${child('right')}`;
    case 'MemberExpression':
      return isNode(node['object']) && node['object'].type === 'ObjectExpression' ? words(node['object']) : '…';
    case 'ObjectExpression': {
      const list: unknown[] = Array.isArray(node['properties']) ? node['properties'] : [];
      return either(list.map((one) => (isNode(one) && isNode(one['value']) ? words(one['value']) : '…')));
    }
    default:
      return '…';
  }
}

function either(all: readonly string[]): string {
  const told = [...new Set(all)].filter((one) => one !== '…' && one !== '');
  return told.length === 0 ? '…' : told.join('; or: ');
}

/** The document for these errors. */
export async function documentOf(errors: readonly ErrorWords[]): Promise<string> {
  const plain = (text: string): string => text.replaceAll('\n', ' ').replaceAll('|', '\\|').replaceAll('<', '\\<');
  const sections = [...Map.groupBy(errors, ({ code }) => code)].map(([code, list]) => {
    const rows = list.map(({ message, fix }) => {
      const cause = message === '…' ? 'What failed says so itself.' : plain(message);
      return `- ${cause}\n\n  **Fix:** ${fix === '…' ? 'the error names it' : plain(fix)}\n`;
    });
    return `## ${code}\n\n${rows.join('\n')}`;
  });
  const head = `# Troubleshooting by error code

Each error of debugwand says what failed and how to mend it; \`wand status --json\` and \`--json\` logs carry its code. This page
lists them all, with \`…\` where names and figures stand. \`wand doctor\` looks for most of them before they happen. It is made
of the sources: do not edit it.
`;
  return format([head, ...sections].join('\n'), { parser: 'markdown', printWidth: 120, singleQuote: true });
}

/** All of src. */
export function readSources(): readonly string[] {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' });
  return files.filter((file) => file.endsWith('.ts')).map((file) => readFileSync(`${SRC}${file}`, 'utf8'));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(DOCUMENT, await documentOf(errorsOf(readSources())));
}
