// Owns the files of the status page: a fixed table, so that no path of a request reaches the disk. The only one who knows
// where uPlot lies.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** They lie at the same place in a checkout and in the package, as they are: nothing is built of them. */
const PAGE = fileURLToPath(new URL('../../src/page/web/', import.meta.url));
const UPLOT = 'uplot/dist';

const TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
} as const;

/** By path below the page's own. */
const TABLE: ReadonlyMap<string, { readonly file: string; readonly type: keyof typeof TYPES }> = new Map([
  ['', { file: 'index.html', type: 'html' }],
  ['page.css', { file: 'page.css', type: 'css' }],
  ['icon.svg', { file: 'icon.svg', type: 'svg' }],
  ...['page', 'store', 'words', 'elements', 'target', 'tables', 'charts', 'timeline', 'phases'].map(
    (name) => [`${name}.js`, { file: `${name}.js`, type: 'js' }] as const,
  ),
  ['uPlot.js', { file: `${UPLOT}/uPlot.esm.js`, type: 'js' }],
  ['uPlot.css', { file: `${UPLOT}/uPlot.min.css`, type: 'css' }],
]);

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
}

/** Null: there is no such file. */
export async function asset(name: string): Promise<Asset | null> {
  const entry = TABLE.get(name);
  if (entry === undefined) return null;
  return { type: TYPES[entry.type], body: await readFile(pathOf(entry.file)) };
}

function pathOf(file: string): string {
  return file.startsWith(UPLOT) ? createRequire(import.meta.url).resolve(file) : join(PAGE, file);
}
